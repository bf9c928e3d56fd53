#!/bin/sh
# SPDX-License-Identifier: MIT
set -e
measure() {
    path=$1
    address=$2
    tb say "measuring $path"
    xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/spin.json" --append \
        --latency 1,64K --count 500
    xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/spin.json" --append \
        --bandwidth 1K,64K,1M --volume 16M
}
tb wait perf-ready 60 > /dev/null
measure netfront "tcp:$IP_g1:5005"
measure vsock "vsock:$CID_g1:5005"
echo 0 > /sys/module/xen_vsock/parameters/spin_us
tb signal without-spinning
tb wait spins-no-more 60 > /dev/null
measure vsock-nospin "vsock:$CID_g1:5005"
