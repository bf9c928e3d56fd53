#!/bin/sh
# SPDX-License-Identifier: MIT
# Does to xenstore what a guest can.
own=$(xenstore-read domid)
halves=$(for peer in $(xenstore-list device/vsock); do echo "device/vsock/$peer"; done
    for peer in $(xenstore-list backend/vsock); do echo "backend/vsock/$peer/$own"; done)

flip() { # the half's state, as fast as it goes
    while :; do
        xenstore-write "$1/state" 1 "$1/state" 6 "$1/state" 3 "$1/state" 5 "$1/state" 4 "$1/state" 2 "$1/state" rubbish
    done
}
for half in $halves; do
    for key in ring-ref event-channel version max-version data-path online state; do
        xenstore-write "$half/$key" "-1 rubbish"
    done
    xenstore-write "$half/more" "$(head -c 1000 /dev/zero | tr '\0' x)" "$half/more/and/more" 1
    flip "$half" &
done

# As much as the quota allows, in what it owns; and again when something has become free.
while :; do
    for number in $(seq 0 20 2000); do
        pairs=
        for one in $(seq "$number" $((number + 19))); do
            pairs="$pairs data/rubbish$one $one"
        done
        xenstore-write $pairs || break
    done
    for half in $halves; do
        xenstore-write "$half/more$number" rubbish
        number=$((number + 1))
    done
    sleep 1
done
