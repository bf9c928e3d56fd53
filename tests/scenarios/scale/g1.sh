#!/bin/sh
# SPDX-License-Identifier: MIT
vsock-services &
services=$!
tb signal services-up
tb wait done 700 > /dev/null
kill $services
wait
tb wait compared 60 > /dev/null
[ "$(cat /sys/module/xen_vsock/refcnt)" = 0 ] || { echo "FAILED: references are left"; exit 1; }
rmmod xen_vsock
