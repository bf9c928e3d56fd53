# SPDX-License-Identifier: MIT
# The guests: who is which domain, what they are told to do, how they come and go.
id_of() { [ "$1" = dom0 ] && echo 0 || xl domid "$1" 2> /dev/null; }
uuid_of() { echo "00000000-0000-4000-8000-00000000000${1#g}"; }
cid_of() { # as recorded by the daemon
    [ "$1" = dom0 ] && echo 2 || sed -n "s/^cid \([0-9]*\) $(uuid_of "$1")$/\1/p" /var/lib/xvsock/cids
}

# tell DOMID COMMAND...: the number of the answer to wait for is $asked
tell() {
    domid=$1
    shift
    asked=$(cat "/run/asked-$domid" 2> /dev/null || echo 0)
    echo $((asked + 1)) > "/run/asked-$domid"
    tb signal "do-$domid-$asked" "$*"
}

# at GUEST COMMAND...: runs it there; its output is $output, its status that of this function.
at() {
    guest=$1
    shift
    domid=$(id_of "$guest") || fail "$guest is not there for $*"
    tell "$domid" "$@"
    output=$(tb wait "did-$domid-$asked" 400) || fail "$guest does not answer: $*"
    xenstore-rm "/testbed/signals/do-$domid-$asked" "/testbed/signals/did-$domid-$asked"
    status=${output%% *}
    output=${output#* }
    return "$status"
}

is_up() { id=$(id_of "$1") && xenstore-exists "/testbed/signals/up-$id"; }
wait_up() {
    for try in $(seq $((240 * SLOWNESS))); do
        is_up "$1" && return
        sleep 0.5
    done
    fail "$1 does not come up"
}

create() { xl create -q "/testbed/$1.cfg" > /dev/null 2>&1 || fail "xl cannot create $1"; }
recreate() { xl destroy "$1" && create "$1"; }
crash() { # which leaves no time for an answer
    tell "$(id_of "$1")" "echo c > /proc/sysrq-trigger"
    for try in $(seq $((40 * SLOWNESS))); do
        id_of "$1" > /dev/null || break
        sleep 0.5
    done
    create "$1"
}
