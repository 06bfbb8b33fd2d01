# shellcheck shell=bash
# What the tables of scripts/bench and scripts/bench-server share: sourced by them, never run.

# latencies CASE PEER X : three medians, in µs unless they say ms.
latencies() {
    local metric
    [[ -n "$(sampled "$1" "$2" "$3" p50)" ]] || { printf '–'; return; }
    for metric in p50 p99 p999; do
        sampled "$1" "$2" "$3" "$metric" | awk -v first="$([[ "$metric" == p50 ]] && echo 1)" \
            '{ v = $1; format = v < 100 ? "%.1f" : "%.0f"; if (v >= 9999.5) { v /= 1000; format = v < 100 ? "%.1f ms" : "%.0f ms" }
               format = (first ? "" : " / ") format; printf format, v }'
    done
}
# resident CASE PEER X : megabytes.
resident() { sampled "$1" "$2" "$3" rss | awk '{ printf "%.1f MB", $1 / 1024 } END { if (!NR) printf "–" }'; }
# figures CASE PEER X : the cells that FIGURES is the head of.
FIGURES='CPU µs per request | user + system | requests/s | of a whole core | p50 / p99 / p99.9 µs | memory'
figures() {
    local cpu
    cpu="$(sampled "$1" "$2" "$3" cpu)"
    printf '%s | %s | %s | %s | %s | %s' "$(shown %.2f "$cpu")" "$(parts_of "$@" | awk '{ printf "%.2f + %.2f", $1, $2 }')" \
        "$(thousands "$(sampled "$1" "$2" "$3" rps | cut -d' ' -f1)")" "$(thousands "$(awk -v us="${cpu%% *}" 'BEGIN { if (us > 0) print 1e6 / us }')")" \
        "$(latencies "$@")" "$(resident "$@")"
}
# parts_of CASE PEER X : µs in user mode and in the kernel, medians.
parts_of() { echo "$(sampled "$1" "$2" "$3" cpu | cut -d' ' -f1) $(sampled "$1" "$2" "$3" user | cut -d' ' -f1)" | awk 'NF == 2 { print $2, ($1 > $2 ? $1 - $2 : 0) }'; }
# kernel_words CASE PEER X NAME : how much of a ratio the kernel's part is, which is what our code cannot change.
kernel_words() {
    awk -v ours="$(parts_of "$1" apus "$3")" -v theirs="$(parts_of "$1" "$2" "$3")" -v name="$4" 'BEGIN {
        split(ours, a, " "); split(theirs, b, " ")
        printf "system time is %.2f µs of each request here and %.2f in %s, user time %.2f and %.2f: with no user time at all the ratio would be %.2f",
            a[2], b[2], name, a[1], b[1], (b[1] + b[2] > 0 ? a[2] / (b[1] + b[2]) : 0) }'
}
# words_of TEXT : without what would end a cell of a table.
words_of() { printf '%s' "${1//|/ }"; }
# details TITLE … end_details : a table that is folded away.
details() { printf '\n<details><summary>%s</summary>\n\n' "$1"; }
end_details() { printf '\n</details>\n'; }
missed=() # titles of misses, for the list of what limits them
# judged WHAT VALUE GOAL LIMIT : "≤ GOAL: met" into $judgement; a miss goes into the list.
judged() {
    judgement="≤ $3: $(verdict "$2" "$3")"
    [[ "$judgement" != *missed* ]] || missed+=("$1 ($2 instead of $3): $4")
}
list_misses() {
    local miss
    ((${#missed[@]})) || return 0
    echo
    echo '**What limits the misses:**'
    echo
    for miss in "${missed[@]}"; do echo "- $miss."; done
}
