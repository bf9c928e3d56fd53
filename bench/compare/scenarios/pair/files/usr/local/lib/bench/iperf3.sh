# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# iperf3: a fixed amount, so that virtual time repeats itself.
amount=256M
[ "$DEPTH" = quick ] || amount=1G
for iperf_path in $PATHS; do
    iperf_serve() { over "$iperf_path" iperf3 -s -1 > "iperf3-$iperf_path.log" 2>&1; }
    iperf_measure() { over "$iperf_path" iperf3 -c "$(host_over "$iperf_path")" -n "$amount" -J > "iperf3.$iperf_path.json"; }
    together "iperf3-$iperf_path" iperf_serve iperf_measure
done
