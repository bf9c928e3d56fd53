# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh

referee() {
    hostile-referee "$@" &
    referee=$!
    tb signal "referee-$NAME"
}

# The hostile guests are done.
judged() {
    tb wait judged-older 800 > /dev/null || { echo "older did not end its attacks"; exit 1; }
    tb wait judged-younger 800 > /dev/null || { echo "younger did not end its attacks"; exit 1; }
    kill -0 "$referee" || { echo "the referee has ended"; exit 1; }
    # All pages that were given to the hostile guests have come back.
    mount -t debugfs none /sys/kernel/debug 2> /dev/null
    eventually grep -qx 0 /sys/kernel/debug/xvsock/waiting_pages && return
    echo "$(cat /sys/kernel/debug/xvsock/waiting_pages) pages still wait for the hostile guests to let go"
    exit 1
}

# Everything that the module does, a program does here.
attack() {
    rmmod xen_vsock || { echo "the module cannot be unloaded"; exit 1; }
    for domain in dom0 victim witness; do
        tb wait "referee-$domain" 60 > /dev/null || { echo "no referee in $domain"; exit 1; }
    done
    xvsock-hostile ${ATTACKS:+--filter "$ATTACKS"} ${EXCEPT:+--skip "$EXCEPT"}
    status=$?
    tb signal "judged-$NAME"
    exit $status
}
