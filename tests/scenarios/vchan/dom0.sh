#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs vchan-socket-proxy as a server and as a client, destroys g3, and asks Xen what g1 has left over.
. /eventually.sh
. /vchan.sh
fail() { echo "FAILED: $*"; exit 1; }
proxy=/usr/lib/xen-4.17/bin/vchan-socket-proxy
offer=/local/domain/$DOMID_g1/data

load_modules
before=$(xen-usage "$DOMID_g1") || fail "Xen does not say what g1 holds"
tb signal counted
socat UNIX-LISTEN:/run/echo,fork SYSTEM:cat &
"$proxy" --mode=server "$DOMID_g1" /local/domain/0/data/proxy /run/echo &
tb signal services-dom0

# What g1 writes is the input of the next one, whose output must be the same again.
tb wait proxy-receives 300 > /dev/null || fail "g1 does not come to the proxy"
mkfifo input # that does not end, for then the proxy would not wait for what comes back
sleep 1000 > input &
"$proxy" "$DOMID_g1" "$offer/to-proxy" - < input > first || fail "the proxy that receives: $?"
kill $!
tb wait proxy-answers 100 > /dev/null || fail "g1 does not come to the second proxy"
{ cat first; exec sleep 1000; } > input &
"$proxy" "$DOMID_g1" "$offer/with-proxy" - < input > second || fail "the proxy that sends: $?"
kill $!
[ "$(wc -c < first)" = 300000 ] || fail "the proxy received $(wc -c < first) bytes instead of 300000"
cmp first second || fail "the second proxy received something else"
tb signal proxies-agree

tb wait waiting 300 > /dev/null || fail "g1 does not wait for the end of g3"
xl destroy g3
tb signal destroyed
tb wait g1-done 200 > /dev/null || fail "g1 is not done"
as_before() { after=$(xen-usage "$DOMID_g1"); [ "$after" = "$before" ]; } # packets on their way are grants, too
eventually as_before || fail "g1 held: $before, and now: $after"
