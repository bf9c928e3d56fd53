# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# `xvsock perf` over every path: percentiles want many rounds, large messages take long.
measure_perf() { # PATH
    local address
    address=$(perf_address "$1")
    tb say "perf $1"
    ask() { xvsock perf --connect "$address" --path "$1" --mode "$MODE" --wait 20 --json perf.json --append "${@:2}"; }
    ask "$1" --latency 1,64,1K,4K --count 1000
    ask "$1" --latency 16K,64K,256K --count "$rounds" --verify=256K
    ask "$1" --latency 1M,4M --count 20
    ask "$1" --bandwidth 64 --volume 4M
    ask "$1" --bandwidth 1K,4K,16K,64K,256K,1M,4M --volume "$volume"
    [ "$1" = unix ] || ask "$1" --connects "$connects"
}
rounds=200 volume=64M connects=500
[ "$DEPTH" = quick ] || rounds=1000 volume=256M connects=2000
if [ "$NAME" = g2 ]; then
    for perf_path in $PATHS; do measure_perf "$perf_path"; done
fi
