# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
fail() { echo "FAILED: $*"; exit 1; }

# Runs a command until it succeeds, for at most 20 s, or longer under a slower kernel.
eventually() {
    for try in $(seq $((100 * SLOWNESS))); do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.2
    done
    return 1
}

# How long the others wait for g1, which reloads its module $CYCLES times: a third of a second each on a quiet machine.
reloading=$((200 + 2 * CYCLES))

works_with() { vsock-stream-test "$1" --gtest_filter='Stream.HalfClose*'; }
