#!/bin/sh
# SPDX-License-Identifier: MIT
# Has the module.
failed=0
test_with() { # FILTER
    timeout -k 5 $((400 * SLOWNESS)) plain-test --gtest_filter="$1" || failed=1
}
mount -t debugfs none /sys/kernel/debug 2> /dev/null
tb wait services-dom0 200 > /dev/null || { echo "FAILED: dom0 has no services"; exit 1; }
test_with '-PlainPorts.*:PlainEnd.*:PlainLiar.*'
tb signal lie
tb wait lies 200 > /dev/null || { echo "FAILED: there is no liar"; failed=1; }
test_with 'PlainLiar.*'
tb signal lie-no-more
test_with 'PlainPorts.*'

# The module goes with all it has offered, and finds its links again.
rmmod xen_vsock || { echo "FAILED: the module stays"; failed=1; }
tb signal unloaded
tb wait may-load 200 > /dev/null
insmod /testbed/xen_vsock.ko || { echo "FAILED: the module does not load again"; failed=1; }
test_with 'PlainConnect.MovesBytesBothWays'

test_with 'PlainEnd.OfACheckpoint'
test_with 'PlainEnd.OfALinkThatIsMadeAnewUnseen'
test_with 'PlainEnd.OfTheLink'
tb signal add-link
tb wait link-again 200 > /dev/null || { echo "FAILED: there is no link again"; failed=1; }
test_with 'PlainEnd.OfTheDomain'
grep -v state=offered /sys/kernel/debug/xvsock/connections && { echo "FAILED: connections are left"; failed=1; }
tb signal g1-done
exit $failed
