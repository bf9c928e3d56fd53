#!/bin/sh
# SPDX-License-Identifier: MIT
# The links give every pair a frontend and a backend; both guests test, so each side is each.
. /stream-test.sh
serve
case $NAME in
g1)
    test_against g2 tested-dom0-g1
    tb wait tested-g2-g1 600 > /dev/null
    CUT_LINK="tb signal cut-link; tb wait link-cut 60" JOIN_LINK="tb signal join-link; tb wait link-joined 60" \
        timeout -k 5 $((120 * SLOWNESS)) vsock-stream-test "$CID_g2" --gtest_filter='LinkLoss.*' || failed=1
    tb signal cut-link # also when the test has not come so far
    tb signal join-link
    ;;
g2) test_against g1; test_against dom0 ;;
esac
everybody_done
