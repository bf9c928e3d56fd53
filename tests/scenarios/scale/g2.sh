#!/bin/sh
# SPDX-License-Identifier: MIT
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
lines() { grep -c xvsock /proc/interrupts; }
usage() { echo "interrupts $(lines) $(sed 's/.*\(initiated=.*mapped_pages=[0-9]*\).*/\1/' /sys/kernel/debug/xvsock/peers)"; }

mount -t debugfs none /sys/kernel/debug 2> /dev/null
tb wait services-up 60 > /dev/null || fail "no services"
vsock-load "$CID_g1" cycles 1 || fail "no connection"
at_rest() { grep -q "initiated=0 .*idle=0" /sys/kernel/debug/xvsock/peers; } # what was kept for the next connection, too
eventually at_rest || fail "a connection does not end: $(usage)"
before=$(usage)
echo "before: $before"
tb signal ready
tb wait go 60 > /dev/null

vsock-load "$CID_g1" many 1000 20000 > "$RESULTS/many" &
many=$!
for try in $(seq 400); do
    grep -q open "$RESULTS/many" && break
    sleep 0.25
done
tb signal many-open
echo "with 1000 connections: $(usage)"
wait $many || fail "a thousand connections at once"
tb say "scale: $(cat "$RESULTS/many")"
vsock-load "$CID_g1" cycles "${CYCLES:-10000}" || fail "cycles"
tb say "scale: ${CYCLES:-10000} connections one after the other"
vsock-load "$CID_g1" clients 100 10 || fail "a hundred clients"
tb say "scale: a hundred clients at once"

as_before() { after=$(usage); [ "$after" = "$before" ]; }
eventually as_before
echo "after: $after"
tb signal done
[ "$after" = "$before" ] || fail "something is left"
cat /sys/kernel/debug/xvsock/peers
tb wait compared 60 > /dev/null
[ "$(cat /sys/module/xen_vsock/refcnt)" = 0 ] || fail "references are left"
rmmod xen_vsock
