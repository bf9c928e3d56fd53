#!/bin/bash
# SPDX-License-Identifier: MIT
# The client side; what it finds out is what the demo shows.
set -e
say() { tb say "demo: $*"; }

say "g1 is CID $CID_g1, g2 is CID $CID_g2"

# 1. socat
dd if=/dev/urandom of=/tmp/out bs=1M count=64 status=none
sent=$(sha256sum < /tmp/out | cut -c1-64)
tb wait socat-ready 300 > /dev/null
say "socat: 64 MiB of random data each way at the same time"
socat -b 65536 -u OPEN:/tmp/out "VSOCK-CONNECT:$CID_g1:5001,retry=20,interval=0.2" &
sender=$!
socat -u "VSOCK-CONNECT:$CID_g1:5002,retry=20,interval=0.2" CREATE:/tmp/in &
receiver=$!
wait "$sender" "$receiver"
received=$(sha256sum < /tmp/in | cut -c1-64)
rm /tmp/in /tmp/out
[ "$sent" = "$(tb wait g1-received 300)" ] || { echo "g2 to g1: SHA-256 differs"; exit 1; }
[ "$received" = "$(tb wait g1-sent 300)" ] || { echo "g1 to g2: SHA-256 differs"; exit 1; }
say "socat: SHA-256 equal at both ends, both ways (${sent:0:16}..., ${received:0:16}...)"

# 2. ncat
tb wait ncat-ready 60 > /dev/null
line="a line through ncat --vsock"
for try in 1 2 3 4 5 6 7 8 9 10; do
    echo "$line" | ncat --vsock --send-only "$CID_g1" 5003 && break
    sleep 0.3
done
[ "$(tb wait line 60)" = "$line" ] || { echo "the line did not arrive"; exit 1; }
say "ncat: \"$line\" arrived"

# 3. Python
tb wait python-ready 60 > /dev/null
answer=$(python3 - "$CID_g1" <<'PYTHON'
import socket, sys, time
for attempt in range(20):
    try:
        client = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        client.connect((int(sys.argv[1]), 5004))
        break
    except ConnectionResetError:
        time.sleep(0.3)
with client, client.makefile("rw") as stream:
    stream.write("g2\n")
    stream.flush()
    print(stream.readline().strip())
PYTHON
)
[ "$answer" = "hello g2, you are CID $CID_g2" ] || { echo "Python answered: $answer"; exit 1; }
say "Python's socket module as server: \"$answer\""

# 4. the same program over both paths, in the same boot
tb wait perf-ready 60 > /dev/null
measure() {
    path=$1
    address=$2
    say "measuring $path: latency at 1 byte and 64 KiB, bandwidth at 1 KiB, 64 KiB and 1 MiB, and connecting"
    xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/demo.json" --append \
        --latency 1,64K --count "$ROUNDS"
    xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/demo.json" --append \
        --bandwidth 1K,64K,1M --volume "$VOLUME"
    xvsock perf --connect "$address" --path "$path" --mode "$MODE" --wait 20 --json "$RESULTS/demo.json" --append \
        --connects 300
}
case $MODE in
virtual) ROUNDS=500 VOLUME=64M ;;
*) ROUNDS=2000 VOLUME=32M ;;
esac
measure netfront "tcp:$IP_g1:5005"
measure vsock "vsock:$CID_g1:5005"
