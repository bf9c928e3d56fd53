#!/bin/sh
# SPDX-License-Identifier: MIT
. /lifecycle.sh

tb wait measured 60 > /dev/null || fail "dom0 did not measure"
tb wait services-up 60 > /dev/null || fail "no services in g1"
# socat runs the command when it is connected; the echo shows that g1 has accepted.
socat "VSOCK-CONNECT:$CID_g1:7000" 'SYSTEM:echo hello; read line; tb signal first-connection; tb wait refused 60 >&2' ||
    fail "the first connection"
tb signal first-closed

tb wait unloaded-server "$reloading" > /dev/null || fail "g1 did not reload its module"
eventually rmmod xen_vsock || fail "unloading"
tb signal unloaded-client
tb wait reloaded-server 100 > /dev/null || fail "g1 did not load its module again"
insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "loading again"
tb wait compared 60 > /dev/null || fail "dom0 did not compare"
eventually works_with "$CID_g1" || fail "g1 cannot be reached after it reloaded its module"
for cycle in 1 2 3 4 5; do
    eventually rmmod xen_vsock || fail "unloading in cycle $cycle"
    insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "loading in cycle $cycle"
done
eventually works_with "$CID_g1" || fail "g1 cannot be reached after reloading the module here"
tb signal reloaded-client

# A connection whose link goes ends at once, and with an error.
hold() {
    # -d: to socat this is a warning
    socat -d "VSOCK-CONNECT:$CID_g1:7000" "SYSTEM:echo hello; read line; tb signal $1; cat" 2> "$RESULTS/$1.log"
    cat "$RESULTS/$1.log"
    grep -q "Connection reset by peer" "$RESULTS/$1.log" || fail "no ECONNRESET"
}
tb wait connect-now 100 > /dev/null || fail "dom0 did not get so far"
hold connected
tb signal reset-seen
tb wait linked-again 60 > /dev/null
eventually works_with "$CID_g1" || fail "g1 cannot be reached over the new link"
tb signal talks-again
tb wait connect-again 60 > /dev/null
hold connected-again
tb signal death-seen
vsock-stream-test "$CID_g1" --gtest_filter='Connect.SaysThatThereIsNoLink' || fail "there should be no link"
