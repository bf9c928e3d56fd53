#!/bin/sh
# SPDX-License-Identifier: MIT
failed=0
test_with() { # SANITIZER FILTER
    timeout -k 5 $((200 * SLOWNESS)) "vsock-asio-test-$1" "$CID_g2" g2 --gtest_filter="$2" || failed=1
}
tb wait services 60 > /dev/null || { echo "no services in g2"; exit 1; }
test_with address '-WithoutModule.*'
test_with thread 'AsioToken.*:AsioCancel.*'

# Unloading goes as soon as the last connection is gone.
for try in $(seq $((10 * SLOWNESS))); do
    rmmod xen_vsock && break
    sleep 0.5
done
test_with address 'WithoutModule.*'
tb signal g1-done
exit $failed
