# lib.sh - what the peers' scripts share; to be sourced
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$here")

die() {
    printf '%s: %s\n' "$name" "$*" >&2
    exit 1
}

# What the interface needs of each peer: functions check, install, start PORT WORKDIR NATS_URL, subscribe_url PORT,
# publish_args PORT WORKDIR NATS_URL. start calls keep for every process it leaves behind, and await_port last.
keep() {
    printf '%s\n' "$1" >>"$workdir/$name.pids"
}

await_port() {
    local port=$1 pid=$2 try
    for ((try = 0; try < 500; try++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return 0
        fi
        alive "$pid" || break
        sleep 0.02
    done
    tail -n 20 "$workdir/$name.log" >&2 || true
    stop "$workdir"
    die "does not listen on port $port"
}

# A port that was free a moment ago, for listeners that can't say which one they got.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A zombie still takes signals.
alive() {
    local line
    line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    [[ ${line##*) } != Z* ]]
}

stop() {
    local pids=() pid try
    [ ! -e "$1/$name.pids" ] || mapfile -t pids <"$1/$name.pids"
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        for ((try = 0; try < 250; try++)); do
            alive "$pid" || continue 2
            sleep 0.02
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -f "$1/$name.pids"
}

main() {
    local command=${1:-}
    case $command in
    check | install) "$command" ;;
    start)
        [ $# = 4 ] || die "usage: peer start PORT WORKDIR NATS_URL"
        workdir=$3
        [ ! -e "$workdir/$name.pids" ] || die "already runs in $workdir"
        start "$2" "$3" "$4" >&2
        paste -s -d , "$workdir/$name.pids"
        ;;
    subscribe-url) subscribe_url "$2" ;;
    publish-args) publish_args "$2" "$3" "$4" ;;
    stop) stop "$2" ;;
    *) die "usage: peer check|install|start PORT WORKDIR NATS_URL|subscribe-url PORT|publish-args PORT WORKDIR NATS_URL|stop WORKDIR" ;;
    esac
}
