# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run:
#     . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# It changes to the root of the repository and defines the functions below.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT" || exit 1
PEERS="$ROOT/.build/peers" # everything unpacked or built for interop and bench; `rm -rf` is always safe

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE… : installs build tools and languages, never servers (Debian starts what it installs).
# As root it says so in one line and installs. Otherwise it uses sudo where sudo asks nothing; where it would ask for a
# password, the exact command is printed and we stop at once.
apt_install() {
    local -a as=()
    if ((EUID != 0)); then
        if have sudo && sudo -n true 2>/dev/null </dev/null; then
            as=(sudo -n)
        else
            note "These Debian packages are missing: $*"
            note "Please run this, then try again:"
            note ""
            note "    sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
            note ""
            exit 1
        fi
    fi
    say "Installing missing packages with apt-get: $*"
    local log="$ROOT/.build/apt-install.log"
    mkdir -p "$ROOT/.build"
    # The update may fail for one third-party source and still bring what we need: the install will tell.
    ${as[@]+"${as[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq update >"$log" 2>&1 </dev/null || true
    if ! ${as[@]+"${as[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
        note "apt-get could not install them; the end of .build/apt-install.log:"
        tail -n 10 "$log" >&2
        exit 1
    fi
}

# --- Debian packages without installing them -------------------------------------------------------------------------
# apt reads the machine's sources but keeps lists and downloads under .build/peers/apt: no root, nothing installed,
# nothing started, and it works where the machine's own lists are empty (container images) or old.
APT_STATE="$PEERS/apt"

# apt_here TOOL ARGUMENT… : apt-get or apt-cache with that private state.
apt_here() {
    local tool="$1"
    shift
    "$tool" -o Dir::State::lists="$APT_STATE/lists" -o Dir::Cache="$APT_STATE/cache" -o APT::Sandbox::User= \
        -o Debug::NoLocking=1 -o Dpkg::Use-Pty=0 "$@"
}

# apt_lists: brings the lists, once a day. Returns 1, with the reason on stderr, where packages cannot be had.
apt_lists() {
    if ! have apt-get || ! have dpkg; then
        note "this is no Debian or Ubuntu (no apt-get and dpkg)"
        return 1
    fi
    if [[ -e "$APT_STATE/ready" && -z "$(find "$APT_STATE/ready" -mtime +0)" ]]; then return 0; fi
    mkdir -p "$APT_STATE/lists/partial" "$APT_STATE/cache/archives/partial"
    say "Reading the package lists (apt-get update into .build/peers/apt, a few seconds)"
    apt_here apt-get -qq update >"$APT_STATE/update.log" 2>&1 </dev/null || true
    if ! apt_here apt-cache show libc6 >/dev/null 2>&1; then
        note "apt-get update brought no package lists (no network, or no sources in /etc/apt). It said:"
        tail -n 5 "$APT_STATE/update.log" >&2
        return 1
    fi
    touch "$APT_STATE/ready"
}

# apt_closure OPTION… PACKAGE… : names of the packages that apt would install for these.
apt_closure() { apt_here apt-get -qq install -s --no-install-recommends "$@" 2>/dev/null | awk '/^Inst / { print $2 }'; }

# apt_unpack FOLDER PACKAGE… : downloads each package and unpacks it under FOLDER; those unpacked before are skipped.
apt_unpack() {
    local into="$1" package
    local -a wanted=()
    shift
    mkdir -p "$into/.unpacked"
    for package in "$@"; do
        [[ -e "$into/.unpacked/$package" ]] || wanted+=("$package")
    done
    ((${#wanted[@]})) || return 0
    local debs
    debs="$(mktemp -d "$PEERS/debs.XXXXXX")"
    say "Downloading ${#wanted[@]} Debian package(s), unpacked under ${into#"$ROOT"/}: ${wanted[*]:0:6}$( ((${#wanted[@]} > 6)) && echo ' …')"
    if ! (cd "$debs" && apt_here apt-get -qq download "${wanted[@]}" </dev/null) >"$PEERS/download.log" 2>&1; then
        note "apt-get download failed:"
        tail -n 5 "$PEERS/download.log" >&2
        rm -rf "$debs" "$APT_STATE/ready"
        return 1
    fi
    local deb
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$into"; done
    for package in "${wanted[@]}"; do touch "$into/.unpacked/$package"; done
    rm -rf "$debs"
}

# unpack_program NAME CANDIDATE… -- PACKAGE… : unpacks the packages, with the libraries that this machine lacks, and
# writes .build/peers/bin/NAME, which starts the first of the CANDIDATE paths that exists.
unpack_program() {
    local name="$1" candidate found="" package triplet
    shift
    local -a candidates=() packages=() available=()
    while (($#)) && [[ "$1" != -- ]]; do
        candidates+=("$1")
        shift
    done
    shift
    packages=("$@")
    local tree="$PEERS/root" bin="$PEERS/bin/$name"
    if [[ ! -x "$bin" ]]; then
        apt_lists || return 1
        for package in "${packages[@]}"; do
            if apt_here apt-cache show "$package" >/dev/null 2>&1; then available+=("$package"); fi
        done
        ((${#available[@]})) || { note "no package ${packages[*]} in this machine's sources"; return 1; }
        local -a closure=()
        mapfile -t closure < <({
            apt_closure "${available[@]}"
            printf '%s\n' "${available[@]}"
        } | sort -u)
        apt_unpack "$tree" "${closure[@]}" || return 1
        triplet="$(uname -m)-linux-gnu"
        for candidate in "${candidates[@]}"; do
            if [[ -x "$tree/$candidate" ]]; then
                found="$tree/$candidate"
                break
            fi
        done
        [[ -n "$found" ]] || { note "the packages ${available[*]} hold none of: ${candidates[*]}"; return 1; }
        mkdir -p "$PEERS/bin"
        {
            echo '#!/bin/sh'
            # Relative, so that the repository may be moved.
            # shellcheck disable=SC2016 # for the wrapper to expand
            echo 'root="$(cd "$(dirname "$0")/../root" && pwd)"'
            # The machine's own libraries are used where it has them; ours only help where ldd misses one.
            if LC_ALL=C ldd "$found" 2>/dev/null | grep -q 'not found'; then
                echo "LD_LIBRARY_PATH=\"\$root/usr/lib/$triplet:\$root/lib/$triplet:\$root/usr/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\""
                echo 'export LD_LIBRARY_PATH'
            fi
            if [[ "$name" == valgrind ]]; then echo 'VALGRIND_LIB="$root/usr/libexec/valgrind" && export VALGRIND_LIB'; fi
            echo "exec \"\$root/${found#"$tree"/}\" \"\$@\""
        } >"$bin.new"
        chmod +x "$bin.new"
        mv "$bin.new" "$bin"
    fi
}

# unpack_library FILE PACKAGE… : brings a shared library that a program opens when it runs. Where the machine has none, the first of the
# PACKAGEs that this release knows is unpacked, and .build/peers/lib gets a link to FILE and to nothing else: put it into LD_LIBRARY_PATH.
unpack_library() {
    local file="$1" package found
    shift
    if [[ -e "$PEERS/lib/$file" ]] || ldconfig -p 2>/dev/null | grep -q "[[:space:]]$file "; then return 0; fi
    apt_lists || return 1
    for package in "$@"; do
        apt_here apt-cache show "$package" >/dev/null 2>&1 || continue
        apt_unpack "$PEERS/root" "$package" || return 1
        found="$(find "$PEERS/root" -name "$file" -print -quit)"
        [[ -n "$found" ]] || { note "the package $package holds no $file"; return 1; }
        mkdir -p "$PEERS/lib"
        ln -sfn "../${found#"$PEERS"/}" "$PEERS/lib/$file"
        return 0
    done
    note "no package $* in this machine's sources"
    return 1
}

# peer NAME : path of a program, ours before the machine's; prints nothing and returns 1 where there is none.
peer() {
    if [[ -x "$PEERS/bin/$1" ]]; then
        echo "$PEERS/bin/$1"
    elif [[ -x "/usr/sbin/$1" ]]; then
        echo "/usr/sbin/$1"
    else
        command -v "$1"
    fi
}

# get_nginx: nginx from Debian packages, or the machine's own where there is no apt.
get_nginx() {
    # Which of the two packages holds the program depends on the release.
    unpack_program nginx usr/sbin/nginx -- nginx-light nginx && return 0
    peer nginx >/dev/null && { note "using the nginx that is installed: $(peer nginx)"; return 0; }
    note "nginx cannot be had: not from apt (see above), and none is installed"
    return 1
}

# get_python_venv REQUIREMENTS : .build/peers/venv with exactly these pinned packages.
get_python_venv() {
    local requirements="$1"
    if ! python3 -c 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        if have python3 && ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            note "$(python3 --version) is too old for the peers: 3.10 or newer is needed"
            return 1
        fi
        have apt-get || { note "python3 (3.10 or newer) with its venv module is needed; please install it"; return 1; }
        apt_install python3 python3-venv
    fi
    local venv="$PEERS/venv" stamp
    stamp="$PEERS/venv/.$(basename "$requirements")"
    if [[ ! -x "$venv/bin/python" ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        rm -rf "$venv"
        say "Making a virtual environment in .build/peers/venv ($(python3 --version))"
        python3 -m venv "$venv" || return 1
    fi
    if ! cmp -s "$requirements" "$stamp"; then
        say "Installing into it with pip: $(grep -v '^#' "$requirements" | head -n 3 | tr '\n' ' ')…"
        if ! "$venv/bin/python" -m pip install --disable-pip-version-check --no-input -q -r "$requirements" </dev/null \
            >"$PEERS/pip.log" 2>&1; then
            note "pip failed:"
            tail -n 5 "$PEERS/pip.log" >&2
            return 1
        fi
        cp "$requirements" "$stamp"
    fi
}

# --- children --------------------------------------------------------------------------------------------------------
# A free port of 127.0.0.1. Another program may take it before we do: whoever uses it looks whether it got it.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        # Nobody listens: connecting is refused.
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# wait_for_port PORT PID : until somebody listens there; 1 if the process ends first or 10 s pass.
wait_for_port() {
    local i
    for ((i = 0; i < 200; i++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
            kill -0 "$2" 2>/dev/null
            return
        fi
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

# child ARGUMENT… : starts a server in the background, one that also ends if this script is killed outright.
# Its process id is in $! and in CHILDREN; a script that uses it sets `trap end_children EXIT`.
CHILDREN=()
child() {
    if have setpriv && setpriv --pdeathsig TERM true 2>/dev/null; then
        setpriv --pdeathsig TERM "$@" </dev/null &
    else
        "$@" </dev/null &
    fi
    CHILDREN+=("$!")
}
end_children() {
    local pid
    for pid in ${CHILDREN[@]+"${CHILDREN[@]}"}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${CHILDREN[@]+"${CHILDREN[@]}"}; do wait "$pid" 2>/dev/null || true; done
    CHILDREN=()
}

# nginx_config FOLDER PORT < locations : writes FOLDER/nginx.conf for a foreground server with one worker that keeps
# every file of its own under FOLDER. The locations of the server block come on standard input.
nginx_config() {
    local folder="$1" port="$2" built
    built="$("$(peer nginx)" -V 2>&1)"
    mkdir -p "$folder/tmp"
    {
        ((EUID == 0)) && echo 'user root;'
        sed "s|@FOLDER@|$folder|g; s|@PORT@|$port|g" "$ROOT/Benchmarks/peers/nginx.conf" | sed '/@LOCATIONS@/,$d'
        # These two exist only where the modules were built in.
        [[ "$built" == *--without-http_uwsgi_module* ]] || echo "        uwsgi_temp_path $folder/tmp/uwsgi;"
        [[ "$built" == *--without-http_scgi_module* ]] || echo "        scgi_temp_path $folder/tmp/scgi;"
        cat
        sed '1,/@LOCATIONS@/d' "$ROOT/Benchmarks/peers/nginx.conf"
    } >"$folder/nginx.conf"
}

# start_nginx FOLDER [COMMAND PREFIX…] < locations : sets NGINX_PORT; COMMAND PREFIX is e.g. `taskset -c 0`.
start_nginx() {
    local folder="$1" nginx try locations
    shift
    nginx="$(peer nginx)" || return 1
    locations="$(cat)"
    for try in 1 2 3; do
        NGINX_PORT="$(free_port)"
        nginx_config "$folder" "$NGINX_PORT" <<<"$locations"
        # Its first lines go to the compiled-in log, which may not be writable: keep its complaint out of sight.
        child "$@" "$nginx" -p "$folder" -c "$folder/nginx.conf" 2>"$folder/stderr.log"
        wait_for_port "$NGINX_PORT" "$!" && return 0
    done
    note "nginx did not start (tried $try times). It said:"
    cat "$folder/stderr.log" "$folder/error.log" >&2 2>/dev/null || true
    return 1
}
