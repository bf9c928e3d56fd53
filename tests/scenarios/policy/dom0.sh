#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes links by hand, writes what xvsockd would, and looks at what the guests' modules make of it.
. /policy.sh

cid_g1=70001 cid_g2=70002 cid_g3=70003 cid_dom0=2
DOMID_dom0=0
address_g1=198.19.17.113 # 198.18.0.0 and 70001
domid_of() { eval "echo \$DOMID_$1"; }

# at DOMAIN COMMAND...: runs it there with /policy.sh; its output is $output, its status that of this function.
at() {
    guest=$1
    shift
    eval "number=\${number_$guest:-0}; number_$guest=\$((number + 1))"
    tb signal "$guest-do-$number" ". /policy.sh; $*"
    output=$(tb wait "$guest-did-$number" 300) || { fail "$guest does not answer: $*"; exit 1; }
    # A guest may not add to a node with too many children.
    xenstore-rm "/testbed/signals/$guest-do-$number" "/testbed/signals/$guest-did-$number"
    status=${output%% *}
    output=${output#* }
    echo "$guest\$ $*: $status"
    echo "$output"
    return "$status"
}

# Lets guests be asked again and again.
in_time() {
    for try in $(seq 100); do
        at "$@" && return 0
        sleep 0.3
    done
    return 1
}

# half DOMAIN PEER: where this domain's half of the link is
half() {
    own=$(domid_of "$1")
    other=$(domid_of "$2")
    if [ "$own" -gt "$other" ]; then
        echo "/local/domain/$own/device/vsock/$other"
    else
        echo "/local/domain/$own/backend/vsock/$other/$own"
    fi
}

# write_half DOMAIN PEER KEY VALUE [KEY VALUE]...: dom0 writes it into the domain's half, `accept` last.
write_half() {
    own_half=$(half "$1" "$2")
    own=$(domid_of "$1")
    shift 2
    while [ $# -gt 0 ]; do
        xenstore-exists "$own_half/$1" || { xenstore-write "$own_half/$1" "$2" && xenstore-chmod "$own_half/$1" n0 "r$own"; }
        xenstore-write "$own_half/$1" "$2" || fail "writing $1"
        shift 2
    done
}

# Likewise, to a guest's module, which has taken it in afterwards: its kernel has one thread for what changes in xenstore, and
# hears of this before of the next command.
say() {
    write_half "$@"
    at "$1" true
}

make_link() { # A B, with the CIDs of both
    xvsock-peer add "$(domid_of "$1")" "$(domid_of "$2")" || fail "no link of $1 and $2"
    eval "write_half $1 $2 cid \$cid_$1 peer-cid \$cid_$2"
    eval "write_half $2 $1 cid \$cid_$2 peer-cid \$cid_$1"
}

# While modules run: g1's, which has the backends, sees the link with its keys.
make_link_live() {
    xl pause g1
    make_link "$1" "$2"
    xl unpause g1
}

connected() { [ "$(xvsock-peer list | grep -o Connected | wc -l)" = "$1" ]; }

reload() { # GUEST
    in_time "$1" rmmod xen_vsock || fail "the module stays in $1"
    at "$1" insmod /testbed/xen_vsock.ko || fail "the module cannot be loaded in $1"
}

# -- CIDs. The keys are there before a module sees the link.
rmmod xen_vsock || fail "dom0's module stays"
for guest in g1 g2 g3; do
    in_time $guest rmmod xen_vsock || fail "the module stays in $guest"
done
make_link g1 g2
make_link g1 g3
make_link dom0 g1
insmod /testbed/xen_vsock.ko || fail "dom0 cannot load the module"
for guest in g1 g2 g3; do # backends first, for a frontend's module waits for them
    at $guest insmod /testbed/xen_vsock.ko || fail "the module cannot be loaded in $guest"
done
eventually connected 6 || { fail "the links do not come up: $(xvsock-peer list)"; exit 1; }
mount -t debugfs none /sys/kernel/debug 2> /dev/null

names='Address.BothEndsAgree:Address.OfAnAcceptedSocket:Bind.OnlyToOwnAddresses:Stream.HalfClose*'
in_time g1 grep up "\$RESULTS/services.log" || fail "no services in g1"
at g2 "vsock-stream-test $cid_g1 --gtest_filter='$names'" || fail "g2 and g1 by their CIDs"
at g1 "vsock-stream-test $cid_g3 --gtest_filter='$names'" || fail "g1 and g3 by their CIDs"
vsock-stream-test $cid_g1 --gtest_filter="$names" || fail "dom0 and g1 by their CIDs"
at g2 "xvsock ping -c 1 $cid_g3" && fail "there is a link of g2 and g3"
at g2 "xvsock run env" && echo "$output" | grep "own $cid_g2" || fail "g2 does not know its own CID"
at g2 "xvsock ping -c 1 $CID_g1" && fail "g1 is reached by its domid + 2"
echo "$output" | grep "no peer link" || fail "there is something where g1's CID would be without dom0"
at g2 "xvsock resolve --json g1 | jq -c '[.cid, .domid]'" && [ "$output" = "[$cid_g1,$DOMID_g1]" ] || fail "resolve in g2"
xvsock resolve --json g1 | grep "\"cid\":$cid_g1," || fail "resolve in dom0"
at g2 "echo over TCP | xvsock run socat -t 5 - TCP:$address_g1:7000" && [ "$output" = "over TCP" ] || fail "run, by address"
at g2 "xvsock peers; xvsock peers --json | jq -c '[.peers[] | [.name, .domid, .cid, .state]]'"
echo "$output" | grep -F "[[\"g1\",$DOMID_g1,$cid_g1,\"Connected\"]]" || fail "peers in g2"

# -- Ports.
refused_alike() { # PORT: as where nobody listens
    at g2 "xvsock ping --json -c 1 $cid_g1:$1 | jq -r 'select(.outcome).outcome'"
    [ "$output" = refused ] || fail "port $1 is $output"
    at g2 "socat -d -u VSOCK-CONNECT:$cid_g1:$1 - < /dev/null"
    echo "$output" | grep "Connection reset by peer" || fail "port $1: not as where nobody listens"
}
reached() { at g2 "xvsock ping --json -c 1 $cid_g1:$1 | jq -r 'select(.outcome).outcome'" && [ "$output" = connected ]; }

say g1 g2 accept 7000,7002-7003
in_time g1 "[ \$(counter $cid_g2 denied) = 0 ]" || fail "there is no counter"
refused_alike 7007
at g1 "[ \$(counter $cid_g2 denied) = 2 ]" || fail "what is not permitted is not counted"
refused_alike 7001
at g1 "[ \$(counter $cid_g2 denied) = 4 ]" || fail "what is not permitted is not counted"
for port in 7000 7002 7003; do
    reached $port || fail "port $port is not reached"
done
at g3 "echo any | socat - VSOCK-CONNECT:$cid_g1:7000" && [ "$output" = any ] || fail "what is said of g2 hits g3"
at g3 "xvsock ping --json -c 1 $cid_g1:7001 | grep outcome.:.connected" || fail "what is said of g2 hits g3"
at g1 "xvsock ping --json -c 1 $cid_g2:7001 | grep outcome.:.connected" || fail "the rule holds in the other direction"
at g1 "xvsock stat" && echo "$output" | grep denied || fail "stat"

# A change cuts what is not permitted any more, at once, and nothing else.
at g2 "hold $cid_g1 7000 /h7000 > /dev/null 2>&1 & hold $cid_g1 7002 /h7002 > /dev/null 2>&1 &"
at g3 "hold $cid_g1 7000 /h7000 > /dev/null 2>&1 &"
in_time g2 grep held /h7000 && in_time g2 grep held /h7002 && in_time g3 grep held /h7000 || fail "no connection is held"
say g1 g2 accept 7002
in_time g2 grep ended /h7000 || fail "the connection is not cut"
at g2 "grep 'Connection reset by peer' /h7000" || fail "it is cut as if it were the end"
refused_alike 7000
at g2 "grep ended /h7002" && fail "a connection that is permitted was cut"
at g3 "grep ended /h7000" && fail "another peer's connection was cut"
at g1 "[ \$(counter $cid_g2 accepted) = 1 ]" || fail "what was cut is still there"
say g1 g2 accept 7000
in_time g2 "grep ended /h7002" || fail "the other connection is not cut"
reached 7000 || fail "what is permitted again is not reached"

# What cannot be read permits nothing, and g1's kernel says so.
at g2 "hold $cid_g1 7000 /h7000 > /dev/null 2>&1 &"
in_time g2 grep held /h7000 || fail "no connection is held"
say g1 g2 accept 7000,ssh
in_time g2 grep ended /h7000 || fail "rubbish does not cut"
refused_alike 7000
at g1 "dmesg | grep \"accept is no port and no range of ports at 'ssh'\"" || fail "nothing is said of the rubbish"
say g1 g2 accept none
refused_alike 7000
say g1 g2 accept any
reached 7001 || fail "any does not permit everything"
# Whatever comes last holds, also for who connects meanwhile.
at g2 "for port in 7000 7001; do while [ ! -e /stop ]; do hold $cid_g1 \$port /h\$port; done > /dev/null 2>&1 & done"
for change in $(seq 60); do
    write_half g1 g2 accept $((7000 + change % 2)),9000-9999
done
held() { at g1 "grep -c 'cid=$cid_g2 .*state=established local_port=$1 ' /sys/kernel/debug/xvsock/connections"; }
in_time g1 "grep 'cid=$cid_g2 .*state=established local_port=7000 ' /sys/kernel/debug/xvsock/connections" || fail "the last rule does not hold"
refused_alike 7001
held 7001 && fail "a connection is held at a port that is not permitted any more"
held 7000 && [ "$output" = 1 ] || fail "not one connection at the port that is permitted"
at g2 touch /stop
say g1 g2 accept none
in_time g2 "grep ended /h7000" || fail "what held connections does not end"
xenstore-rm "$(half g1 g2)/accept" # absent: any
in_time g2 "xvsock ping --json -c 1 $cid_g1:7001 | grep outcome.:.connected" || fail "without accept not any port is permitted"
say g1 g2 accept any

# A frontend enforces its rules, too.
from_dom0() { xvsock ping --json -c 1 "$cid_g1:$1" | grep "\"$2\""; }
say g1 dom0 accept 7000
eventually from_dom0 7001 refused || fail "dom0 reaches a port that is not permitted"
from_dom0 7000 connected || fail "dom0 does not reach what is permitted"
at g1 "counter 2 denied; [ \$(counter 2 denied) -ge 1 ]" || fail "what dom0 may not reach is not counted"
say g1 dom0 accept any
eventually from_dom0 7001 connected || fail "any does not permit everything to dom0"

# -- Nobody but dom0 has a hand in it.
rules=$(half g1 g2)
say g1 g2 max-connections 100 max-memory 100000000 domain-max-connections 100 domain-max-memory 100000000 accept any
for key in accept cid peer-cid max-connections max-memory domain-max-connections domain-max-memory made-by; do
    at g1 "xenstore-read $rules/$key" || fail "g1 cannot read $key"
    at g1 "xenstore-write $rules/$key 1" && fail "g1 can write $key"
    at g1 "xenstore-rm $rules/$key" && fail "g1 can remove $key"
    for guest in g2 g3; do
        at $guest "xenstore-read $rules/$key" && fail "$guest can read $key of g1"
        at $guest "xenstore-write $rules/$key 1" && fail "$guest can write $key of g1"
        at $guest "xenstore-rm $rules/$key" && fail "$guest can remove $key of g1"
    done
done

# -- Limits.
say g1 g2 max-connections 1 accept any
at g2 "hold $cid_g1 7000 /h7000 > /dev/null 2>&1 &"
in_time g2 grep held /h7000 || fail "not even one connection"
in_time g2 no_room $cid_g1 || fail "a second connection"
at g3 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "the limit of g2 hits g3"
say g1 g2 max-connections 10 accept any
reached 7000 || fail "a limit that was raised"
say g2 g1 max-connections 1 accept any # of the one that is held, too
in_time g2 no_room $cid_g1 || fail "a second connection of the initiator's"
say g2 g1 max-connections 100 accept any
in_time g2 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "an initiator's limit that was raised"
at g2 "xvsock peers --json | jq -c '[.peers[] | [.max_connections, .accept]]'" && [ "$output" = '[[100,"any"]]' ] || fail "g2's peers"
at g1 "xvsock peers; xvsock peers --json | jq -c '[.peers[] | select(.name == \"g2\") | [.max_connections, .max_memory, .accept]]'"
echo "$output" | grep -F '[[10,100000000,"any"]]' || fail "g1's peers: limits"
send_unread="{ { head -c 1000000 /dev/zero; sleep 1000; } | socat -u - VSOCK-CONNECT:$cid_g1:7005; } > /dev/null 2>&1 &"
at g2 "$send_unread"
in_time g1 "[ \$(counter $cid_g2 mapped_pages) = 64 ]" || fail "no large ring"
say g1 g2 accept none
in_time g1 "[ \$(counter $cid_g2 mapped_pages) = 0 ]" || fail "the large ring stays"
say g2 g1 max-memory 65536 accept any # who grants does not offer more, then
say g1 g2 max-memory 65536 accept any
at g2 "$send_unread"
in_time g1 "[ \$(counter $cid_g2 mapped_pages) -ge 1 ]" || fail "no ring within the limit"
at g1 "[ \$(counter $cid_g2 mapped_pages) -le 16 ]" || fail "more memory than dom0 allows"
say g1 g2 accept none
in_time g1 "[ \$(counter $cid_g2 mapped_pages) = 0 ]" || fail "the ring stays"
say g2 g1 max-memory 100000000 accept any # who grants would give more
say g1 g2 accept any
at g2 "$send_unread"
in_time g1 "[ \$(counter $cid_g2 accepted) -ge 1 ]" || fail "no connection within the limit"
sleep 3 # a ring that is too large is refused, and asked for again after a second
at g1 "[ \$(counter $cid_g2 mapped_pages) -le 16 ]" || fail "more memory than dom0 allows is mapped"
say g1 g2 max-memory much accept none
say g1 g2 accept any
in_time g1 "[ \$(counter $cid_g2 mapped_pages) = 0 ]" || fail "the ring stays"
at g2 "$send_unread"
in_time g1 "[ \$(counter $cid_g2 accepted) -ge 1 ]" || fail "no connection without large rings"
at g1 "[ \$(counter $cid_g2 mapped_pages) = 0 ]" || fail "a limit that is no number allows something"
at g1 "dmesg | grep \"max-memory is 'much', which is no number\"" || fail "nothing is said of the limit"
say g1 g2 max-memory 100000000 accept none
say g1 g2 accept any

# What the domain may have with all its peers together, as an acceptor and as an initiator; the lowest that its
# halves say.
say g1 g3 accept none # which ends what g3 has held until now
in_time g1 "[ \$(counter $cid_g3 accepted) = 0 ] && [ \$(counter $cid_g2 accepted) = 0 ]" || fail "something is held"
say g1 g3 domain-max-connections 1 accept any
at g2 "hold $cid_g1 7000 /h7000 > /dev/null 2>&1 &"
in_time g2 grep held /h7000 || fail "not even one connection of all peers'"
in_time g3 no_room $cid_g1 || fail "a second connection, from another peer"
at g1 "xvsock ping --json -c 1 $cid_g3:7000 | grep outcome.:.connected" || fail "what is accepted counts for what is begun"
in_time g1 "[ \$(counter $cid_g3 initiated) = 0 ]" || fail "a ping's connection stays"
at g1 "hold $cid_g2 7000 /h7000 > /dev/null 2>&1 &"
in_time g1 grep held /h7000 || fail "not even one connection is begun"
in_time g1 no_room $cid_g3 || fail "a second connection, to another peer"
at g1 "xvsock peers; xvsock peers --json | jq -c '[.peers[].domain_max_connections]'"
echo "$output" | grep "all peers together: max-connections 1, max-memory 100000000" || fail "g1's peers: the sum of the table"
echo "$output" | grep -F "[null,100,1]" || fail "g1's peers: the sum's limit"
say g1 g3 domain-max-connections 10 accept any
in_time g3 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "a sum that was raised"
at g1 "xvsock ping --json -c 1 $cid_g3:7000 | grep outcome.:.connected" || fail "a sum that was raised, of what is begun"
say g2 g1 accept none # which ends what g1 holds
say g2 g1 accept any
say g1 g2 accept none
in_time g1 "[ \$(counter $cid_g2 accepted) = 0 ] && [ \$(counter $cid_g2 initiated) = 0 ]" || fail "a connection stays"
say g1 g2 domain-max-memory 65536 accept any
at g2 "$send_unread"
in_time g1 "[ \$(counter $cid_g2 accepted) = 1 ]" || fail "no connection within the sum"
sleep 3 # as above
at g1 "[ \$(counter $cid_g2 mapped_pages) -le 16 ]" || fail "more memory than all peers may take is mapped"
at g1 "{ { head -c 1000000 /dev/zero; sleep 1000; } | socat -u - VSOCK-CONNECT:$cid_g2:7005; } > /dev/null 2>&1 &"
in_time g1 "[ \$(counter $cid_g2 granted_pages) -ge 1 ]" || fail "nothing is granted within the sum"
at g1 "[ \$(counter $cid_g2 granted_pages) -le 16 ]" || fail "more memory than the sum is granted"
say g2 g1 accept none
say g2 g1 accept any
say g1 g2 accept none
in_time g1 "[ \$(counter $cid_g2 mapped_pages) = 0 ] && [ \$(counter $cid_g2 granted_pages) = 0 ]" || fail "a ring stays"
say g1 g2 domain-max-memory 100000000 accept any

# -- CIDs that cannot be: that link is refused, and the other stands.
refuses() { # HALF'S KEY, VALUE, WHAT THE KERNEL SAYS
    in_time g1 "rmmod xen_vsock" || fail "the module stays in g1"
    say g1 g3 "$1" "$2"
    at g1 "dmesg -c > /dev/null; insmod /testbed/xen_vsock.ko" || fail "the module cannot be loaded"
    in_time g1 "dmesg | grep '$3'" || fail "nothing is said of $1 $2"
    in_time g1 "[ \$(xvsock peers --json | jq '[.peers[] | select(.domid != 0 and .state == \"Connected\")] | length') = 1 ]" || fail "not one link is up"
}
refuses peer-cid 1 "cannot be the CID of domain"
refuses peer-cid 2 "cannot be the CID of domain"
refuses peer-cid 4294967295 "cannot be the CID of domain"
refuses peer-cid g3 "which is no number"
refuses peer-cid $cid_g2 "another link leads to this CID already"
# The one that is refused comes up when the other one is gone, without a hand; and so does that one's successor.
xvsock-peer remove "$DOMID_g1" "$DOMID_g2" || fail "the link cannot be removed"
eventually connected 4 || fail "the link does not come up when the CID is free: $(xvsock-peer list)"
at g1 "dmesg -c > /dev/null"
make_link_live g1 g2
in_time g1 "dmesg | grep 'another link leads to this CID already'" || fail "nothing is said of a CID that is taken"
xvsock-peer list
connected 4 || fail "two links have one CID"
xvsock-peer remove "$DOMID_g1" "$DOMID_g3" || fail "the link cannot be removed"
in_time g2 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "the successor's link does not come up: $(xvsock-peer list)"
make_link_live g1 g3
eventually connected 6 || fail "the links do not come up again: $(xvsock-peer list)"
refuses peer-cid $cid_g1 "would have the same CID"
say g1 g3 peer-cid $cid_g3
refuses cid 2 "cannot be the CID of domain"
refuses cid 70009 "another CID than the other links do"
say g1 g3 cid $cid_g1
reload g1
eventually connected 6 || fail "the links do not come up again: $(xvsock-peer list)"
at g3 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "the link that was refused does not work now"

# -- A checkpoint, and a domain that is saved and restored: the rules hold, the CID stays.
say g1 g2 accept 7000
xl save -c g2 /g2.saved || fail "xl save -c"
in_time g2 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "no link after a checkpoint"
refused_alike 7001
xl save g2 /g2.saved || fail "xl save"
xvsock-peer remove g1 "$DOMID_g2"
xl restore -p /g2.saved || fail "xl restore"
DOMID_g2=$(xl domid g2)
make_link g1 g2
say g1 g2 accept 7000
xl unpause g2
in_time g2 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "no link after the restoration"
say g1 g2 accept any
in_time g2 "vsock-stream-test $cid_g1 --gtest_filter=Bind.OnlyToOwnAddresses" || fail "g2 is bound to another CID"
at g2 "xvsock run env" && echo "$output" | grep "own $cid_g2" || fail "g2 has lost its CID"
say g1 g2 accept 7000
in_time g2 "xvsock ping --json -c 1 $cid_g1:7001 | grep outcome.:.refused" || fail "a rule after the restoration"
refused_alike 7001

# -- Another link, with a CID, comes: who listens at the old one is found, as long as a peer knows us by that.
for other in g2 g3 dom0; do
    xvsock-peer remove "$DOMID_g1" "$(domid_of $other)" || fail "the link with $other cannot be removed"
done
reload g1
xvsock-peer add "$DOMID_g1" "$DOMID_g2" || fail "no link of g1 and g2"
eventually connected 2 || fail "the link without CIDs does not come up: $(xvsock-peer list)"
old_cid=$((DOMID_g1 + 2))
at g1 "xvsock perf --listen vsock:$old_cid:7100 > /perf 2>&1 &"
in_time g2 "xvsock ping --json -c 1 $old_cid:7100 | grep outcome.:.connected" || fail "nobody listens at g1's domid + 2"
make_link_live g1 g3
in_time g1 "dmesg | grep 'CID $cid_g1, was $old_cid'" || fail "g1 has not got its CID"
in_time g3 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "no link of g1 and g3"
at g2 "xvsock ping --json -c 1 $old_cid:7100 | grep outcome.:.connected" || fail "a listener at the old CID is not found"

# -- An offer to a plain peer, dom0, is no connection of the domain's before a client comes.
say g1 g3 domain-max-connections 1 accept any
xvsock-peer add --plain g1 0 --accept 7000,7001,7002 || fail "no plain link of g1 and dom0"
for port in 7000 7001 7002; do
    eventually xenstore-exists "/local/domain/$DOMID_g1/data/vsock/0/$port/event-channel" || fail "no offer at port $port"
done
at g3 "xvsock ping --json -c 1 $cid_g1:7000 | grep outcome.:.connected" || fail "offers take the places of connections"
exit $failed
