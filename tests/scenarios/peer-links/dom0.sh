#!/bin/sh
# SPDX-License-Identifier: MIT
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
snapshot() { xenstore-ls -fp /local/domain/$DOMID_g1/backend; xenstore-ls -fp /local/domain/$DOMID_g2/device/vsock; }

# says PATTERN STATUS COMMAND...: the command ends with this status and says this
says() {
    pattern=$1 status=$2
    shift 2
    output=$("$@" 2>&1)
    got=$?
    echo "\$ $*"
    echo "$output"
    [ $got = "$status" ] || fail "exit status $got, not $status"
    echo "$output" | grep -Eqi "$pattern" || fail "it does not say $pattern"
}

says "g1.*g2|added" 0 xvsock-peer add g1 g2
tb signal linked
link_is_up() { xvsock-peer list | grep -q "g1.*Connected.*g2.*Connected"; }
eventually link_is_up
says "Connected.*Connected" 0 xvsock-peer list
snapshot > "$RESULTS/before"
says "already|exists|nothing" 0 xvsock-peer add g2 "$DOMID_g1"
snapshot > "$RESULTS/after"
diff "$RESULTS/before" "$RESULTS/after" || fail "adding a link that exists changed something"

# Errors change nothing.
xenstore-ls -fp / | grep -i vsock > "$RESULTS/all-before"
says "g1.*g2.*g3|known" 1 xvsock-peer add g1 nobody
says "77" 1 xvsock-peer add g1 77
says "different" 1 xvsock-peer add g1 g1
xenstore-ls -fp / | grep -i vsock > "$RESULTS/all-after"
diff "$RESULTS/all-before" "$RESULTS/all-after" || fail "an error changed something"

# Least privilege: owner and the one peer, nobody else.
B=/local/domain/$DOMID_g1/backend/vsock/$DOMID_g2/$DOMID_g1
F=/local/domain/$DOMID_g2/device/vsock/$DOMID_g1
xenstore-ls -fp "$B" | grep -v "(n$DOMID_g1,r$DOMID_g2)\|(n0,r$DOMID_g1,r$DOMID_g2)\|(n0,r$DOMID_g2,r$DOMID_g1)\|\(peer-name\|made-by\) .*(n0,r$DOMID_g1)" && fail "a node of the backend is too open"
xenstore-ls -fp "$F" | grep -v "(n$DOMID_g2,r$DOMID_g1)\|(n0,r$DOMID_g1,r$DOMID_g2)\|(n0,r$DOMID_g2,r$DOMID_g1)\|\(peer-name\|made-by\) .*(n0,r$DOMID_g2)" && fail "a node of the frontend is too open"

tb signal try-to-read "$B $F"
tb wait third-guest-done 100 > /dev/null || fail "g3 did not end its attempts"
tb wait reached 200 > /dev/null || fail "g2 is not done with g1"

# Made anew at once: the guests see that the old link has gone when the new one is there, or never.
for round in $(seq 30); do
    xvsock-peer remove g1 g2 > anew.log && xvsock-peer add g1 g2 >> anew.log || { cat anew.log; fail "no new link"; }
    eventually link_is_up || { snapshot; fail "in round $round the link that was made anew does not come up"; }
done

says "removed" 0 xvsock-peer remove g1 g2
says "no|nothing" 0 xvsock-peer remove g1 g2
xenstore-ls -f /local/domain | grep "vsock" && fail "something of the link is left"

# dom0's side: a link with dom0, and xenstored gone.
says "added.*Domain-0" 0 xvsock-peer add g1 Domain-0
says "removed" 0 xvsock-peer remove 0 g1
kill -STOP "$(pidof xenstored)"
says "did not answer|xenstored" 1 xvsock-peer --timeout 2 list
kill -CONT "$(pidof xenstored)"
tb signal all-done
