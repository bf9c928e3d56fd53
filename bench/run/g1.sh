#!/bin/sh
# SPDX-License-Identifier: MIT
xvsock perf --listen vsock:5005 &
xvsock run xvsock perf --listen tcp:5006 &
xvsock perf --listen tcp:5007 &
tb signal perf-ready
# NPtcp: at 64 KiB only. Its port cannot be chosen, and it ends with each client.
NPtcp -l 65536 -u 65536 -p 0 > "$RESULTS/netfront.log" 2>&1
tb signal netfront-done
xvsock run NPtcp -l 65536 -u 65536 -p 0 > "$RESULTS/run.log" 2>&1
wait
