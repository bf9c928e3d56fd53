#!/bin/sh
# SPDX-License-Identifier: MIT
vsock-services > "$RESULTS/services.log" 2>&1 &
services=$!
for try in $(seq $((10 * SLOWNESS))); do
    grep -q "services are up" "$RESULTS/services.log" && break
    sleep 0.5
done
tb signal services up
tb wait g1-done 400 > /dev/null || { echo "g1 is not done"; exit 1; }
kill "$services"
