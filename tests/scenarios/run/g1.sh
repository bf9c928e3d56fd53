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
xvsock run /usr/sbin/nginx -c /nginx.conf -g 'user root;' > "$RESULTS/nginx.log" 2>&1
(cd /redis && exec xvsock run redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' \
    > "$RESULTS/redis.log" 2>&1) &
xvsock run run-test serve > "$RESULTS/services.log" 2>&1 &
sleep 5
tb signal servers-up

# nginx takes its listeners along, as an administrator has it do: into new workers, and into a new program.
tb wait reload-nginx 600 > /dev/null || { echo "FAILED: the clients are not there yet"; exit 1; }
nginx=$(cat /run/nginx.pid)
kill -HUP "$nginx"
sleep 2
tb signal nginx-reloaded
tb wait upgrade-nginx 100 > /dev/null || { echo "FAILED: the clients do not go on"; exit 1; }
kill -USR2 "$nginx"
sleep 3
kill -QUIT "$nginx"
sleep 3
new=$(cat /run/nginx.pid) && [ "$new" != "$nginx" ] && [ ! -e "/proc/$nginx/exe" ] ||
    { echo "FAILED: nginx has not made place for a new one"; cat /run/nginx-error.log; exit 1; }
tb signal nginx-upgraded
tb wait clients-done 600 > /dev/null || { echo "FAILED: the clients are not done"; exit 1; }
cp /run/nginx-error.log "$RESULTS/"
