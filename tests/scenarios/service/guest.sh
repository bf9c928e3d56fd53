#!/bin/sh
# SPDX-License-Identifier: MIT
# Does what dom0 says, one command after the other, and answers with the status and the output.
vsock-reach serve 7000 7001 > "$RESULTS/serve.log" 2>&1 &
number=0
while command=$(tb wait "$NAME-do-$number"); do
    echo "\$ $command"
    (eval "$command") > /output 2>&1 < /dev/null # a file, which programs in the background may keep open
    status=$?
    cat /output
    tb signal "$NAME-did-$number" "$status $(tail -c 1500 /output)"
    number=$((number + 1))
done
