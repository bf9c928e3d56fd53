#!/bin/sh
# SPDX-License-Identifier: MIT
# Does what dom0 says, one command after the other, and answers with the status and the output.
mount -t debugfs none /sys/kernel/debug 2> /dev/null
vsock-services > "$RESULTS/services.log" 2>&1 &
number=0
while command=$(tb wait "$NAME-do-$number" 600); do
    echo "\$ $command"
    # Into a file, whose end nobody waits for: what goes on in the background may keep it open.
    (eval "$command") > /output 2>&1 < /dev/null
    status=$?
    cat /output
    tb signal "$NAME-did-$number" "$status $(tail -c 1500 /output)"
    number=$((number + 1))
done
