#!/bin/sh
# SPDX-License-Identifier: MIT
. /observe.sh
modprobe vsockmon && modprobe vsock_diag || fail "no vsockmon, or no vsock_diag"
for server in g1 dom0; do
    tb wait $server-serves 60 > /dev/null || fail "$server does not serve"
done
observe g1 --gtest_filter='-Unloaded.*'
observe dom0 --gtest_filter='Counters.*:Unloaded.*'
tb signal g2-done
[ -z "$failed" ]
