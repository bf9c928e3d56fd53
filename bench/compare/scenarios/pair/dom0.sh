#!/bin/bash
# SPDX-License-Identifier: MIT
# dom0 says what it runs, and counts what it and the hypervisor know of when the guests have a step for that.
xl info > "$RESULTS/xl-info"
. /usr/local/lib/bench/steps.sh
for step in $STEPS; do
    [ "$step" != cost ] || . /usr/local/lib/bench/cost.sh
done
