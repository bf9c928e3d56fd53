#!/bin/sh
# SPDX-License-Identifier: MIT
# Connects: first with each of its allocations failing in turn, then with faults at random also in the kernel
# workers, while programs are killed, links cut and guests destroyed.
. /faults.sh
faults_ready
for server in g1 v1 v2; do
    tb wait $server-serves 100 > /dev/null || fail "$server does not serve"
done
vsock-faults "$CID_g1" check 4 || fail "connections before there are faults"

vsock-faults "$CID_g1" nth > "$RESULTS/nth" || fail "with each allocation failing in turn"
cat "$RESULTS/nth"
tb say "faults: $(tail -n 1 "$RESULTS/nth")"

tb signal random-begins
faults_with "$PROBABILITY"
mark_workers_for "$((DURATION * 2))" &
marker=$!
vsock-faults "$CID_g1" random "$DURATION" 4 > "$RESULTS/random-g1" 2>&1 & programs=$!
vsock-faults "$CID_v1" random "$DURATION" 2 > "$RESULTS/random-v1" 2>&1 & programs="$programs $!"
vsock-faults "$CID_v2" random "$DURATION" 2 > "$RESULTS/random-v2" 2>&1 & programs="$programs $!"
killed=0
end=$(($(date +%s) + DURATION))
while [ "$(date +%s)" -lt $end ]; do
    vsock-faults "$CID_g1" random "$DURATION" 2 > /dev/null 2>&1 &
    sleep 2
    kill -KILL $! && killed=$((killed + 1))
    wait $! 2> /dev/null
done
for program in $programs; do
    wait "$program" || { cat "$RESULTS"/random-*; fail "a call did not end as it should"; }
done
eventually tb wait random-ends 2 || fail "dom0 did not get so far" # the notice itself may be lost to a fault
kill $marker
faults_with 0
mark_workers 0
for server in g1 v1 v2; do
    tb say "faults: with $server $(cat "$RESULTS/random-$server")"
done
tb say "faults: $(faults_injected) injected in g2, $killed programs killed"
tb signal faults-off-g2

tb wait linked 200 > /dev/null || fail "dom0 has a complaint"
eventually vsock-faults "$CID_g1" check 1 || fail "no connection when all faults are over"
eventually settled || fail "connections are still ending: $(held)"
before=$(held)
vsock-faults "$CID_g1" check 40 || fail "connections when all faults are over"
unchanged() { [ "$(held)" = "$before" ]; }
eventually unchanged || fail "before $before, after $(held)"
held
case $(held) in
"refcnt 0 "*) ;;
*) fail "references are left" ;;
esac
tb signal checked
tb wait compared 100 > /dev/null || fail "dom0 has a complaint"
rmmod xen_vsock || fail "the module cannot be unloaded"
