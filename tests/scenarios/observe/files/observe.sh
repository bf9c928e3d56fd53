# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
fail() { echo "FAILED: $*"; exit 1; }

# What a client needs in its server's domain.
serve() {
    modprobe vsock_diag || fail "no vsock_diag"
    mount -t debugfs none /sys/kernel/debug || fail "no debugfs"
    vsock-services > "$RESULTS/services.log" 2>&1 &
    vsock-observe-test --serve > "$RESULTS/serve.log" 2>&1 &
    until grep -q "services are up" "$RESULTS/services.log"; do
        sleep 0.1
    done
    tb signal "$NAME-serves"
}

# observe SERVER [OPTION...]
observe() {
    echo "== $NAME is the client of $1"
    timeout -k 5 $((150 * SLOWNESS)) vsock-observe-test "$@" || failed=1
}
