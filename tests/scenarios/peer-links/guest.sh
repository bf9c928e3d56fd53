#!/bin/sh
# SPDX-License-Identifier: MIT
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
case $NAME in
g1)
    vsock-services &
    tb signal services-up
    tb wait all-done 700 > /dev/null
    ;;
g2)
    tb wait services-up 60 > /dev/null
    tb wait linked 100 > /dev/null || fail "there is no link"
    eventually vsock-stream-test "$CID_g1" --gtest_filter='Stream.HalfClose*'
    vsock-stream-test "$CID_g1" --gtest_filter='Stream.*:Connect.Is*' || fail "the linked guest does not reach g1"
    tb signal reached
    ;;
g3)
    # The third: no connection, no reading, no writing, no making of links.
    tb wait services-up 60 > /dev/null
    for node in $(tb wait try-to-read 200); do
        for key in "" /state /ring-ref /event-channel /backend-id /frontend-id /peer-name; do
            xenstore-read "$node$key" && fail "a third guest can read $node$key"
            xenstore-write "$node$key" 1 && fail "a third guest can write $node$key"
        done
        xenstore-list "$node" && fail "a third guest can list $node"
        xenstore-rm "$node" && fail "a third guest can remove $node"
    done
    xvsock-peer add g1 g3 && fail "a guest can make a link"
    vsock-stream-test "$CID_g1" --gtest_filter='Stream.HalfClose*' && fail "a guest without a link is connected"
    tb signal third-guest-done
    ;;
esac
exit 0
