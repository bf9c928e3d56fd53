# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The size of the rings, which both ends ask for with SO_VM_SOCKETS_BUFFER_SIZE. The file's name says it.
if [ "$NAME" = g1 ]; then
    port=5100
    for ring in 4K 16K 64K 256K 1M; do
        xvsock perf --listen "vsock:$port" --buffer "$ring" > "perf-$ring.log" &
        port=$((port + 1))
    done
    tb signal rings-up
else
    tb wait rings-up 600 > /dev/null
    sleep 1
    port=5100
    for ring in 4K 16K 64K 256K 1M; do
        tb say "rings of $ring"
        ask_ring() { xvsock perf --connect "vsock:$CID_g1:$port" --path vchan --mode "$MODE" --wait 20 --buffer "$ring" "$@"; }
        ask_ring --json "rings.$ring.json" --append --latency 1,64K --count 500
        ask_ring --json "rings.$ring.json" --append --bandwidth 4K,64K,1M --volume 128M
        port=$((port + 1))
    done
fi
