#!/bin/bash
# SPDX-License-Identifier: MIT
# Both guests go through the same steps: g1 serves, g2 measures. To repeat it by hand on a real host: set NAME, STEPS,
# PATHS, DEPTH, MODE, RESULTS, and the addresses; `tb wait` and `tb signal` stand for starting the server first.
. /usr/local/lib/bench/steps.sh
for step in $STEPS; do
    . "/usr/local/lib/bench/$step.sh"
done
[ "$NAME" = g2 ] || sleep infinity # servers end with the host
