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
# words_of TEXT : without what would end a cell of a table.
words_of() { printf '%s' "${1//|/ }"; }
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
