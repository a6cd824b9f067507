# lib.sh - what run, test and bench share: packages and builds; to be sourced
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Copies that run side by side in one tree may each ask for a build folder of their own.
build_base=${FRESHET_BUILD_DIR:-build}

packages_build=(libh2o-evloop-dev libminimap2-dev libssl-dev libnats-dev libyaml-dev libjansson-dev libcjose-dev uthash-dev)
packages_run=(nats-server)

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root or sudo is needed to run: $*"
    fi
}

# Runs a command silently; its output appears only if it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ $status = 0 ] || cat "$log" >&2
    rm -f "$log"
    return $status
}

# need_packages NAME...: installs those Debian packages that are missing. Asks dpkg first, so that a machine that has
# them all needs neither the network nor root.
need_packages() {
    local name missing=()
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "this is no Debian; please install: ${missing[*]}"
    say "installing ${missing[*]}"
    # One lock around both steps: apt itself waits for dpkg's lock, but not for the one of its lists.
    quietly as_root flock /run/freshet-packages.lock sh -c '
        export DEBIAN_FRONTEND=noninteractive
        install="apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends"
        $install "$@" || { apt-get -q -o Acquire::Retries=3 update && $install "$@"; }
    ' sh "${missing[@]}" || die "could not install ${missing[*]}"
}

# for_command COMMAND PACKAGE: the package, if the command is missing. For programs that may come from elsewhere, where
# Debian's package would be in the way.
for_command() {
    command -v "$1" >/dev/null || printf '%s\n' "$2"
}

# need_build [PACKAGE...]: what the gateway is built with, and whatever else is named, in one go.
need_build() {
    need_packages $(for_command cc gcc) $(for_command cmake cmake) $(for_command ninja ninja-build) \
        $(for_command pkg-config pkg-config) libc6-dev "${packages_build[@]}" "$@"
}

build_dir() {
    if [ "$1" = release ]; then
        printf '%s\n' "$build_base"
    else
        printf '%s\n' "$build_base/$1"
    fi
}

# configure PRESET [CMAKE-OPTION...] and build PRESET [TARGET...], each under a lock: a second copy waits, then finds
# nothing left to do.
configure() {
    local preset=$1 dir
    shift
    dir=$(build_dir "$preset")
    mkdir -p "$dir"
    quietly flock "$dir/.lock" cmake --preset "$preset" -B "$dir" "$@"
}

build() {
    local preset=$1 dir
    shift
    dir=$(build_dir "$preset")
    quietly flock "$dir/.lock" cmake --build "$dir" ${1:+--target "$@"}
}

# need_idle COMMAND [PACKAGE...]: the package of a server that Debian starts as a service when it is installed, which
# nobody asked for; and what belongs to it.
need_idle() {
    local had
    had=$(PATH=$PATH:/usr/sbin command -v "$1" || true)
    need_packages "$@"
    if [ -z "$had" ] && [ -d /run/systemd/system ]; then
        quietly as_root systemctl disable --now "$1" || true
    fi
}

# nginx with nchan, a peer of the benchmark: without it the others are still compared.
need_nchan() {
    [ ! -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || return 0
    (need_idle nginx libnginx-mod-nchan) || say "nginx with nchan can't be installed: it will be reported as missing"
}
