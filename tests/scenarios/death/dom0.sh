#!/bin/bash
# SPDX-License-Identifier: MIT
# Ends each victim's side of running transfers in its own way, and looks at the survivor: it has to see the end
# in time, and to use as much of the host as before.
. /death.sh

survivor() {
    echo "$(xen-usage "$DOMID_survivor") nodes=$(xenstore-ls -f "/local/domain/$DOMID_survivor" | grep -c vsock)"
}
as_before() { after=$(survivor); [ "$after" = "$before" ]; }
domid_of() { eval "echo \$DOMID_$1"; }

link_is_up() { xvsock-peer list | grep -q "$1.*Connected.*Connected\|Connected.*$1.*Connected"; }

link() {
    xvsock-peer add survivor "$1" || fail "linking $1"
    eventually link_is_up "$1" || fail "the link with $1 does not come up"
}

limit=1000
[ "$MODE" = virtual ] || limit=3000 # other work of the machine takes its time, too
for victim in $victims; do
    tb wait "ready-$victim" 60 > /dev/null || fail "$victim is not ready"
done
tb wait ready-paused 60 > /dev/null || fail "paused is not ready"

for victim in $victims; do
    tb wait "looked-before-$victim" 100 > /dev/null || fail "the survivor is not ready for $victim"
    before=$(survivor)
    link "$victim"
    tb signal "linked-$victim"
    tb wait "running-to-$victim" 60 > /dev/null && tb wait "running-from-$victim" 60 > /dev/null ||
        fail "no transfers with $victim"
    sleep 1
    case $victim in
    destroyed) xl destroy destroyed ;;
    crashed) tb signal crash; sleep 0.2 ;;
    rebooted) xl reboot -F rebooted ;;
    unlinked) xvsock-peer remove survivor unlinked ;;
    esac || fail "ending $victim"
    # A guest that ends itself takes its time to do so.
    for try in $(seq $((200 * SLOWNESS))); do
        [ "$victim" != unlinked ] && xl domid "$victim" > /dev/null 2>&1 || break
        sleep 0.05
    done
    start=$(date +%s%N)
    tb wait "ended-$victim" 20 > /dev/null || fail "the survivor did not see the end of $victim"
    took=$((($(date +%s%N) - start) / 1000000))
    echo "$victim: the survivor saw the end $took ms later"
    [ "$took" -le $((limit * SLOWNESS)) ] || fail "that is more than $limit ms"
    tb wait "survived-$victim" 60 > /dev/null || fail "the survivor has a complaint"
    [ "$victim" = unlinked ] || xvsock-peer remove survivor "$(domid_of "$victim")"
    eventually as_before
    echo "$victim: before $before, after $after"
    [ "$after" = "$before" ] || fail "the survivor uses more than before"
done

# Standing still is no end.
link paused
tb signal linked-paused
tb wait many-to-paused 60 > /dev/null || fail "no transfers with paused"
xl pause paused
sleep 3
xl unpause paused
tb wait done-with-paused 120 > /dev/null || fail "the transfers did not go on"

# Neither needs a living xenstored.
kill -STOP "$(pidof xenstored)"
sleep 5
kill -CONT "$(pidof xenstored)"
tb wait done-without-xenstored 60 > /dev/null || fail "the survivor needed xenstored"
xl list
