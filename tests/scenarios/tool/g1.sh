#!/bin/sh
# SPDX-License-Identifier: MIT
# The side that listens, is paused, and has a small disk.
. /tool.sh
mkdir -p /store /small
mount -t tmpfs -o size=8m tmpfs /small
head -c 3000000 /dev/urandom > /from-g1

# cat: both ways at once, one for each half-close; and one for g2 only.
xvsock cat -v -l 5000 < /from-g1 > /at-g1 2> cat.log &
cats=$!
xvsock cat -v -l 5001 < /dev/null > /question 2> question.log &
xvsock cat -v --listen g2:5002 < /dev/null > /for-g2 2> guarded.log &
guarded=$!
mkfifo /quiet
exec 9<> /quiet # an input that does not end
xvsock cat -v -l 5003 < /quiet > /left 2> quiet.log &
quiet=$!
recv_log=$RESULTS/recv.log
xvsock recv -v --json /store > "$RESULTS/recv.json" 2> "$recv_log" &
recv=$!
for log in cat.log question.log guarded.log quiet.log "$recv_log"; do
    says $log listening
done
step g1-listens

grows /left 6
step quiet-is-connected
after cats-done
wait $cats || fail "cat -l ends with $?: $(cat cat.log)"
wait $guarded || fail "cat for g2 ends with $?: $(cat guarded.log)"
wait $quiet || fail "cat whose peer has gone ends with $?"
grep -q "connected with g2" cat.log || fail "cat does not say with whom: $(cat cat.log)"
grep "Domain-0 is not whom" guarded.log || fail "dom0 was not told off: $(cat guarded.log)"
[ "$(cat /for-g2)" = "from g2" ] || fail "g2 is not heard"
[ "$(cat /question)" = question ] || fail "the half-close"
sum_of /at-g1 > "$RESULTS/at-g1.sum"
[ "$(cut -c1-64 "$RESULTS/at-g1.sum")" = "$(tb wait sum-from-g2 10)" ] || fail "what cat has brought"

# The sender is killed when a part has come; then the receiver.
after sends-large
grows /store/large.part 2000000
step part-has-come
after sender-killed
kept=$(stat -c %s /store/large.part)
echo "kept of the killed sender: $kept"
[ -e /store/large ] && fail "it is complete though the sender was killed"
after sends-again
grows /store/large.part $((kept + 2000000))
kill -9 $recv
wait $recv
echo "kept of the killed receiver: $(stat -c %s /store/large.part)"
[ -e /store/large ] && fail "it is complete though the receiver was killed"
xvsock recv -v --json /store > "$RESULTS/recv.json" 2> again.log &
recv=$!
says again.log listening
step receiver-again
after sent
[ "$(sum_of /store/large)" = "$(tb wait sum-large 10)" ] || fail "the large file is another one"
[ -e /store/large.part ] && fail "a part is left"
[ "$(stat -c %s /store/empty)" = 0 ] || fail "the empty file"
[ "$(stat -c %a /store/small)" = 751 ] || fail "mode $(stat -c %a /store/small)"
[ "$(cat /store/old)" = old ] || fail "a file was replaced"
jq -es 'map(select(.file == "large"))[-1] | .peer == "g2" and .resumed_bytes > 0' "$RESULTS/recv.json" || fail "recv's JSON"
kill $recv
wait $recv || fail "recv ends with $? after a signal"
cat again.log >> "$recv_log"
cat "$recv_log"
grep "g2: large: .*bytes are kept in large.part" "$recv_log" || fail "recv does not say what is kept"

# A full disk: the part that is there takes no room, and is not the beginning.
truncate -s 20M /small/full.part
xvsock recv -v --once /small 2> full.log &
recv=$!
says full.log listening
step disk-ready
wait $recv && fail "recv --once ends with 0 on a full disk"
grep "full: cannot write full.part: No space left on device" full.log || fail "recv says $(cat full.log)"
xvsock recv -v --once --listen g2:30323 /small 2> too-large.log &
recv=$!
says too-large.log listening
step disk-ready-again
wait $recv && fail "recv --once ends with 0 without room"
step recv-has-ended
grep "Domain-0: is not whom files are wanted from" too-large.log || fail "recv for g2 says $(cat too-large.log)"
grep "the disk has room for" too-large.log || fail "recv says $(cat too-large.log)"

# Without the module.
after unload
rmmod xen_vsock || fail "the module stays"
step unloaded
fails "the module xen_vsock is not loaded in this domain" xv ping -c 1 g2
fails "the module xen_vsock is not loaded in this domain" xv cat g2:1
xv peers > peers 2> problems || fail "peers ends with $? without the module"
grep "^g2 " peers || fail "no g2 in $(cat peers)"
grep "connections and bytes are not known" problems || fail "peers does not say what is missing"
after load
insmod /testbed/xen_vsock.ko || fail "the module does not load again"
after g2-done
exit $failed
