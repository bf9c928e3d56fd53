#!/bin/sh
# SPDX-License-Identifier: MIT
# Does what dom0 says, one command after the other, and answers with the status and the output.
DOMID=$(xenstore-read domid) # the testbed knows that of the first start only
vsock-reach serve 7000 7001 7002 > "$RESULTS/serve.log" 2>&1 &
tb signal "up-$DOMID"
number=0
while command=$(tb wait "do-$DOMID-$number"); do
    echo "\$ $command"
    output=$(eval "$command" 2>&1)
    status=$?
    echo "$output"
    tb signal "did-$DOMID-$number" "$status $(echo "$output" | tail -c 1500)"
    number=$((number + 1))
done
