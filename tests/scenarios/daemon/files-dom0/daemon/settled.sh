# SPDX-License-Identifier: MIT
# What is so after each change, and how long a guest's start takes.
cids() { sed -n 's/^cid //p' /var/lib/xvsock/cids | sort; }

settled() { # all links and no others, all domains reach whom they may, and nobody else
    eventually no_dead || fail "after $1"
    reach 60 $everybody
    undisturbed
    cids | diff /run/cids-before - || fail "CIDs have changed after $1"
}

# Nothing of what has happened meanwhile has cut what is allowed, or let in what is not.
undisturbed() {
    rm -f /run/disturbed-*
    running=
    for guest in g1 g2 g7; do
        (at $guest /undisturbed.sh || echo "$guest: $output" > "/run/disturbed-$guest") &
        running="$running $!"
    done
    wait $running
    cat /run/disturbed-* 2> /dev/null && fail "something that should go on does not"
    return 0
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
