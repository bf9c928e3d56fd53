# SPDX-License-Identifier: MIT
# One change at a time, and what follows from it.
settled() { # all links and no others, all domains reach whom they may, and nobody else
    eventually no_dead || fail "after $1"
    reach 60 $everybody
    undisturbed
    for guest in $GUESTS; do
        cid_of "$guest"
    done | diff /run/cids-before - || fail "CIDs have changed after $1"
}

# starts GUEST COMMAND...: says how long it takes until its links are up
starts() {
    guest=$1
    shift
    before=$(id_of "$guest")
    begun=$(now)
    "$@"
    eventually has_started || fail "$guest does not start: $*"
    wait_up "$guest"
    booted=$(seconds_since "$begun")
    halves=$(halves | grep -w "$id")
    eventually connected $halves || fail "the links of $guest do not come up"
    tb say "daemon: $1 $guest: booted after $booted s, $(echo "$halves" | wc -l) halves connected after $(seconds_since "$begun") s"
}
has_started() { id=$(id_of "$guest") && [ "$id" != "$before" ]; }

starts g3 recreate g3
settled "destroying g3 and creating it anew"
starts g4 xl reboot -F g4
settled "a reboot of g4"
starts g5 crash g5
settled "a crash of g5"

# A paused domain keeps its links.
xl pause g6
sleep 1
only_these_halves $(halves) || fail "a paused domain has lost links"
xl unpause g6

# Under another name it is another one to the policy, but to rules by its UUID.
unlinked() { at g1 "vsock-reach within 20 $(cid_of "$1"):7000=no-link"; }
xl rename g3 elsewhere
unlinked g3 || fail "g3 is linked under another name"
xl rename elsewhere g3
xl rename g6 elsewhere
at g1 "vsock-reach within 20 $(cid_of g6):7000=talks $(cid_of g6):7002=talks" || fail "a rule by UUID went with the name: $output"
xl rename elsewhere g6
settled "renaming"

# Another policy holds at once, for connections, too; a broken one does not.
at g5 "vsock-reach hold $(cid_of g2):7002 > /held 2>&1 &"
eventually held g5 || fail "g5 holds no connection"
use_policy b
said_again policy-loaded reload
cut() { at g5 "grep 'ended: Connection reset by peer' /held"; }
eventually cut || fail "a connection that is no longer allowed is not cut: $output"
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
