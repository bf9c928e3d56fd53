# SPDX-License-Identifier: MIT
# What the scripts of this scenario have in common.
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# Runs a command until it succeeds, for at most 20 s, or longer under a slower kernel.
eventually() {
    for try in $(seq $((100 * SLOWNESS))); do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.2
    done
    return 1
}

# Holds a connection until it ends: hold CID PORT FILE, which then tells how it has ended.
hold() {
    rm -f "$3"
    socat -d "VSOCK-CONNECT:$1:$2" "SYSTEM:echo held >> $3; cat" 2>> "$3"
    echo ended >> "$3"
}

# What the module has counted of a peer: counter CID KEY
counter() { xvsock stat --json | jq ".peers[] | select(.cid == $1).$2"; }
