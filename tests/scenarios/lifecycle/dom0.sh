#!/bin/sh
# SPDX-License-Identifier: MIT
. /lifecycle.sh

refused() { # PARAMETER REASON
    insmod /testbed/xen_vsock.ko "$1" 2> /dev/null && fail "the module was loaded with $1"
    dmesg | grep -q "$2" || fail "the kernel does not say \"$2\" of $1"
}

# What Xen counts of both guests, the links being connected and idle.
usage() { echo "g1 $(xen-usage "$DOMID_g1") g2 $(xen-usage "$DOMID_g2")"; }
same_usage() { [ "$(usage)" = "$before" ]; }

# The server's module goes and comes back; then the client's; then dom0's own, which is nobody's.
before=$(usage) || fail "$before"
tb signal measured
tb wait reloaded-server "$reloading" > /dev/null || fail "g1 did not reload its module"
eventually same_usage || fail "before reloading: $before; after: $(usage)"
tb signal compared
tb wait reloaded-client 200 > /dev/null || fail "g2 did not reload its module"
for cycle in 1 2 3 4 5; do
    rmmod xen_vsock || fail "dom0 cannot unload the module in cycle $cycle"
    if [ "$cycle" = 1 ]; then
        refused data_path=fast "it must be vchan or argo"
        [ -n "$MODULE_OPTIONS" ] || refused data_path=argo "this hypervisor has no Argo"
    fi
    insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "dom0 cannot load the module in cycle $cycle"
done
eventually works_with "$CID_g1" || fail "dom0 does not reach g1 after it reloaded its module"

# The link goes away under an open connection, and comes back.
tb signal connect-now
tb wait connected 60 > /dev/null || fail "g2 is not connected"
xvsock-peer remove g1 g2 || fail "removing the link"
tb wait reset-seen 60 > /dev/null || fail "g2 did not see the end of its connection"
xvsock-peer add g1 g2 || fail "adding the link again"
tb signal linked-again
tb wait talks-again 100 > /dev/null || fail "g2 does not reach g1 over the new link"

# The peer is destroyed.
tb signal connect-again
tb wait connected-again 60 > /dev/null || fail "g2 is not connected again"
xl destroy g1
tb wait death-seen 60 > /dev/null || fail "g2 did not see the death of its peer"
xvsock-peer remove "$DOMID_g1" g2 || fail "removing the dead domain's link"
xvsock-peer list
