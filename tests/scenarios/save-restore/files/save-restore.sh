# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }

serve() {
    vsock-services > "$RESULTS/services.log" 2>&1 &
    eventually grep -q "services are up" "$RESULTS/services.log" || fail "no services"
    tb signal "services-$NAME"
}

works_with() { vsock-stream-test "$1" --gtest_filter='Stream.HalfClose*'; }

# hold NAME CID: connections that are open, and then end with ECONNRESET.
hold() {
    vsock-load "$2" until-end 2 > "$RESULTS/$1" 2>&1 &
    load=$!
    eventually grep -q running "$RESULTS/$1" || { cat "$RESULTS/$1"; fail "$1: no connection"; }
    tb signal "$1"
    wait $load || { cat "$RESULTS/$1"; fail "$1 did not end as it should"; }
    tb signal "$1-ended"
}
