#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares what the hypervisor counts for both guests before and after.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
usage() { echo "g1 $(xen-usage "$DOMID_g1") g2 $(xen-usage "$DOMID_g2")"; }

tb wait ready 60 > /dev/null || fail "g2 is not ready"
before=$(usage) || fail "$before"
echo "before: $before"
tb signal go
tb wait many-open 200 > /dev/null || fail "no thousand connections"
echo "with 1000 connections: $(usage)"
tb wait done 600 > /dev/null || fail "g2 did not get to its end"
as_before() { after=$(usage); [ "$after" = "$before" ]; } # what is closed is taken down a little later
eventually as_before
echo "after: $after"
tb signal compared
[ "$after" = "$before" ] || fail "something is left"
