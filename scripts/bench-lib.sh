# shellcheck shell=bash
# What the scripts of the benchmark share. Sourced after lib.sh, never run.
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

# The commit that is measured, with `-dirty` where what is built differs from it; the page, which the parts before may have written, is not built.
our_commit() {
    local name
    name="$(git describe --always 2>/dev/null)" || name='this tree'
    git diff --quiet HEAD -- Sources Package.swift Benchmarks 2>/dev/null || name+=-dirty
    echo "$name"
}

# build_benchmarks: builds Benchmarks/, unless `built` says that it is (--built, or BENCH_BUILT=1 of the environment); sets ours (the folder of its programs) and ours_version. Returns 1
# if it cannot.
built="${BENCH_BUILT:-0}"
build_benchmarks() {
    # Static, as the peers in C, Rust and Go are.
    local -a build=(swift build -c release --static-swift-stdlib --package-path Benchmarks --scratch-path .build/benchmarks)
    ours_version="$(our_commit), $(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/Swift \1/p' | head -n 1)"
    if ((built)); then
        ours=.build/benchmarks/release
        return 0
    fi
    # Nothing has changed since: SwiftPM would take half a minute to find the same.
    local stamp=.build/benchmarks/built
    if [[ -x .build/benchmarks/release/BenchClient ]] && unchanged "$stamp" Benchmarks/Package.swift Benchmarks/Sources; then
        ours=.build/benchmarks/release
        return 0
    fi
    say "Building the benchmark programs (release)"
    mkdir -p .build/benchmarks
    touch "$stamp.new"
    # SwiftPM (6.3.1) does not compile them again when only what the module Apus re-exports has changed, layouts of types included.
    rm -f .build/benchmarks/*/release/Bench*.build/*.o
    "${build[@]}" </dev/null || return 1
    ours="$("${build[@]}" --show-bin-path)"
    mv "$stamp.new" "$stamp"
}
# build_command : apus, as programs are that go to other machines.
build_command() {
    local stamp=.build/bench-apus-built
    # `./run demo` and others build it differently, in the same place.
    if unchanged "$stamp" && [[ "$(stat -c '%Y %i' .build/release/apus 2>/dev/null)" == "$(cat "$stamp")" ]]; then return 0; fi
    mkdir -p .build
    touch "$stamp.new"
    swift build -c release --static-swift-stdlib --product apus </dev/null || return 1
    stat -c '%Y %i' .build/release/apus >"$stamp"
    # Sources that have changed meanwhile are newer.
    touch -r "$stamp.new" "$stamp"
    rm "$stamp.new"
}
# cpu PID : nanoseconds that the process and its children have run.
cpu() {
    local process
    for process in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        cat "/proc/$process/task/"*/schedstat 2>/dev/null || true
    done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}
# unchanged STAMP FILE… : whether these and our sources are older than STAMP, which a build has left.
unchanged() { [[ -e "$1" && -z "$(find Package.swift Sources "${@:2}" -newer "$1" -print -quit)" ]]; }

# --- figures ---------------------------------------------------------------------------------------------------------
# field NAME LINE : the number after NAME= in a program's line.
field() { sed -n "s|.* $1=\([0-9][0-9.]*\).*|\1|p" <<<" $2"; }
# spread < numbers : median minimum maximum.
spread() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%s %s %s\n", (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2), v[1], v[NR] }'; }
# verdict VALUE GOAL : whether it is at most that.
verdict() { awk -v value="$1" -v goal="$2" 'BEGIN { print (value <= goal ? "met" : "**missed**") }'; }
# thousands NUMBER : 12345.6 as 12,346.
thousands() { printf '%.0f\n' "$1" | sed ':again; s/^\([0-9]*[0-9]\)\([0-9][0-9][0-9]\)/\1,\2/; t again'; }

# shown FORMAT NUMBERS : "median (lowest–highest)".
shown() {
    local median low high
    read -r median low high <<<"$2"
    # shellcheck disable=SC2059 # the format is ours
    [[ -z "$median" ]] || printf "$1 ($1–$1)" "$median" "$low" "$high"
}

# --- samples ---------------------------------------------------------------------------------------------------------
# Every part leaves its samples in .build/bench/PART.tsv for plots and for whoever wants to count again. A line each, tab separated:
#     part  case  peer  x  metric  value
# x is how many connections, hosts, timers or tasks, or "-". The kth line of one case, peer, x and metric is that of round k. Metrics:
# cpu and user (µs of one; user is a part of cpu), wall (µs of one), rps (a second), p50 p99 p999 (µs), rss (KB), bytes (of one), syscalls
# and instructions (of one); value and value2… where a part has figures of its own, which its script names.

# open_samples PART : begins anew. A quick look leaves the file of the last full run alone.
open_samples() {
    samples_part="$1" samples="$work/$1.tsv"
    if ! ((${quick:-0})); then
        mkdir -p .build/bench
        samples=".build/bench/$1.tsv"
    fi
    : >"$samples"
}
# sample CASE PEER X METRIC VALUE : one more.
sample() { printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$samples_part" "$@" >>"$samples"; }
# sampled CASE PEER X METRIC : median, lowest and highest.
sampled() {
    awk -F '\t' -v a="$1" -v b="$2" -v c="$3" -v d="$4" '$2 == a && $3 == b && $4 == c && $5 == d { print $6 }' "$samples" | spread
}
# compared CASE PEER OTHER X METRIC : the same of one peer's figure by the other's, round by round.
compared() {
    awk -F '\t' -v a="$1" -v b="$2" -v other="$3" -v c="$4" -v d="$5" '
        $2 != a || $4 != c || $5 != d { next }
        $3 == b { above[++m] = $6 } $3 == other { below[++n] = $6 }
        END { for (i = 1; i <= m && i <= n; i++) if (below[i] > 0) print above[i] / below[i] }' "$samples" | spread
}
# publish_samples PART FILE METRIC… : lines of "case peer round value…" as such a file.
publish_samples() {
    local part="$1" file="$2"
    shift 2
    if ((${quick:-0})); then return 0; fi
    mkdir -p .build/bench
    awk -v part="$part" -v metrics="$*" 'BEGIN { OFS = "\t"; split(metrics, name, " ") }
        { for (i = 4; i <= NF; i++) print part, $1, $2, "-", (name[i - 3] ? name[i - 3] : "value" i - 3), $i }' "$file" >".build/bench/$part.tsv"
}

# --- servers ---------------------------------------------------------------------------------------------------------
declare -A pid=() port=() reason=()
# start NAME COMMAND… : a server on the server's core; @PORT@ in its arguments becomes a free port.
start() {
    local name="$1" try
    shift
    for try in 1 2 3; do
        port[$name]="$(free_port)"
        child ${on_server[@]+"${on_server[@]}"} "${@//@PORT@/${port[$name]}}" >"$work/$name.log" 2>&1
        pid[$name]=$!
        wait_for_port "${port[$name]}" "${pid[$name]}" && return 0
    done
    reason[$name]="did not start (tried $try times): $(tail -n 1 "$work/$name.log")"
    note "  $name ${reason[$name]}"
    return 1
}
stop() {
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
}

# make_certificate : a fresh one for 127.0.0.1 in the files $certificate and $key.
make_certificate() {
    [[ -e "$key" ]] && return 0
    openssl ecparam -name prime256v1 -genkey -noout -out "$key" 2>"$work/openssl.log" &&
        openssl req -x509 -new -key "$key" -days 30 -subj /CN=localhost -addext 'basicConstraints=critical,CA:FALSE' \
            -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -out "$certificate" 2>>"$work/openssl.log" ||
        die "openssl could not make a certificate: $(tail -n 1 "$work/openssl.log")"
}

# --- versions --------------------------------------------------------------------------------------------------------
# version_of PEER : as it says itself, or nothing.
version_of() {
    case "$1" in
        nginx) "$(peer nginx)" -v 2>&1 | sed 's/^nginx version: //; s|/| |' ;;
        wrk) "$(peer wrk)" -v 2>&1 | sed -n '1s/^\(wrk\) [a-z]*\/*\([0-9.]*\).*/\1 \2/p' ;;
        aiohttp) "$PEERS/venv/bin/python" -c '
import aiohttp, platform, uvloop
print(f"aiohttp {aiohttp.__version__}, uvloop {uvloop.__version__}, Python {platform.python_version()}")' 2>/dev/null ;;
        hyper) cat "$PEERS/bench/hyper_client.version" 2>/dev/null ;;
        go) cat "$PEERS/bench/goclient.version" 2>/dev/null ;;
        ahc) sed 's/^/AsyncHTTPClient /' "$PEERS/bench/ahc_client.version" 2>/dev/null ;;
        hummingbird) sed 's/^/Hummingbird /' "$PEERS/bench/hummingbird_server.version" 2>/dev/null ;;
        python) "$PEERS/venv/bin/python" -c 'import platform, uvloop; print(f"uvloop {uvloop.__version__}, Python {platform.python_version()}")' 2>/dev/null ;;
        curl) curl --version | sed -n '1s/^\(curl [^ ]*\).*/\1/p' ;;
        wget2) "$(peer wget2)" --version 2>/dev/null | sed -n '1s/^GNU Wget2 \([^ ]*\).*/wget2 \1/p' ;;
        aria2c) "$(peer aria2c)" --version 2>/dev/null | sed -n '1s/^\(aria2\) version \(.*\)/\1 \2/p' ;;
        openssl) openssl version | awk '{ print $1, $2 }' ;;
        cc) { cc --version || clang --version; } 2>/dev/null | head -n 1 ;;
    esac || true
}
# newer_of PEER : what is newer and why it is not here.
newer_of() {
    case "$1" in
        hyper) echo 'hyper 1.x is newer: its crates come from crates.io alone, these from the Debian packages' ;;
        nginx | wrk | curl | wget2 | aria2c | openssl | cc) echo "newer ones exist; this is the distribution's" ;;
        go) echo 'the newest that PyPI had when it was pinned' ;;
        aiohttp | python) echo 'the newest when they were pinned; Python is the machine'"'"'s' ;;
        ahc | hummingbird) echo 'the newest tag when it was built' ;;
    esac
}

# peers_line PEER… : a sentence that names the version of each, and what is newer.
peers_line() {
    local name version newer words=''
    for name in "$@"; do
        version="$(version_of "$name" 2>/dev/null)" newer="$(newer_of "$name")"
        words+="${words:+; }${version:-$name: not here}${version:+${newer:+ ($newer)}}"
    done
    echo "Peers: $words."
}

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
