#!/bin/sh
# SPDX-License-Identifier: MIT
. /lifecycle.sh

# Unloading is refused while a socket is open, and clean when none is.
vsock-services > "$RESULTS/services.log" 2>&1 &
services=$!
eventually grep -q "services are up" "$RESULTS/services.log" || fail "no services"
tb signal services-up
tb wait first-connection 60 > /dev/null
rmmod xen_vsock 2> /dev/null && fail "the module was unloaded under an open connection"
tb signal refused
tb wait first-closed 60 > /dev/null
kill "$services"
eventually rmmod xen_vsock || fail "the module cannot be unloaded"
for cycle in $(seq "$CYCLES"); do
    insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "loading in cycle $cycle"
    eventually rmmod xen_vsock || fail "unloading in cycle $cycle"
done
tb say "lifecycle: the module was loaded and unloaded $CYCLES times"

# The backend comes and goes while the frontend's domain has no module, and waits for it. (A frontend would keep insmod for
# 30 s, for so long xenbus waits for a device's backend.)
tb signal unloaded-server
tb wait unloaded-client 100 > /dev/null || fail "g2 does not unload its module"
for cycle in 1 2; do
    insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "loading alone, in cycle $cycle"
    rmmod xen_vsock || fail "unloading alone, in cycle $cycle"
done
insmod /testbed/xen_vsock.ko $MODULE_OPTIONS || fail "loading again"
vsock-services > "$RESULTS/services.log" 2>&1 &
tb signal reloaded-server
sleep 600 # until destroyed
