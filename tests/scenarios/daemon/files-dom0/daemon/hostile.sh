# SPDX-License-Identifier: MIT
# g8 fills its quota, writes rubbish into what it owns and flips states. The others do not notice.
others="dom0 g1 g2 g3 g4 g5 g6 g7"
at g8 "/hostile.sh > /hostile.log 2>&1 &"
filled() { xenstore-ls "/local/domain/$(id_of g8)/data" | grep -c rubbish > /run/filled; [ "$(cat /run/filled)" -gt 100 ]; }
eventually filled || fail "g8 has not filled its quota"
starts g3 recreate g3
kill_daemon
starts g4 recreate g4 &
starting=$!
sleep 2
start_daemon
wait $starting || fail "g4 is not linked beside a hostile guest"
reach 60 $others
undisturbed
use_policy b
said_again policy-loaded reload
reach 60 $others
use_policy a
said_again policy-loaded reload
tb say "daemon: g8 has made $(cat /run/filled) nodes and $(logged 'event=link-failed') links have failed meanwhile"
recreate g8
wait_up g8
settled "a hostile guest"
