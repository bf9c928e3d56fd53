# SPDX-License-Identifier: MIT
# What the scripts of this scenario have in common.
. /eventually.sh
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# Holds a connection until it ends: hold CID PORT FILE, which then tells how it has ended.
hold() {
    rm -f "$3"
    socat -d "VSOCK-CONNECT:$1:$2" "SYSTEM:echo held >> $3; cat" 2>> "$3"
    echo ended >> "$3"
}

# One more connection fails because of a limit; without one it would stay: no_room CID
no_room() { timeout 2 socat -d -u "VSOCK-CONNECT:$1:7000" - 2>&1 < /dev/null | grep "No buffer space"; }

# What the module has counted of a peer: counter CID KEY
counter() { xvsock stat --json | jq ".peers[] | select(.cid == $1).$2"; }
