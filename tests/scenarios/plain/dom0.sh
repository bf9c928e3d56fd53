#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes and removes the plain links, runs vchan-socket-proxy, destroys g2, and asks Xen what g1 has left over.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
proxy=/usr/lib/xen-4.17/bin/vchan-socket-proxy
lies=$(seq -s, 300 319)

both_are_connected() { [ "$(xvsock-peer list --plain | grep -c Connected)" = 2 ]; }

rmmod xen_vsock || fail "the module stays"
before=$(xen-usage "$DOMID_g1") || fail "Xen does not say what g1 holds"
xvsock-peer add --plain g1 g2 --connect any --accept "200,201,$lies" || fail "no link with g2"
xvsock-peer add --plain g1 0 --connect 3 --accept 203 || fail "no link with dom0"
xvsock-peer add --plain g1 0 --connect 3 --accept 203 | grep "exists already" || fail "a link is made twice"
xvsock-peer add g1 g2 && fail "a peer link beside a plain one"
mkdir -p /run
socat UNIX-LISTEN:/run/echo,fork SYSTEM:cat &
while :; do # it ends with each client
    "$proxy" --mode=server "$DOMID_g1" "/local/domain/0/data/vsock/$DOMID_g1/3" /run/echo
done &
tb signal linked
tb wait services-g2 200 > /dev/null || fail "no services in g2"
eventually both_are_connected
xvsock-peer list --plain
xvsock-peer list --plain --json
[ "$(xvsock-peer list --plain | grep -c 'Connected.*ok')" = 2 ] || fail "the links are not connected"
tb signal services-dom0

tb wait proxy-connects 400 > /dev/null || fail "g1 does not listen for the proxy"
mkfifo input
exec 3<> input # which does not end, for then the proxy would not wait for what comes back
eventually xenstore-exists "/local/domain/$DOMID_g1/data/vsock/0/203/event-channel"
# What comes from g1 goes back to it.
"$proxy" "$DOMID_g1" "/local/domain/$DOMID_g1/data/vsock/0/203" - < input > input || fail "the proxy: $?"

tb wait change-ports 400 > /dev/null || fail "g1 does not want other ports"
xvsock-peer add --plain g1 g2 --connect any --accept 202 | grep changed || fail "the ports are not changed"
eventually xenstore-exists "/local/domain/$DOMID_g1/data/vsock/$DOMID_g2/202/event-channel"
xenstore-exists "/local/domain/$DOMID_g1/data/vsock/$DOMID_g2/200" && fail "port 200 is still offered"
tb signal ports-changed

tb wait unloaded 200 > /dev/null || fail "g1 does not unload the module"
xenstore-ls -f "/local/domain/$DOMID_g1/data/vsock" | grep ring-ref && fail "an offer is left of the module that is gone"
tb signal may-load
tb wait checkpoint 200 > /dev/null || fail "g1 does not wait for a checkpoint"
xl save -c g1 /g1.saved || fail "xl save -c"
rm /g1.saved
tb signal done-checkpoint
tb wait renew-link 200 > /dev/null || fail "g1 does not wait for a new link"
xl pause g1
xvsock-peer remove --plain g1 g2 && xvsock-peer add --plain g1 g2 --connect any --accept 202 || fail "no new link"
xl unpause g1
eventually both_are_connected
tb signal done-renew-link
tb wait remove-link 200 > /dev/null || fail "g1 does not wait for the end of the link"
xvsock-peer remove --plain g1 g2 || fail "the link stays"
tb signal done-remove-link
tb wait add-link 200 > /dev/null || fail "g1 does not want the link again"
xvsock-peer add --plain g1 g2 --connect any --accept 202 || fail "no second link"
eventually both_are_connected
tb signal link-again
tb wait destroy 200 > /dev/null || fail "g1 does not wait for the end of g2"
xl destroy g2
tb signal done-destroy
tb wait g1-done 200 > /dev/null || fail "g1 is not done"

xvsock-peer remove --plain g1 "$DOMID_g2" || fail "the link with the domain that is gone stays"
xvsock-peer remove --plain g1 0 || fail "the link with dom0 stays"
xenstore-ls -f /local/domain | grep -E "/vchan|data/vsock/[0-9]" | grep -v "domain/0/data/vsock/$DOMID_g1" && # the proxy's
    fail "something of the links is left"
as_before() { after=$(xen-usage "$DOMID_g1"); [ "$after" = "$before" ]; } # packets on their way are grants, too
eventually as_before || fail "g1 held: $before, and now: $after"
