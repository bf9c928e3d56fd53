#!/bin/sh
# SPDX-License-Identifier: MIT
# The clients, and the servers of what the others connect to.
. /vchan.sh
failed=0
test_with() { # FILTER
    timeout -k 5 $((200 * SLOWNESS)) vchan-test --gtest_filter="$1" || failed=1
}
load_modules
tb wait counted 60 > /dev/null || exit 1
mv /dev/xen/gntalloc /dev/xen/hidden
test_with 'VchanError.NoDevicesAreExplained'
mv /dev/xen/hidden /dev/xen/gntalloc
for services in g2 g3 dom0; do
    tb wait "services-$services" 100 > /dev/null || { echo "FAILED: no services in $services"; exit 1; }
done
test_with '-VchanError.NoDevicesAreExplained:VchanEnd.ADestroyedDomainResetsWhatWaits'
[ "$(page-hello visit "$DOMID_g2")" = "hello world" ] || { echo "FAILED: the program of docs/asio.md"; failed=1; }
test_with 'VchanEnd.ADestroyedDomainResetsWhatWaits' # there is nothing in g3 after that
tb signal g1-done
exit $failed
