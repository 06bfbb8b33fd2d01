# shellcheck shell=bash
# What scripts/bench and scripts/bench-streams share. Sourced after lib.sh, never run.
export LC_ALL=C # points in numbers, whatever the locale

# --- the machine -----------------------------------------------------------------------------------------------------
# choose_cores: sets on_server and on_client (command prefixes), placement and machine (words for the tables), cpus.
choose_cores() {
    local first last cpu
    # The processors we may use, from a list such as 0-3,6.
    cpus=()
    while IFS=- read -r first last; do
        for ((cpu = first; cpu <= ${last:-$first}; cpu++)); do cpus+=("$cpu"); done
    done < <(awk '/^Cpus_allowed_list:/ { gsub(",", "\n", $2); print $2 }' /proc/self/status)
    on_server=() on_client=() placement="server on core ${cpus[0]}, client on core ${cpus[1]:-${cpus[0]}}"
    if ! have taskset; then
        placement='cores not chosen (no taskset)'
        note "No taskset on this machine: server and client run wherever the kernel puts them, which blurs the figures."
    else
        on_server=(taskset -c "${cpus[0]}") on_client=(taskset -c "${cpus[1]:-${cpus[0]}}")
        if ((${#cpus[@]} == 1)); then
            placement='server and client share the only core'
            note "Only one core: server and client share it, which blurs the figures."
        fi
    fi
    machine="$(awk -F': *' '/^(model name|Model)/ { print $2; exit }' /proc/cpuinfo)"
    # Virtual machines report no more than a family name; Arm kernels none at all.
    [[ -n "$machine" ]] || machine="$(uname -m)"
}

# build_benchmarks: builds Benchmarks/, unless `built` says that it is; sets ours (the folder of its programs) and ours_version. Returns 1
# if it cannot.
built=0
build_benchmarks() {
    # Static, as the peers in C, Rust and Go are.
    local -a build=(swift build -c release --static-swift-stdlib --package-path Benchmarks --scratch-path .build/benchmarks)
    ours_version="$(git describe --always --dirty 2>/dev/null || echo 'this tree'), $(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/Swift \1/p' | head -n 1)"
    if ((built)); then
        ours=.build/benchmarks/release
        return 0
    fi
    say "Building the benchmark programs (release)"
    # SwiftPM (6.3.1) does not compile them again when only what the module Apus re-exports has changed, layouts of types included.
    rm -f .build/benchmarks/*/release/Bench*.build/*.o
    "${build[@]}" </dev/null || return 1
    ours="$("${build[@]}" --show-bin-path)"
}

# --- figures ---------------------------------------------------------------------------------------------------------
# field NAME LINE : the number after NAME= in a program's line.
field() { sed -n "s|.* $1=\([0-9][0-9.]*\).*|\1|p" <<<" $2"; }
# spread < numbers : median minimum maximum.
spread() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%s %s %s\n", (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2), v[1], v[NR] }'; }
# verdict VALUE GOAL : whether it is at most that.
verdict() { awk -v value="$1" -v goal="$2" 'BEGIN { print (value <= goal ? "met" : "**missed**") }'; }
# thousands NUMBER : 12345.6 as 12,346.
thousands() { printf '%.0f\n' "$1" | sed ':again; s/^\([0-9]*[0-9]\)\([0-9][0-9][0-9]\)/\1,\2/; t again'; }

# write_page NAME TABLE : puts the file TABLE between the markers of NAME in docs/PERFORMANCE.md.
write_page() {
    local page=docs/PERFORMANCE.md
    if ! grep -q "<!-- $1:begin -->" "$page" || ! grep -q "<!-- $1:end -->" "$page"; then
        die "$page has no markers <!-- $1:begin --> and <!-- $1:end -->: the table above was not written"
    fi
    awk -v table="$2" -v begin="<!-- $1:begin -->" -v end="<!-- $1:end -->" '
        index($0, end) { skipping = 0 }
        !skipping { print }
        index($0, begin) { skipping = 1; while ((getline line < table) > 0) print line }' "$page" >"$2.page"
    cat "$2.page" >"$page"
    say "Written to $page, between its markers."
}
