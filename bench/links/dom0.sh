#!/bin/bash
# SPDX-License-Identifier: MIT
# Lets ever more guests talk to each other and to dom0, all pairs, and takes the time from the policy's reload until all
# links are up; then starts one guest anew. Writes links.json, a list with one record for each.
set -e
cd "$RESULTS"
now() { cut -d' ' -f1 /proc/uptime; }
nodes() { xenstore-ls /local/domain | wc -l; }
connected() { xenstore-ls -f /local/domain | grep -c '/vsock/.*/state = "4"' || true; }
allow() { # COUNT: the first so many guests, and dom0
    {
        echo "group all = dom0 $(seq -f 'g%g' -s' ' "$1")"
        echo "allow group:all <-> group:all"
    } > policy.new
    mv policy.new /etc/xvsock/policy
}
wait_for() { # HALVES
    until [ "$(connected)" = "$1" ]; do sleep 0.1; done
}
separator='['
for guest in $GUESTS; do tb wait "up-$guest" 600 > /dev/null; done
mkdir -p /etc/xvsock
echo > /etc/xvsock/policy
xvsockd > xvsockd.log 2>&1 &
daemon=$!
until grep -q event=ready xvsockd.log; do sleep 0.1; done

links=0
for count in $COUNTS; do
    nodes_before=$(nodes) links_before=$links
    links=$(((count + 1) * count / 2))
    allow "$count"
    begin=$(now)
    kill -HUP "$daemon"
    wait_for $((2 * links))
    seconds=$(awk -v b="$begin" -v e="$(now)" 'BEGIN { print e - b }')
    more=$((links - links_before))
    {
        printf '%s\n{"mode": "%s", "guests": %d, "links": %d, "new_links": %d, "seconds": %s, "ms_per_new_link": %s, "nodes_per_link": %s}' \
            "$separator" "$MODE" "$count" "$links" "$more" "$seconds" \
            "$(awk -v s="$seconds" -v n="$more" 'BEGIN { printf "%.1f", 1000 * s / n }')" \
            "$(awk -v n="$(($(nodes) - nodes_before))" -v l="$more" 'BEGIN { printf "%.1f", n / l }')"
    } >> links.json
    separator=,
    tb say "$count guests and dom0: $more more links are up after $seconds s"
done

# One of many starts anew.
last=${GUESTS##* }
xl destroy "$last"
wait_for $((2 * (links - count)))
begin=$(now)
xl create -q "/testbed/$last.cfg" > /dev/null
created=$(now)
wait_for $((2 * links))
connected=$(now)
awk -v m="$MODE" -v n="$count" -v b="$begin" -v c="$created" -v e="$connected" 'BEGIN {
    printf ",\n{\"mode\": \"%s\", \"guests\": %d, \"restarted\": 1, \"created_seconds\": %s, \"connected_seconds\": %s}\n]\n", m, n, c - b, e - b }' >> links.json
tb say "$last, one of $count guests: created after $(awk -v b="$begin" -v c="$created" 'BEGIN { print c - b }') s, all its links up after $(awk -v b="$begin" -v c="$connected" 'BEGIN { print c - b }') s"
cat links.json
kill "$daemon"
