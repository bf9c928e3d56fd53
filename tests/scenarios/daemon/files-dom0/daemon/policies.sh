# SPDX-License-Identifier: MIT
# The policy changes, and the daemon dies; and what follows from it.
# Another policy holds at once, for connections, too; a broken one does not.
at g5 "vsock-reach hold $(cid_of g2):7002 > /held 2>&1 &"
eventually held g5 || fail "g5 holds no connection"
use_policy b
said_again policy-loaded reload
is_cut() { at g5 "grep 'ended: Connection reset by peer' /held"; }
if ! eventually is_cut; then
    at g5 "cat /held"
    fail "a connection that is no longer allowed is not cut: $output"
fi
settled "another policy"
echo "allow g7 -> *" > /etc/xvsock/policy
echo "alow everything" >> /etc/xvsock/policy
said_again policy-kept reload
grep policy-wrong "$RESULTS/xvsockd.log" | grep "policy:2" || fail "the daemon does not say where the policy is wrong"
settled "a broken policy"
use_policy a
said_again policy-loaded reload
settled "the first policy again"

# The daemon is killed, and something happens while it is not there.
kill_daemon
recreate g4
start_daemon
settled "the daemon's death"
