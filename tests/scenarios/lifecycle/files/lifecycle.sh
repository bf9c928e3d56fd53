# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }

# How long the others wait for g1, which reloads its module $CYCLES times: a third of a second each on a quiet machine.
reloading=$((200 + 2 * CYCLES))

works_with() { vsock-stream-test "$1" --gtest_filter='Stream.HalfClose*'; }
