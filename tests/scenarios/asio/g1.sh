#!/bin/sh
# SPDX-License-Identifier: MIT
. /examples.sh
failed=0
ulimit -n 4096
test_with() { # SANITIZER FILTER
    timeout -k 5 $((200 * SLOWNESS)) "vsock-asio-test-$1" "$CID_g2" g2 --gtest_filter="$2" || failed=1
}
sum=$(tb wait services 100) || { echo "no services in g2"; exit 1; }

test_with address '-WithoutModule.*'
test_with thread 'AsioToken.*:AsioCancel.*'
for example in echo files https chat errors page; do
    echo "== example: $example"
    (cd "$(mktemp -d)" && "try_$example") || { echo "FAILED: $example"; failed=1; }
done

# Unloading goes as soon as the last connection is gone.
unloaded() { rmmod xen_vsock 2> /dev/null; }
eventually unloaded || { echo "FAILED: the module cannot be unloaded"; failed=1; }
test_with address 'WithoutModule.*'
tb signal g1-done
exit $failed
