#!/bin/sh
# SPDX-License-Identifier: MIT
# Serves, while the faults of the server's calls and of the kernel workers come at random.
. /faults.sh
faults_ready
vsock-faults serve > "$RESULTS/serve" 2>&1 &
server=$!
eventually grep -q serving "$RESULTS/serve" || fail "no service"
tb signal g1-serves
tb wait random-begins 200 > /dev/null || fail "g2 did not get so far"
faults_with "$PROBABILITY"
mark_workers_for "$((DURATION * 2))" &
marker=$!
eventually tb wait random-ends 2 || fail "dom0 did not get so far" # the notice itself may be lost to a fault
kill $marker
faults_with 0
mark_workers 0
tb say "faults: $(faults_injected) injected in g1"
tb signal faults-off-g1
kill -0 $server || fail "the service has ended"
tb wait checked 300 > /dev/null || fail "g2 has a complaint"
kill $server
tb wait compared 100 > /dev/null || fail "dom0 has a complaint"
grep FAILED "$RESULTS/serve" && fail "the service has a complaint"
held
[ "$(cat /sys/module/xen_vsock/refcnt)" = 0 ] || fail "references are left"
rmmod xen_vsock || fail "the module cannot be unloaded"
