# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A yardstick: `xvsock perf` over a Unix socket inside one guest. Follows the step perf, which defines it.
if [ "$NAME" = g2 ]; then
    xvsock perf --listen unix:/tmp/perf > perf-unix.log &
    measure_perf unix
fi
