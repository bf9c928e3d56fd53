#!/bin/sh
# SPDX-License-Identifier: MIT
# Has not the module, and is destroyed.
. /eventually.sh
tb wait linked 200 > /dev/null || exit 1
rmmod xen_vsock || { echo "FAILED: the module stays"; exit 1; }
for module in xen-evtchn xen-gntdev xen-gntalloc; do
    modprobe $module || { echo "FAILED: no module $module"; exit 1; }
done
vchan-services "$DOMID_g1" "data/vsock/$DOMID_g1/1" &
while :; do
    vchan-services "$DOMID_g1" "data/vsock/$DOMID_g1/2"
done &
tb signal services-g2
tb wait lie 400 > /dev/null
plain-liar "$DOMID_g1" > liar.log &
liar=$!
eventually grep -q offers liar.log
tb signal lies
tb wait lie-no-more 400 > /dev/null
kill $liar
wait
