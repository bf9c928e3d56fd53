# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What a path costs: counters of both guests and of dom0, before and after each of a list of tests that nobody
# else disturbs. The test "nothing" shows what reading the counters costs itself.
cost_tests() { # PATH: lines of NAME OPTIONS..., NAME is KIND-BYTES-MESSAGES
    echo "nothing-0-1"
    echo "pingpong-1-4000 --latency 1 --count 1000" # two passes, there and back
    echo "pingpong-65536-800 --latency 64K --count 200"
    echo "stream-64-65536 --bandwidth 64 --count 65536"
    echo "stream-4096-32768 --bandwidth 4K --count 32768"
    if [ "$1" = netfront ]; then
        echo "stream-65536-8192 --bandwidth 64K --count 8192"
        echo "stream-1048576-512 --bandwidth 1M --count 512"
    else
        echo "stream-65536-32768 --bandwidth 64K --count 32768"
        echo "stream-1048576-2048 --bandwidth 1M --count 2048"
    fi
}

# Everybody's counters, at a moment when nothing else runs. Signals have short names: all of them together must fit into
# one node of xenstore, which holds 2 KiB.
counted=0
count_all() { # NAME
    local name=$1 signal=count-$((++counted)) domain
    if [ "$NAME" = g2 ]; then
        tb signal "$signal"
    else
        tb wait "$signal" 900 > /dev/null
    fi
    cp /proc/interrupts "cost.$name.interrupts"
    if [ "$NAME" = dom0 ]; then
        bench-cpu-time > "cost.$name.cpu"
        echo "$DOMID_g1 $DOMID_g2" > "cost.$name.domids"
    else
        xvsock stat --json="cost.$name.stat" > /dev/null
        cp /proc/uptime "cost.$name.uptime"
    fi
    if [ "$NAME" = g2 ]; then
        for domain in g1 dom0; do tb wait "$signal-$domain" 60 > /dev/null; done
    else
        tb signal "$signal-$NAME"
    fi
}

grep -q " /sys/kernel/debug " /proc/mounts || mount -t debugfs none /sys/kernel/debug
for cost_path in $PATHS; do
    cost_tests "$cost_path" > cost.tests
    while read -r cost_name cost_options; do
        count_all "$cost_path.$cost_name.before" < /dev/null
        if [ "$NAME" = g2 ]; then
            tb say "cost $cost_path $cost_name begins"
            # shellcheck disable=SC2086 # words
            [ -z "$cost_options" ] || xvsock perf --connect "$(perf_address "$cost_path")" --path "$cost_path" --mode "$MODE" \
                --verify=0 --warmup 0 $cost_options --json cost.json --append < /dev/null
            tb say "cost $cost_path $cost_name ends"
        fi
        count_all "$cost_path.$cost_name.after" < /dev/null
    done < cost.tests
done
