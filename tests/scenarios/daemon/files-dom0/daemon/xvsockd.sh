# SPDX-License-Identifier: MIT
# The daemon and its policy.
start_daemon() {
    touch "$RESULTS/xvsockd.log"
    said_again started launch || fail "the daemon does not start: $(tail -3 "$RESULTS/xvsockd.log")"
}
launch() {
    xvsockd >> "$RESULTS/xvsockd.log" 2>&1 &
    daemon=$!
}
kill_daemon() {
    kill -KILL "$daemon" 2> /dev/null
    wait "$daemon" 2> /dev/null
}
runs() { kill -0 "$daemon" 2> /dev/null; }
logged() { grep -c "$1" "$RESULTS/xvsockd.log"; }

# said_again EVENT COMMAND...: the command makes the daemon say so once more
said_again() {
    event=$1
    before=$(logged "event=$event")
    shift
    "$@"
    eventually more_than "$before" "event=$event" || fail "the daemon does not say $event"
}
more_than() { [ "$(logged "$2")" -gt "$1" ]; }

use_policy() { # a or b, without telling the daemon
    policy=$1
    cp "/daemon/policy-$1" /etc/xvsock/policy.new && mv /etc/xvsock/policy.new /etc/xvsock/policy
}
reload() { kill -HUP "$daemon" 2> /dev/null; } # which may have been killed
