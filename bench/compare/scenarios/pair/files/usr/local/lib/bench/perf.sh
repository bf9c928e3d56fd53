# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# `xvsock perf` over every path: percentiles want many rounds, large messages take long. A test that is over in a few
# milliseconds would show whatever else wakes up in them: fast paths have more to do.
measure_perf() { # PATH
    local path=$1 address rounds=$rounds volume=$volume
    address=$(perf_address "$path")
    [ "$path" != netfront ] || { rounds=$((rounds / 5)) volume=$((volume / 4)); }
    tb say "perf $path"
    ask() { xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json perf.json --append "$@"; }
    if [ "$DEPTH" = points ]; then
        ask --verify=0 --bandwidth 64K,1M --volume "${volume}M"
        ask --verify=0 --connects "$connects"
        return
    fi
    ask --verify=256 --latency 1,64,1K,4K --count $((rounds > 1000 ? rounds : 1000))
    ask --verify=256K --latency 64K,256K --count "$rounds"
    if [ "$DEPTH" != quick ]; then # NPtcp has them, too
        ask --latency 1M,4M --count $((rounds / 8))
        ask --bandwidth 4M --volume "${volume}M"
    fi
    ask --bandwidth 64 --volume $((volume / 16))M
    ask --bandwidth 1K,4K,64K,256K,1M --volume "${volume}M"
    [ "$path" = unix ] || ask --connects "$connects"
}
rounds=1000 volume=384 connects=1000
case $DEPTH in
full) rounds=5000 volume=2048 connects=4000 ;;
points) volume=256 connects=300 ;;
esac
if [ "$NAME" = g2 ]; then
    for perf_path in $PATHS; do measure_perf "$perf_path"; done
fi
