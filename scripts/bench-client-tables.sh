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
# count_table CONNECTIONS
count_table() {
    local c="$1" client why ratio judgement
    echo '| client | CPU µs per request | of it user | requests/s | p50 / p99 / p99.9 µs | memory | CPU of Apus ÷ this | goal |'
    echo '|---|---|---|---|---|---|---|---|'
    for client in "${clients[@]}"; do
        why="${reason[$client]:-${failed[$client.small.$c]:-}}"
        if [[ -n "$why" ]]; then
            echo "| ${title[$client]} | not measured: $(words_of "$why") | | | | | | |"
            continue
        fi
        printf '| %s | %s | %.2f | %s | %s | %s ' "${title[$client]}" "$(shown %.2f "$(sampled small "$client" "$c" cpu)")" \
            "$(sampled small "$client" "$c" user | cut -d' ' -f1)" "$(thousands "$(sampled small "$client" "$c" rps | cut -d' ' -f1)")" \
            "$(latencies small "$client" "$c")" "$(resident small "$client" "$c")"
        ratio="$(compared small apus "$client" "$c" cpu)" judgement=''
        if [[ "$client" == apus || -z "$ratio" ]]; then
            echo '| | |'
            continue
        fi
        [[ "$c" != 64 ]] || judged "CPU beside ${title[$client]}, 64 connections" "$(printf %.2f "${ratio%% *}")" "${goal[$client]}" "${limit[$client]}"
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
    awk -v a="$(sampled small "$1" 10000 cpu)" -v b="$(sampled small "$1" 64 cpu)" 'BEGIN { split(a, x, " "); split(b, y, " "); if (y[1] > 0) printf "%.2f", x[1] / y[1] }'
}
goals_table() {
    local judgement ratio client
    echo '| Apus | measured | goal |'
    echo '|---|---|---|'
    ratio="$(compared small apus wrk 1 p50)"
    if [[ -n "$ratio" ]]; then
        judged 'median latency of one connection beside wrk' "$(printf %.2f "${ratio%% *}")" "$latency_goal" "${limit[latency]}"
        echo "| p50 latency of one connection ÷ that of wrk | $(shown %.2f "$ratio") | $judgement |"
    fi
    ratio="$(grown apus)"
    if [[ -n "$ratio" ]]; then
        judged 'CPU per request of 10,000 connections beside 64' "$ratio" "$crowd_goal" "${limit[crowd]}"
        printf '| CPU per request of 10,000 connections ÷ that of 64 | %s (' "$ratio"
        for client in hyper go wrk; do [[ -z "$(grown "$client")" ]] || printf '%s: %s; ' "${title[$client]}" "$(grown "$client")"; done | sed 's/; $//'
        echo ") | $judgement |"
    fi
    if [[ -n "${instructions[apus]:-}" ]]; then
        judged 'user instructions per request' "${instructions[apus]}" "$instructions_goal" 'the code of one exchange: URL, fields, pool, timeouts, decoding'
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
                    count_table "$c"
                done
                ;;
            cases)
                echo
                echo "**Other cases**, 64 connections: CPU µs per request, and in brackets that of Apus ÷ this. Bodies are read whole, as text; a body of 100 MiB is below. wrk checks no certificate."
                echo
                cases_table
                ;;
        esac
    done
    echo
    goals_table
    list_misses
    echo
}
