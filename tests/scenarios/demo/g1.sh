#!/bin/bash
# SPDX-License-Identifier: MIT
# The server side. Everything here speaks plain AF_VSOCK.
set -e

# 1. socat: 64 MiB each way at once, checksums at both ends.
dd if=/dev/urandom of=/tmp/out bs=1M count=64 status=none
sha256sum < /tmp/out > "$RESULTS/sent"
tb signal socat-ready
socat -u VSOCK-LISTEN:5001 CREATE:/tmp/in &
receiver=$!
socat -b 65536 -u OPEN:/tmp/out VSOCK-LISTEN:5002 &
sender=$!
wait "$receiver" "$sender"
sha256sum < /tmp/in > "$RESULTS/received"
rm /tmp/in /tmp/out
tb signal g1-sent "$(cut -c1-64 "$RESULTS/sent")"
tb signal g1-received "$(cut -c1-64 "$RESULTS/received")"

# 2. ncat
tb signal ncat-ready
ncat --vsock --listen 5003 > "$RESULTS/line" < /dev/null
tb signal line "$(cat "$RESULTS/line")"

# 3. Python
python3 - <<'PYTHON' &
import socket
server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
server.bind((socket.VMADDR_CID_ANY, 5004))
server.listen()
client, (cid, port) = server.accept()
with client, client.makefile("rw") as stream:
    name = stream.readline().strip()
    stream.write(f"hello {name}, you are CID {cid}\n")
PYTHON
python=$!
tb signal python-ready
wait "$python"

# 4. the servers of the measurement; they end with the host
xvsock perf --listen vsock:5005 &
xvsock perf --listen tcp:5005 &
tb signal perf-ready
wait
