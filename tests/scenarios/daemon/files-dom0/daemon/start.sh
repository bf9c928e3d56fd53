# SPDX-License-Identifier: MIT
# The first start: all links at once. Then connections that nothing later may cut, and attempts that never succeed.
mkdir -p /etc/xvsock
use_policy a
for guest in $GUESTS; do
    wait_up "$guest"
done
begun=$(now)
start_daemon
eventually more_than 0 event=ready || fail "the daemon is not ready"
halves=$(halves)
eventually only_these_halves $halves || fail "not the links that should be"
eventually connected $halves || fail "not all links are up"
tb say "daemon: $(echo "$halves" | wc -l) halves of links up $(seconds_since "$begun") s after the daemon's start"
reach 20 $everybody

xvsockd > /run/second 2>&1 && fail "a second daemon starts"
grep "runs already" /run/second || fail "a second daemon does not say why it refuses: $(cat /run/second)"

cids > /run/cids-before
at g1 "vsock-reach hold $(cid_of g2):7001 > /held 2>&1 & echo \$! > /held.pid"
at g2 "vsock-reach hold $(cid_of g1):7000 > /held 2>&1 & echo \$! > /held.pid"
at g2 "vsock-reach never $(cid_of g5):7001 $(cid_of g6):7000 $(cid_of g8):7000 $(cid_of g3):7001 > /reached 2>&1 & echo \$! > /reached.pid"
at g7 "vsock-reach never 2:7002 $(cid_of g1):7000 $(cid_of g3):7000 $(cid_of g5):7001 > /reached 2>&1 & echo \$! > /reached.pid"
held() { at "$1" "grep held /held && ! grep ended /held"; }
eventually held g1 && eventually held g2 || fail "connections cannot be held"
