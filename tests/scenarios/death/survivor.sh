#!/bin/bash
# SPDX-License-Identifier: MIT
. /death.sh
mount -t debugfs none /sys/kernel/debug 2> /dev/null
usage() {
    echo "interrupts $(grep -c xvsock /proc/interrupts) refcnt $(cat /sys/module/xen_vsock/refcnt)" \
        "waiting $(cat /sys/kernel/debug/xvsock/waiting_pages)"
}
vsock-services > "$RESULTS/services.log" 2>&1 &
eventually grep -q "services are up" "$RESULTS/services.log" || fail "no services"

as_before() { after=$(usage); [ "${after#* * }" = "${before#* * }" ]; }

# New programs need page tables. Such may be made of pages that came back when a peer died: Xen must let them.
make_page_tables() { while :; do (:); done; }

for victim in $victims; do
    before=$(usage)
    tb signal "looked-before-$victim"
    tb wait "linked-$victim" 200 > /dev/null || fail "no link with $victim"
    eval "cid=\$CID_$victim"
    # A guest that reboots ends its programs in order, and so their connections.
    [ "$victim" = rebooted ] && how=any || how=
    vsock-load "$cid" until-end 4 $how > "$RESULTS/$victim" 2>&1 &
    load=$!
    eventually grep -q running "$RESULTS/$victim"
    tb signal "running-to-$victim"
    make_page_tables &
    maker=$!
    wait $load || { cat "$RESULTS/$victim"; fail "transfers with $victim"; }
    tb signal "ended-$victim"
    # The services' side of the victim's own connections ends as well.
    eventually as_before
    kill $maker
    wait $maker 2> /dev/null
    as_before || fail "before $victim: $before; after: $after"
    tb signal "survived-$victim"
done

tb wait linked-paused 200 > /dev/null || fail "no link with paused"
vsock-load "$CID_paused" many 4 100000000 > "$RESULTS/paused" 2>&1 &
load=$!
sleep 2
tb signal many-to-paused
wait $load || { cat "$RESULTS/paused"; fail "transfers with paused"; }
tb signal done-with-paused
# xenstored stands still while this runs, or some of it.
sleep 1
vsock-load "$CID_paused" clients 10 20 || fail "connections without xenstored"
sleep 6
tb signal done-without-xenstored
