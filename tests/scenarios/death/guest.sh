#!/bin/bash
# SPDX-License-Identifier: MIT
. /death.sh
vsock-services > "$RESULTS/services.log" 2>&1 &
tb signal "ready-$NAME"
tb wait "linked-$NAME" 400 > /dev/null || fail "no link"
[ "$NAME" = paused ] && { sleep 600; exit 0; }
vsock-load "$CID_survivor" until-end 4 > "$RESULTS/load" 2>&1 &
load=$!
eventually grep -q running "$RESULTS/load"
tb signal "running-from-$NAME"
case $NAME in
crashed) tb wait crash 100 > /dev/null && echo c > /proc/sysrq-trigger ;;
unlinked) wait $load || { cat "$RESULTS/load"; fail "its own transfers"; } ;;
*) sleep 600 ;;
esac
