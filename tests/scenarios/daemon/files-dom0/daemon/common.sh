# SPDX-License-Identifier: MIT
everybody="dom0 $GUESTS"
fail() { echo "FAILED: $*"; exit 1; }

# Runs a command until it succeeds, for at most a minute, or longer under a slower kernel. Not too often: dom0's
# processes are slow here, and the guests need the processors, too.
eventually() {
    for try in $(seq $((120 * SLOWNESS))); do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.5
    done
    "$@" # to show what is wrong
}
