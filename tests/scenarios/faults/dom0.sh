#!/bin/sh
# SPDX-License-Identifier: MIT
# Cuts links and destroys guests while allocations fail in those that are left, and compares before and after.
. /faults.sh
usage() { echo "g1 $(xen-usage "$DOMID_g1") g2 $(xen-usage "$DOMID_g2")"; }
same_usage() { [ "$(usage)" = "$before" ]; }
linked() { xvsock-peer list | grep "g1.*g2\|g2.*g1" | grep -q "Connected.*Connected"; }

# The victims' links are not part of what is compared.
tb wait random-begins 200 > /dev/null || fail "the guests did not get so far"
killed=0 cut=0
sleep "$((DURATION / 4))"
for victim in v1 v2; do
    xl destroy $victim && killed=$((killed + 1))
    sleep "$((DURATION / 8))"
done
while [ $cut -lt 5 ]; do
    xvsock-peer remove g1 g2 || fail "removing the link"
    sleep 1
    xvsock-peer add g1 g2 || fail "adding the link"
    cut=$((cut + 1))
    sleep "$((DURATION / 12))"
done
tb signal random-ends
for guest in g1 g2; do
    tb wait faults-off-$guest 100 > /dev/null || fail "$guest is not done"
done
xvsock-peer remove "$DOMID_v1" g2
xvsock-peer remove "$DOMID_v2" g2
# A link that was made while allocations failed may have stayed down.
xvsock-peer remove g1 g2 && sleep 1 && xvsock-peer add g1 g2 || fail "making the link anew"
eventually linked || { xvsock-peer list; fail "no link without faults"; }
before=$(usage)
tb signal linked
tb wait checked 200 > /dev/null || fail "g2 has a complaint"
eventually same_usage || fail "before the last connections $before, after them $(usage)"
tb signal compared
tb say "faults: peers destroyed $killed, links cut $cut"
