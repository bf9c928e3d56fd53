#!/bin/sh
# SPDX-License-Identifier: MIT
xvsock perf --listen vsock:5005 &
xvsock perf --listen tcp:5005 &
tb signal perf-ready
tb wait without-spinning > /dev/null
echo 0 > /sys/module/xen_vsock/parameters/spin_us
tb signal spins-no-more
wait
