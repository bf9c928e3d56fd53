#!/bin/bash
# SPDX-License-Identifier: MIT
# Each line of echo.json compares the two; a ratio above MOST, or MOST_EVENTS, fails.
ulimit -n 4096
failed=0
compare() { # CALLS THREADS PORTS CONNECTIONS ROUNDS REPEATS MOST
    calls=$1 most=$7
    shift
    line=$(vsock-echo-loop "$calls" "$CID_g1" $2 "$3" "$4" "$5") || { echo "no result"; failed=1; return; }
    line="{\"server_threads\":$1,\"mode\":\"$MODE\",${line#\{}"
    echo "$line" >> "$RESULTS/echo.json"
    tb say "echo: $line"
    ratio=$(echo "$line" | grep -o '"ratio":[0-9.E+-]*' | cut -d: -f2)
    awk -v ratio="$ratio" -v most="$most" 'BEGIN { exit !(ratio > 0 && ratio <= most) }' ||
        { echo "a round trip over the layer costs $ratio times one by system calls, more than $most"; failed=1; }
}
tb wait servers-up 60 > /dev/null || { echo "no servers"; exit 1; }
# An event loop of Asio's takes what comes at an edge, so it calls recv() once more than the plain loop does, and it
# has handlers to keep in order.
compare blocking 1 "7301 7301" 1 500 5 "$MOST"
compare events 1 "7301 7302" 1 500 5 "$MOST_EVENTS"
compare events 1 "7301 7302" 1000 10 3 "$MOST_EVENTS"
compare events 4 "7303 7304" 1000 10 3 "$MOST_EVENTS"
exit $failed
