# SPDX-License-Identifier: MIT
everybody="dom0 $GUESTS"
fail() { echo "FAILED: $*"; exit 1; }

# Runs a command until it succeeds, for at most a minute, or longer under a slower kernel.
eventually() {
    for try in $(seq $((300 * SLOWNESS))); do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.2
    done
    "$@" # to show what is wrong
}
