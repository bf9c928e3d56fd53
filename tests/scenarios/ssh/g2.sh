#!/bin/sh
# SPDX-License-Identifier: MIT
# The client: systemd-ssh-proxy makes the connection, by a line of ssh's configuration that systemd brings.
failed=0
fail() { echo "FAILED: $*"; failed=1; }
packets() { cat /sys/class/net/eth0/statistics/?x_packets; }
ip link set eth0 down
before=$(packets)
grep -h vsock /etc/ssh/ssh_config.d/*
ssh-keygen -q -t ed25519 -N '' -f key
tb signal key "$(cat key.pub)"
sum=$(tb wait ready 200) || { echo "FAILED: no server"; exit 1; }
g1=vsock/$CID_g1
mkdir -p -m 700 /root/.ssh
cat > /root/.ssh/config << CONFIG
IdentityFile $PWD/key
StrictHostKeyChecking accept-new
# For scp, to which a slash says that this is a file.
Host g1
    ProxyCommand /usr/lib/systemd/systemd-ssh-proxy $g1 22
    ProxyUseFdpass yes
CONFIG
sum_of() { sha256sum | cut -d' ' -f1; }

[ "$(ssh "$g1" uname -n)" = g1 ] || fail "a command in g1"
ssh "$g1" 'exit 42'
[ $? = 42 ] || fail "the status of a command"
[ "$(ssh "$g1" 'cat /root/large' | sum_of)" = "$sum" ] || fail "4 MB of output"
[ "$(ssh "$g1" 'sha256sum' < /usr/bin/ssh)" = "$(sha256sum < /usr/bin/ssh)" ] || fail "input"
scp -q g1:/root/large . || fail "scp from g1: $?"
[ "$(sum_of < large)" = "$sum" ] || fail "scp has brought something else"
scp -q large g1:/root/returned || fail "scp to g1: $?"
[ "$(ssh "$g1" sha256sum /root/returned | cut -d' ' -f1)" = "$sum" ] || fail "scp has taken something else there"
for session in 1 2; do
    ssh "$g1" "echo $session; sleep 2" > "session-$session" &
    sessions="$sessions $!"
done
wait $sessions
[ "$(cat session-*)" = "$(seq 2)" ] || fail "two sessions at a time"
ssh vsock/77 true 2> refused && fail "somebody is there with CID 77"
cat refused

[ "$(xvsock run curl -sS http://g1/)" = "a page" ] || fail "nginx.service with a drop-in"

[ "$(packets)" = "$before" ] || fail "something went over the network"
tb signal done
ip link set eth0 up
exit $failed
