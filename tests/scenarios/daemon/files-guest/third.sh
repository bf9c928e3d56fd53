#!/bin/sh
# SPDX-License-Identifier: MIT
# A domain without links tries to read, write, remove and open others' nodes, and to make a link of its own.
status=0
refused() {
    "$@" > /dev/null 2>&1 || return
    echo "FAILED: could $*"
    status=1
}
tries=0
for half in $(tb wait others-halves); do
    refused xenstore-ls "$half"
    refused xenstore-list "${half%/*}"
    refused xenstore-rm "$half"
    refused xenstore-write "$half/new" 1
    refused xenstore-chmod "$half" "b$(xenstore-read domid)"
    for key in "" /state /ring-ref /peer-cid /accept; do
        refused xenstore-read "$half$key"
        refused xenstore-write "$half$key" 1
    done
    tries=$((tries + 15))
done
own=$(xenstore-read domid)
refused xenstore-write "/local/domain/0/backend/vsock/$own/0/state" 1
refused xenstore-write device/vsock/0/state 1
refused xenstore-write backend/vsock/0/0/state 1
refused xenstore-write name g1
refused xenstore-write vm /vm/00000000-0000-4000-8000-000000000001
echo "$tries attempts at others' halves"
exit $status
