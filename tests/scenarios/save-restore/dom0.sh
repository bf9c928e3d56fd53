#!/bin/sh
# SPDX-License-Identifier: MIT
. /save-restore.sh
serve
tb wait services-g1 60 > /dev/null && tb wait services-g2 60 > /dev/null || fail "no services"
hold dom0-to-g1 "$CID_g1" &
for connection in dom0-to-g1 g2-to-g1 g1-to-g2 g1-to-dom0; do
    tb wait "$connection" 60 > /dev/null || fail "$connection is not connected"
done

before=$DOMID_g1
xl save g1 /g1.saved || fail "xl save"
for connection in dom0-to-g1 g2-to-g1; do
    tb wait "$connection-ended" 5 > /dev/null || fail "$connection did not end"
done
xvsock-peer list
xl restore /g1.saved || fail "xl restore"
after=$(xl domid g1)
[ "$after" != "$before" ] || fail "the domid is the same"
for connection in g1-to-g2 g1-to-dom0; do
    tb wait "$connection-ended" 30 > /dev/null || fail "$connection did not end in the restored guest"
done

# The restored domain is a new one to dom0: its links are made again.
xvsock-peer add "$after" g2 && xvsock-peer add "$after" 0 || fail "linking the restored domain"
tb signal restored "$((after + 2))"
eventually works_with $((after + 2)) || fail "dom0 does not reach the restored domain"
for domain in g1 g2; do
    tb wait "$domain-works" 60 > /dev/null || fail "$domain does not reach the others"
done
xvsock-peer list

# A checkpoint: the domain goes on where it is, and so do its links, by themselves.
tb signal hold-again
tb wait g2-to-g1-again 60 > /dev/null || fail "g2 is not connected again"
xl save -c g1 /g1.saved || fail "xl save -c"
tb wait g2-to-g1-again-ended 10 > /dev/null || fail "g2's connection did not end"
eventually works_with $((after + 2)) || fail "dom0 does not reach the domain after its checkpoint"
tb signal checkpointed
tb wait g2-works-again 60 > /dev/null || fail "g2 does not reach the domain after its checkpoint"
