#!/bin/bash
# SPDX-License-Identifier: MIT
# All of it in one boot. The last line says what a round of NPtcp at 64 KiB gains, beside what `xvsock perf` says.
set -e
measure() { # PATH ADDRESS COMMAND...
    local path=$1 address=$2
    shift 2
    tb say "measuring $path"
    "$@" xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/run.json" --append \
        --latency 1,64K --count 500
    "$@" xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/run.json" --append \
        --bandwidth 1K,64K,1M --volume 16M
}
at_64k() { awk '$1 == 65536 { print $2 }' "$1"; }

tb wait perf-ready 60 > /dev/null
sleep 2
measure netfront "tcp:$IP_g1:5007"
measure vsock "vsock:$CID_g1:5005"
measure run "tcp:198.18.$((CID_g1 / 256)).$((CID_g1 % 256)):5006" xvsock run
xvsock forward tcp:127.0.0.1:5008 vsock:g1:5005 &
sleep 1
measure forward tcp:127.0.0.1:5008
xvsock report --baseline netfront --subject forward --check 'bandwidth@65536>=1' "$RESULTS/run.json"
xvsock report --baseline vsock --subject run --check 'bandwidth@65536>=0.85' --check 'latency@65536<=1.15' "$RESULTS/run.json"
xvsock report "$RESULTS/run.json"

tb say "NPtcp on netfront"
NPtcp -h "$IP_g1" -l 65536 -u 65536 -p 0 -o "$RESULTS/np.netfront" > "$RESULTS/netfront.log" 2>&1
tb wait netfront-done 60 > /dev/null
sleep 2
tb say "NPtcp carried"
xvsock run NPtcp -h g1 -l 65536 -u 65536 -p 0 -o "$RESULTS/np.run" > "$RESULTS/run.log" 2>&1
netfront=$(at_64k "$RESULTS/np.netfront")
run=$(at_64k "$RESULTS/np.run")
gain=$(awk -v netfront="$netfront" -v run="$run" 'BEGIN { print run / netfront }')
printf '{"tool":"NPtcp","bytes":65536,"mode":"%s","netfront_mbps":%s,"run_mbps":%s,"ratio":%.2f}\n' \
    "$MODE" "$netfront" "$run" "$gain" | tee "$RESULTS/nptcp.json"
# What `xvsock perf` gains in the same ping-pong is no more than a ninth above that.
xvsock report --subject vsock --check "latency@65536>=$(awk -v gain="$gain" 'BEGIN { print 0.9 / gain }')" "$RESULTS/run.json"
