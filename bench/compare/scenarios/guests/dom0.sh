#!/bin/bash
# SPDX-License-Identifier: MIT
# Starts all streams of a round at once, and takes the time until the last one has ended: with it the total, and how
# much of the time dom0's processor was busy.
set -e
cd "$RESULTS"
xl info > xl-info
now() { cut -d' ' -f1 /proc/uptime; }
busy() { bench-cpu-time | awk '$1 == 0 { print $2 }'; }

for number in 1 3 5 7 9 11 13 15; do tb wait "up-g$number" 300 > /dev/null; done
separator='['
for pairs in $PAIRS; do
    for path in $PATHS; do
        megabytes=1024
        [ "$path" != netfront ] || megabytes=128
        begin=$(now) busy_before=$(busy)
        tb signal "go-$pairs-$path"
        for number in $(seq 2 2 $((2 * pairs))); do tb wait "done-$pairs-$path-g$number" 900 > /dev/null; done
        end=$(now) busy_after=$(busy)
        awk -v separator="$separator" -v path="$path" -v pairs="$pairs" -v mode="$MODE" -v mib="$megabytes" \
            -v begin="$begin" -v end="$end" -v before="$busy_before" -v after="$busy_after" 'BEGIN {
            form = "%s\n{\"path\": \"%s\", \"metric\": \"%s\", \"bytes\": %d, \"value\": %.6g, \"unit\": \"%s\", \"mode\": \"%s\"}"
            printf form, separator, path, "guests_bandwidth", 2 * pairs, pairs * mib * 8 * 1.048576 / (end - begin), "Mbit/s", mode
            printf form, ",", path, "guests_dom0_busy", 2 * pairs, (after - before) / 1e7 / (end - begin), "%", mode
        }' | tee -a guests.json
        tb say "$((2 * pairs)) guests, $path: $(awk -v b="$begin" -v e="$end" 'BEGIN { print e - b }') s"
        separator=,
    done
done
echo ']' >> guests.json
