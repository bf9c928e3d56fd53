#!/bin/sh
# SPDX-License-Identifier: MIT
# What dom0 has begun here goes on: a connection is held, and nothing was reached that must not be.
status=0
wrong() { echo "$*"; status=1; }
runs() { grep -q vsock-reach "/proc/$(cat "$1.pid")/cmdline" || wrong "nobody writes $1 any more"; }
if [ -e /held.pid ]; then
    runs /held
    grep -q held /held && ! grep ended /held || wrong "a connection that is allowed was cut"
fi
if [ -e /reached.pid ]; then
    runs /reached
    grep . /reached && wrong "was reached"
fi
exit $status
