# shellcheck shell=bash
# The tables of scripts/bench: sourced by it, never run.

. scripts/bench-tables.sh

peers_table() {
    local client
    echo '| client | version | newer ones | system calls per request | user instructions per request |'
    echo '|---|---|---|---|---|'
    for client in "${clients[@]}"; do
        echo "| ${title[$client]} | ${version[$client]:-not measured: $(words_of "${reason[$client]:-}")} | $(newer_of "$client") | ${syscalls[$client]:-} | ${instructions[$client]:+$(thousands "${instructions[$client]}")} |"
    done
    [[ -z "$syscalls_reason" ]] || echo $'\n'"System calls were not all counted: $(words_of "$syscalls_reason")."
    [[ -z "$instructions_reason" ]] || echo $'\n'"Instructions were not all counted: $(words_of "$instructions_reason")."
}
# count_table CASE CONNECTIONS
count_table() {
    local case="$1" c="$2" client why ratio judgement
    echo "| client | $FIGURES | CPU of Apus ÷ this | goal |"
    echo '|---|---|---|---|---|---|---|---|---|'
    for client in "${clients[@]}"; do
        why="${reason[$client]:-${failed[$client.$case.$c]:-}}"
        if [[ -n "$why" || -z "$(sampled "$case" "$client" "$c" cpu)" ]]; then
            echo "| ${title[$client]} | not measured: $(words_of "${why:-no figure}") | | | | | | | |"
            continue
        fi
        printf '| %s | %s ' "${title[$client]}" "$(figures "$case" "$client" "$c")"
        ratio="$(compared "$case" apus "$client" "$c" cpu)" judgement=''
        if [[ "$client" == apus || -z "$ratio" ]]; then
            echo '| | |'
            continue
        fi
        [[ "$case.$c" != small.64 ]] || judged "CPU beside ${title[$client]}, 64 connections" "$(printf %.2f "${ratio%% *}")" "${goal[$client]}" \
            "$(kernel_words small "$client" 64 "${title[$client]}")"
        echo "| $(shown %.2f "$ratio") | $judgement |"
    done
}
cases_table() {
    local case client ratio cpu why
    printf '| case'
    for client in "${clients[@]}"; do printf ' | %s' "${title[$client]}"; done
    echo ' |'
    printf '|---'
    for client in "${clients[@]}"; do printf '|---'; done
    echo '|'
    for case in "${cases[@]}"; do
        printf '| %s' "${case_title[$case]}"
        for client in "${clients[@]}"; do
            why="${reason[$client]:-${failed[$client.$case.64]:-}}"
            cpu="$(sampled "$case" "$client" 64 cpu)"
            if [[ -n "$why" || -z "$cpu" ]]; then
                printf ' | not measured: %s' "$(words_of "${why:-no figure}")"
                continue
            fi
            printf ' | %.1f' "${cpu%% *}"
            ratio="$(compared "$case" apus "$client" 64 cpu)"
            [[ "$client" == apus || -z "$ratio" ]] || printf ' (%.2f)' "${ratio%% *}"
        done
        echo ' |'
    done
}
# by_round CLIENT : its CPU per request with 10,000 connections by that with 64; rounds differ, so it is medians.
grown() {
    awk -v a="$(sampled small "$1" 10000 cpu)" -v b="$(sampled small "$1" 64 cpu)" 'BEGIN { split(a, x, " "); split(b, y, " "); if (x[1] > 0 && y[1] > 0) printf "%.2f", x[1] / y[1] }'
}
latency_words() {
    awk -v a="$(sampled small apus 1 p50)" -v b="$(sampled small wrk 1 p50)" -v ours="$(parts_of small apus 1)" -v theirs="$(parts_of small wrk 1)" 'BEGIN {
        split(a, p, " "); split(b, q, " "); split(ours, x, " "); split(theirs, y, " ")
        printf "the medians are %.1f and %.1f µs, CPU per request %.1f (user %.1f) and %.1f µs (user %.1f); what a client computes between an answer and its next request is in each round trip",
            p[1], q[1], x[1] + x[2], x[1], y[1] + y[2], y[1] }'
}
crowd_words() {
    awk -v a="$(parts_of small apus 64)" -v b="$(parts_of small apus 10000)" -v wrk="$(grown wrk)" 'BEGIN {
        split(a, x, " "); split(b, y, " ")
        printf "user time goes from %.2f to %.2f µs, system time from %.2f to %.2f", x[1], y[1], x[2], y[2]
        if (wrk != "") printf "; wrk, which keeps next to nothing per connection, has %s", wrk
        print "; user instructions per request stay the same (callgrind, \"What grows\"), so it is memory and sockets that are in no cache" }'
}
goals_table() {
    local judgement ratio client
    echo '| Apus | measured | goal |'
    echo '|---|---|---|'
    ratio="$(compared small apus wrk 1 p50)"
    if [[ -n "$ratio" ]]; then
        judged 'median latency of one connection beside wrk' "$(printf %.2f "${ratio%% *}")" "$latency_goal" "$(latency_words)"
        echo "| p50 latency of one connection ÷ that of wrk | $(shown %.2f "$ratio") | $judgement |"
    fi
    ratio="$(grown apus)"
    if [[ -n "$ratio" ]]; then
        judged 'CPU per request of 10,000 connections beside 64' "$ratio" "$crowd_goal" "$(crowd_words)"
        printf '| CPU per request of 10,000 connections ÷ that of 64 | %s (' "$ratio"
        for client in hyper go wrk; do [[ -z "$(grown "$client")" ]] || printf '%s: %s; ' "${title[$client]}" "$(grown "$client")"; done | sed 's/; $//'
        echo ") | $judgement |"
    fi
    if [[ -n "${instructions[apus]:-}" ]]; then
        judged 'user instructions per request' "${instructions[apus]}" "$instructions_goal" 'callgrind counts the code of one exchange alone; "What was tried on the hot paths" says what has been taken out of it'
        echo "| user instructions per request (callgrind) | $(thousands "${instructions[apus]}")${instructions[hyper]:+ (hyper: $(thousands "${instructions[hyper]}"))} | $judgement |"
    else
        echo "| user instructions per request (callgrind) | not measured: $(words_of "${instructions_reason:-a part that did not run}") | ≤ $instructions_goal |"
    fi
    if [[ -n "$per_sleeper" ]]; then
        judged 'bytes per sleeping task' "$per_sleeper" "$sleeper_goal" 'two allocations of the runtime and its first stack slab'
        echo "| memory per sleeping task ($(thousands "$sleepers") of them) | $(thousands "$per_sleeper") bytes | $judgement |"
    else
        echo "| memory per sleeping task | not measured: $(words_of "$sleeper_reason") | ≤ $sleeper_goal |"
    fi
}
client_tables() {
    local c part
    echo
    echo "Measured $(date '+%Y-%m-%d') on $machine, ${#cpus[@]} core(s), Linux $(uname -r); $placement; server: $(version_of nginx), one worker, \`return 200\`, 13 bytes; medians of $rounds alternating rounds with 1 and 64 connections, of $few_rounds with more and in other cases (min–max)."
    echo
    peers_table
    for part in "${parts[@]}"; do
        case "$part" in
            counts)
                for c in "${counts[@]}"; do
                    echo
                    echo "**$(thousands "$c") connection$( ((c == 1)) || echo s)**, small GET:"
                    echo
                    count_table small "$c"
                done
                ;;
            cases)
                echo
                echo "**Other cases**, 64 connections: CPU µs per request, and in brackets that of Apus ÷ this. Bodies are read whole, as text; a body of 100 MiB is below. wrk checks no certificate."
                echo
                cases_table
                for c in "${cases[@]}"; do
                    details "${case_title[$c]}: user and system time, latency, memory"
                    count_table "$c" 64
                    end_details
                done
                ;;
        esac
    done
    echo
    goals_table
    list_misses
    echo
}
