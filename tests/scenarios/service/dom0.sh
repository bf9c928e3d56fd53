#!/bin/sh
# SPDX-License-Identifier: MIT
# An operator's dom0: Debian's systemd, our package, real guests. A connection that is held from beginning to end shows that
# whatever happens to the daemon, links stay as they are.
. /eventually.sh
unit=xvsockd.service
fail() {
    echo "FAILED: $*"
    systemctl status --no-pager --full --lines 30 $unit
    exit 1
}
step() { tb say "service: $*"; echo "-- $*"; }

# at GUEST COMMAND...: runs it there; its output is $output, its status that of this function.
at() {
    guest=$1
    shift
    eval "number=\${number_$guest:-0}; number_$guest=\$((number + 1))"
    tb signal "$guest-do-$number" "$*"
    output=$(tb wait "$guest-did-$number" 200) || fail "$guest does not answer: $*"
    xenstore-rm "/testbed/signals/$guest-do-$number" "/testbed/signals/$guest-did-$number"
    status=${output%% *}
    output=${output#* }
    return "$status"
}

property() { systemctl show --value -p "$1" $unit; }
is_state() { [ "$(property ActiveState)" = "$1" ]; }
logged() { journalctl --no-pager -o cat -u $unit | grep -q "$1"; }
running_anew() { is_state active && [ "$(property MainPID)" != "$daemon" ]; }
links_are_up() {
    halves="/local/domain/$DOMID_g1/backend/vsock/$DOMID_g2/$DOMID_g1 /local/domain/$DOMID_g2/device/vsock/$DOMID_g1"
    for half in $halves; do
        [ "$(xenstore-read "$half/state")" = 4 ] || return 1
    done
}
reaches() { # WHAT AT 7000, WHAT AT 7001
    at g2 "vsock-reach within $((20 * SLOWNESS)) 70001:7000=$1 70001:7001=$2" || fail "not as the policy says: $output"
}
links_untouched() {
    links_are_up || fail "the link is not up after $1"
    at g2 "grep held /held && ! grep ended /held" || fail "a connection does not survive $1: $output"
    reaches talks "${2:-talks}"
}

xen_daemons_are_the_first() {
    for name in xenstored xenconsoled; do
        [ "$(pidof $name)" = "$(cat /run/$name-first)" ] || fail "$name was $(cat /run/$name-first), and there is: $(pidof $name)"
    done
}

step "systemd is process 1"
for name in xenstored xenconsoled; do pidof $name > /run/$name-first; done
eventually systemctl show > /dev/null || fail "systemd does not answer"
[ "$(cat /proc/1/comm)" = systemd ] || fail "process 1 is $(cat /proc/1/comm)"
# Debian's script, which the unit wants, must leave what runs alone.
systemctl start xen.service || fail "xen.service"
systemctl status --no-pager xen.service
xen_daemons_are_the_first

step "the package"
rm /usr/local/bin/xvsock /usr/local/bin/xvsock-peer /usr/local/bin/xvsockd # the testbed's
mkdir -p /var/lib/dpkg/info # which the image has not
dpkg -i /testbed/artifacts/packages/xvsock_*.deb > dpkg.log 2>&1 || fail "dpkg: $(grep -v warning: dpkg.log)"
[ "$(xvsockd --version)" = "xvsockd $(dpkg-query -W -f '${Version}' xvsock)" ] || fail "xvsockd is not the package's"
[ "$(systemctl is-enabled $unit)" = disabled ] && is_state inactive || fail "the package has started or enabled the daemon"

step "without a right policy it is not started again and again"
for policy in none wrong; do
    [ $policy = wrong ] && echo "alow everything" > /etc/xvsock/policy
    systemctl start $unit && fail "it starts with the policy: $policy"
    sleep 3
    is_state failed && [ "$(property ExecMainStatus)" = 3 ] && [ "$(property NRestarts)" = 0 ] ||
        fail "with the policy $policy it is $(property ActiveState), $(property ExecMainStatus), $(property NRestarts)"
done

step "start"
cat > /etc/xvsock/policy << 'POLICY'
allow g1 <-> g2 port 7000
cid g1 70001
cid g2 70002
POLICY
xvsockd --check /etc/xvsock/policy || fail "the policy"
systemctl enable --now $unit || fail "it does not start"
is_state active && [ "$(property StatusText)" = "The links are as the policy says." ] || fail "it is not ready"
eventually links_are_up || fail "the link does not come up"
reaches talks refused
stat -c '%n %A %U' /var/lib/xvsock /var/lib/xvsock/cids /run/xvsock /run/xvsock/status.json || fail "its folders"
daemon=$(property MainPID)
[ "$(readlink "/proc/$daemon/exe")" = /usr/sbin/xvsockd ] || fail "it is $(readlink "/proc/$daemon/exe")"
for word in "CapEff:	0*" "CapBnd:	0*" "NoNewPrivs:	1" "Seccomp:	2"; do
    grep -qx "$word" "/proc/$daemon/status" || fail "it is not confined: no $word"
done
systemd-analyze security --no-pager --threshold=15 $unit > security || fail "$(cat security)"
tail -1 security
at g2 "vsock-reach hold 70001:7000 > /held 2>&1 &"
eventually at g2 "grep held /held" || fail "no connection is held"

step "reload"
sed -i 's/port 7000/port 7000,7001/' /etc/xvsock/policy
systemctl reload $unit || fail "reload"
reaches talks talks
cp /etc/xvsock/policy right
echo "alow everything" >> /etc/xvsock/policy
systemctl reload $unit
eventually logged event=policy-kept || fail "a broken policy is not refused"
is_state active && [ "$(property MainPID)" = "$daemon" ] || fail "a broken policy ends the daemon"
links_untouched "a reload with a broken policy"
cp right /etc/xvsock/policy

step "SIGKILL"
systemctl kill -s KILL $unit
eventually running_anew || fail "it is not started again"
links_untouched SIGKILL

step "SIGSTOP: the watchdog"
mkdir -p /etc/systemd/system/$unit.d
printf '[Service]\nWatchdogSec=%d\n' $((5 * SLOWNESS)) > /etc/systemd/system/$unit.d/short.conf
systemctl daemon-reload
systemctl restart $unit || fail "restart"
daemon=$(property MainPID)
sleep $((8 * SLOWNESS))
[ "$(property MainPID)" = "$daemon" ] || fail "it is killed though it is alive"
kill -STOP "$daemon"
eventually running_anew || fail "the watchdog does not see to it"
logged "Watchdog timeout" || fail "not because of the watchdog"
links_untouched "the watchdog"

step "stop, and start"
systemctl stop $unit || fail "stop"
is_state inactive && [ ! -e /run/xvsock ] || fail "it is not stopped"
links_untouched "a stop"
systemctl start $unit || fail "start"
links_untouched "a start"

step "a guest that runs systemd"
at g2 "ln -sf /usr/local/bin/xvsockd /usr/sbin/; cat > /etc/systemd/system/$unit << 'UNIT'
$(cat /usr/lib/systemd/system/$unit)
UNIT
systemctl daemon-reload && systemctl start $unit" || fail "systemctl in a guest: $output"
eventually at g2 "! systemctl is-active $unit && journalctl --no-pager -u $unit | grep Skipped.*exec-condition" ||
    fail "it is not skipped in a guest: $output"

step "the package is installed again, as in an upgrade, and removed"
daemon=$(property MainPID)
dpkg -i /testbed/artifacts/packages/xvsock_*.deb >> dpkg.log 2>&1 || fail "dpkg: $(tail dpkg.log)"
running_anew || fail "an upgrade does not start it again"
dpkg --remove xvsock >> dpkg.log 2>&1 || fail "dpkg: $(tail dpkg.log)"
is_state inactive && [ ! -e /usr/sbin/xvsockd ] && [ -e /etc/xvsock/policy ] || fail "not as removed"
links_untouched "the package's removal"
dpkg --purge xvsock >> dpkg.log 2>&1 || fail "dpkg: $(tail dpkg.log)"
find /etc/xvsock /var/lib/xvsock /etc/systemd/system/*.wants/$unit 2> /dev/null | grep . && fail "is left"
xen_daemons_are_the_first
exit 0
