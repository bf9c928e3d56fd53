#!/bin/bash
# SPDX-License-Identifier: MIT
# Starts all streams of a round at once, and takes the time until the last one has ended, and what the processors did
# for it: the total, the total by the processors that it took, and dom0's share of these.
set -e
cd "$RESULTS"
xl info > xl-info
now() { cut -d' ' -f1 /proc/uptime; }
# Nanoseconds of processors that dom0 and all guests have used.
used() { bench-cpu-time | awk '$1 == 0 { dom0 = $2 } $1 ~ /^[1-9]/ { guests += $2 } END { print dom0, guests }'; }

for number in 1 3 5 7 9 11 13 15; do tb wait "up-g$number" 600 > /dev/null; done
separator='['
for pairs in $PAIRS; do
    for path in $PATHS; do
        megabytes=1024
        [ "$path" != netfront ] || megabytes=128
        begin=$(now) used_before=$(used)
        tb signal "go-$pairs-$path"
        for number in $(seq 2 2 $((2 * pairs))); do tb wait "done-$pairs-$path-g$number" 900 > /dev/null; done
        end=$(now) used_after=$(used)
        echo "$begin $end $used_before $used_after" | awk -v separator="$separator" -v path="$path" -v pairs="$pairs" \
            -v mode="$MODE" -v mib="$megabytes" '{
            form = "%s\n{\"path\": \"%s\", \"metric\": \"%s\", \"bytes\": %d, \"value\": %.6g, \"unit\": \"%s\", \"mode\": \"%s\"}"
            megabits = pairs * mib * 8 * 1.048576
            dom0 = ($5 - $3) / 1e9
            all = dom0 + ($6 - $4) / 1e9
            printf form, separator, path, "guests_bandwidth", 2 * pairs, megabits / ($2 - $1), "Mbit/s", mode
            printf form, ",", path, "guests_bandwidth_per_cpu", 2 * pairs, megabits / all, "Mbit/s", mode
            printf form, ",", path, "guests_dom0_share", 2 * pairs, 100 * dom0 / all, "%", mode
        }' | tee -a guests.json
        tb say "$((2 * pairs)) guests, $path: $(awk -v b="$begin" -v e="$end" 'BEGIN { print e - b }') s"
        separator=,
    done
done
echo ']' >> guests.json
