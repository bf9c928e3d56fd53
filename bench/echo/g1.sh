#!/bin/sh
# SPDX-License-Identifier: MIT
ulimit -n 4096
vsock-echo-loop serve plain 7301 1 &
vsock-echo-loop serve layer 7302 1 &
vsock-echo-loop serve plain 7303 4 &
vsock-echo-loop serve layer 7304 4 &
sleep 1
tb signal servers-up
wait
