#!/bin/sh
# SPDX-License-Identifier: MIT
# The side that connects.
. /tool.sh
after linked
# Counters are for root, from a debugfs; what xenstore says is there without.
umount /sys/kernel/debug 2> /dev/null
xv peers 2> problems || fail "peers without counters ends with $?"
grep "debugfs is not mounted" problems || fail "peers does not say what is missing: $(cat problems)"
mount -t debugfs none /sys/kernel/debug
xv peers
xv peers --json | tee peers.json
jq -e '.peers[] | select(.name == "g1") | .cid == '"$CID_g1"' and .state == "Connected" and .kind == "module" and .connections == 0' peers.json ||
    fail "g1 among the peers"
jq -e '.peers[] | select(.cid == 2) | .kind == "plain" and .domid == 0' peers.json || fail "dom0 among the peers"
jq -e '.problems == []' peers.json || fail "problems"
[ "$(xv peers --names | sort | paste -sd' ')" = "Domain-0 g1" ] || fail "names: $(xv peers --names)"

xv resolve g1 "g1:80" "$CID_g1" || fail "resolve"
[ "$(xv resolve --json g1:80 | jq -r '"\(.name) \(.domid) \(.cid) \(.port)"')" = "g1 $DOMID_g1 $CID_g1 80" ] || fail "resolve --json"
fails "no peer has the name in 'nobody'; the peers are " xv resolve nobody
fails "g1" xv resolve nobody

after g1-listens
xv ping -c 5 -i 0.1 g1 > ping || fail "ping: $?"
cat ping
{ timeout 30 xvsock ping -i 0.1 g1 2> /dev/null; echo $? > status; } | head -n 2
[ "$(cat status)" = 1 ] || fail "ping goes on when nobody looks: $(cat status)"
grep "5 sent, 5 answered (0 connected, 5 refused), 0% loss" ping || fail "what ping has seen"
xv ping --json --count 2 -i 0.1 "$CID_g1:30323" | jq -es '.[0].outcome == "connected" and .[2].connected == 2 and .[2].avg_ms > 0' ||
    fail "ping of a listener"
fails "no peer is found" xv ping -c 1 nobody
fails "there is no peer link to CID 99" xv ping -c 1 99
fails "offers no vchan" xv ping -c 1 dom0:7
xvsock ping -i 0.05 g1 > interrupted &
says interrupted seq=3
kill -INT $!
wait $! || fail "ping ends with $? by SIGINT"
grep "0% loss" interrupted || fail "an interrupted ping says $(cat interrupted)"

# cat
head -c 3000000 /dev/urandom > from-g2
tb signal sum-from-g2 "$(sum_of from-g2)"
xv cat g1:5000 < from-g2 > at-g2 || fail "cat: $?"
[ "$(stat -c %s at-g2)" = 3000000 ] || fail "cat has brought $(stat -c %s at-g2) bytes"
sum_of at-g2 > "$RESULTS/at-g2.sum"
printf question | xv cat g1:5001 | cat > nothing || fail "cat in a pipe"
step dom0-may-try
after dom0-has-tried
echo "from g2" | xv cat g1:5002 || fail "cat where only this domain may: $?"
{ echo ready; sleep 1000; } | xvsock cat g1:5003 & # whose other end does not end by itself
quiet=$!
after quiet-is-connected
kill $quiet
fails "nobody listens on port 5004" xv cat g1:5004
fails "no peer is found" xv cat nobody:1
step cats-done

# send
head -c 24000000 /dev/urandom > large
echo text > small && chmod 4751 small
: > empty
echo old > old
tb signal sum-large "$(sum_of large)"
xv send old g1 || fail "send: $?"
echo new > old
fails "refused: it exists already" xv send old g1
step sends-large
xvsock send large g1 &
sender=$!
after part-has-come
kill -9 $sender
wait $sender
step sender-killed
step sends-again
fails "large: " xv send --timeout 20 large g1
after receiver-again
xv send -v --json large small empty g1 > sent.json || fail "send: $?"
cat sent.json
jq -es '.[0].resumed_bytes > 4000000 and .[0].sha256 == "'"$(sum_of large)"'" and .[1].bytes == 5 and .[2].bytes == 0' sent.json || fail "what was sent"
fails "refused" xv send small g1
head -c 3000000 large > part-of-large
xv send --progress part-of-large g1 2> bar || fail "send --progress: $?"
tr '\r' '\n' < bar | grep "part-of-large.*100%" || fail "no bar: $(cat bar)"
fails "No such file" xv send /no/such/file g1
step sent

after disk-ready
head -c 22000000 large > full
fails "No space left on device" xv send full g1
after disk-ready-again
step dom0-may-send
after dom0-has-sent
fails "the disk has room for" xv send full g1
after recv-has-ended
fails "nobody listens on port 30323" xv send small g1

# A peer that is paused, and alive again.
step pause
after paused
fails "100% loss" xv ping -c 2 -i 0.1 --timeout 0.5 g1
xv ping -c 1 --timeout 0.5 g1 | grep "did not answer: is its domain running" || fail "ping does not say why"
step unpause
after unpaused
xv ping -c 2 -i 0.1 g1 || fail "no ping of a peer that runs again"

# A peer without its module, and with it again.
step unload
after unloaded
fails "the link is not connected" xv ping -c 1 g1
step load
xv ping -c 20 -i 0.3 g1 > back || fail "no ping of a peer whose module is back: $(cat back)"
xv stat --json | jq -e '.peers | length == 2' || fail "stat --json"
xv stat --json "$RESULTS/stat.json" > /dev/null && jq -e .total "$RESULTS/stat.json" > /dev/null || fail "stat --json FILE"
step g2-done
exit $failed
