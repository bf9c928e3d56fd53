# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh
failed=0

# What is otherwise over Argo (rings that are counted and do not grow, room that is given by the quarter; docs/architecture.md,
# "Over Argo"), or too slow for the tests' time limits. The two ends of a link are alike there, so one client will do; others
# would need rings of the same domain, and their interrupts wake each other's sockets.
except='LinkLoss.*'
only=
case $MODULE_OPTIONS in
*data_path=argo*)
    for test in Many.ConnectionsMoveDataAtOnce SignalAtConnect.ManyTimes NonBlockingConnect.CanBeGivenUpAtOnce \
        'SmallWrites.*' '*SmallWritesUnread.*' '*LowWater.Bounded*' '*InFlight.Is*' '*InFlight.Follows*' \
        '*EndsASenderThatWaits*' '*Edge.ComesWithRoom*' '*Splice.SendfileWithoutWaiting*'; do
        except=$except:$test
    done
    only=g2-g1
    ;;
esac

serve() {
    vsock-services > "$RESULTS/services.log" 2>&1 &
    services=$!
    eventually grep -q "services are up" "$RESULTS/services.log"
    tb signal "services-$NAME" up
}

test_against() {
    server=$1
    if [ -n "$only" ] && [ "$only" != "$NAME-$server" ]; then
        tb signal "tested-$NAME-$server"
        return
    fi
    tb wait "services-$server" 120 > /dev/null || { echo "no services in $server"; exit 1; }
    eval "cid=\$CID_$server"
    # Two clients at a time, unless the scenario's env asks for all at once (CROWDED=1).
    if [ -z "$CROWDED" ] && [ -n "$2" ]; then
        tb wait "$2" 600 > /dev/null || { echo "$2 did not come"; exit 1; }
    fi
    echo "== $NAME is the client of $server (CID $cid)"
    timeout -k 5 $((300 * SLOWNESS)) vsock-stream-test "$cid" --gtest_filter="-$except" || failed=1
    tb signal "tested-$NAME-$server"
}

# Services stay up until the last client is done.
everybody_done() {
    tb signal "done-$NAME" yes
    for domain in dom0 $GUESTS; do
        tb wait "done-$domain" 700 > /dev/null || { echo "$domain is not done"; exit 1; }
    done
    kill "$services"
    # Nothing of ours may be left in the module once all sockets are closed.
    eventually grep -qx 0 /sys/module/xen_vsock/refcnt
    refs=$(cat /sys/module/xen_vsock/refcnt)
    [ "$refs" = 0 ] || { echo "xen_vsock still has $refs references"; failed=1; }
    [ "$failed" = 0 ] || exit 1
}
