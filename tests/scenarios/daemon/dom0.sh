#!/bin/sh
# SPDX-License-Identifier: MIT
# xvsockd with eight guests: g1, g2 and g7 stay, the others come and go, g8 is hostile for a while.
. /eventually.sh
for part in common guests xvsockd reach settled; do
    . "/daemon/$part.sh"
done
# The steps stand in these files, in order; restarts, hostile and soak take long.
for step in ${STEPS:-start permissions policies}; do
    echo "-- $step"
    . "/daemon/$step.sh"
done
sed -n 's/.*event=\([a-z-]*\).*/\1/p' "$RESULTS/xvsockd.log" | sort | uniq -c
