# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario: first both guests test each other, then a guest and dom0 do, each side
# being the client of one direction and the server of the other; the tests of vsock_diag, which want to be alone
# with their sockets, come one direction at a time.
failed=0
data_path=$(cat /sys/module/xen_vsock/parameters/data_path)

modprobe vsock_diag || { echo "FAILED: no vsock_diag"; failed=1; }
conformance-peer 5000 > "$RESULTS/peer.log" 2>&1 &
peer=$!
for try in 1 2 3 4 5 6 7 8 9 10; do
    grep -q "is up" "$RESULTS/peer.log" && break
    sleep 0.5
done

# All domains are done with the step before.
all_ready() { # STEP
    tb signal "$1-$NAME" ready
    for domain in dom0 $GUESTS; do
        tb wait "$1-$domain" 600 > /dev/null || { echo "$domain did not come to $1"; exit 1; }
    done
}

# In which this domain may be a client.
direction() { # CLIENT SERVER PROGRAM...
    [ "$NAME" = "$1" ] || return
    server=$2
    shift 2
    eval "address=\$IP_$server; cid=\$CID_$server"
    echo "== $NAME is the client of $server: $*"
    conformance-run --client "$NAME" --server "$server" --address "$address" --client-cid "$CID" \
        --server-cid "$cid" --suites $SUITES --programs "$@" --expected /conformance.json \
        --data-path "$data_path" \
        --out "$RESULTS/conformance-$NAME-$server-$1.json" || failed=1
}

# Two directions at once also try what connections of the one have to do with those of the other. On Argo they would need
# more rings than a domain has.
directions_at_once() {
    all_ready guests
    direction g1 g2 vsock_test vsock_perf
    direction g2 g1 vsock_test vsock_perf
    all_ready dom0
    direction g1 dom0 vsock_test vsock_perf
    direction dom0 g1 vsock_test vsock_perf
}

directions_in_turn() { # PROGRAM...
    for pair in "g1 g2" "g2 g1" "g1 dom0" "dom0 g1"; do
        all_ready "$1-${pair% *}-${pair#* }"
        direction $pair "$@"
    done
}

run_tests() {
    if [ "$data_path" = argo ]; then directions_in_turn vsock_test vsock_perf; else directions_at_once; fi
    directions_in_turn vsock_diag_test
    all_ready end
    kill "$peer"
    # Nothing may be left in the module once all sockets are closed.
    for try in 1 2 3 4 5 6 7 8 9 10; do
        refs=$(cat /sys/module/xen_vsock/refcnt)
        [ "$refs" = 0 ] && break
        sleep 0.5
    done
    [ "$refs" = 0 ] || { echo "FAILED: xen_vsock still has $refs references"; failed=1; }
    exit $failed
}
