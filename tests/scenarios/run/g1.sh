#!/bin/sh
# SPDX-License-Identifier: MIT
# The servers. None of them knows of AF_VSOCK.
mkdir -p /served /run /redis
dd if=/dev/urandom of=/served/large bs=1M count=16 2> /dev/null
sha256sum /served/large | cut -d' ' -f1 > /served/large.sha256
echo hello > /served/small

xvsock run NPtcp -i -u 131072 > "$RESULTS/nptcp.log" 2>&1 &
xvsock run iperf3 -s > "$RESULTS/iperf3.log" 2>&1 &
(cd /served && exec xvsock run python3 -m http.server 8000 > "$RESULTS/python.log" 2>&1) &
xvsock run nginx -c /nginx.conf -g 'daemon off; user root;' > "$RESULTS/nginx.log" 2>&1 &
(cd /redis && exec xvsock run redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' \
    > "$RESULTS/redis.log" 2>&1) &
xvsock run run-test serve > "$RESULTS/services.log" 2>&1 &
sleep 5
tb signal servers-up
tb wait clients-done 600 > /dev/null || { echo "FAILED: the clients are not done"; exit 1; }
cp /run/nginx-error.log "$RESULTS/"
