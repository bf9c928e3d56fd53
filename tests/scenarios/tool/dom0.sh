#!/bin/sh
# SPDX-License-Identifier: MIT
# A peer of g1 as the guests are; and it pauses g1.
. /eventually.sh
. /tool.sh
xvsock-peer add --plain g2 0 --connect any || fail "no plain link"
plain_is_connected() { xvsock-peer list --plain | grep -q Connected; }
eventually plain_is_connected
step linked

mount -t debugfs none /sys/kernel/debug 2> /dev/null
xv peers
xv peers | grep "^g1 .*module *Connected" || fail "g1 is no peer"
xv resolve g1:80 | grep "g1 *$DOMID_g1 *$CID_g1 *80" || fail "resolve"
fails "the only peer is g1" xv resolve nobody
after g1-listens
xv ping -c 3 -i 0.1 g1 || fail "ping: $?"

after dom0-may-try
echo "from dom0" | xv cat g1:5002 # nothing of this may arrive
step dom0-has-tried
after dom0-may-send
echo text > from-dom0
fails "the connection" xv send from-dom0 g1
step dom0-has-sent

after pause
xl pause g1 || fail "xl pause"
step paused
after unpause
xl unpause g1 || fail "xl unpause"
step unpaused
after g2-done
exit $failed
