#!/bin/bash
# SPDX-License-Identifier: MIT
# An odd guest serves, the next one sends to it whenever its pair takes part.
set -e
cd "$RESULTS"
number=${NAME#g}
if [ $((number % 2)) = 1 ]; then
    xvsock perf --listen vsock:5005 > perf-vsock.log &
    xvsock perf --listen tcp:5005 > perf-tcp.log &
    sleep 1
    tb signal "up-$NAME"
    wait
fi
server=g$((number - 1))
cid=CID_$server ip=IP_$server
for pairs in $PAIRS; do
    for path in $PATHS; do
        [ $((number / 2)) -le "$pairs" ] || continue
        address="vsock:${!cid}:5005" volume=1G
        [ "$path" != netfront ] || address="tcp:${!ip}:5005" volume=128M
        tb wait "go-$pairs-$path" 2000 > /dev/null
        xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "perf.$pairs.json" --append \
            --verify=0 --warmup 0 --bandwidth 64K --volume "$volume"
        tb signal "done-$pairs-$path-$NAME"
    done
done
