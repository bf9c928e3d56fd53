#!/bin/sh
# SPDX-License-Identifier: MIT
# FUZZER SEEDS: lets the fuzzer run for XVSOCK_FUZZ_SECONDS, 30 without it. What it finds worth keeping stays in
# FUZZER.corpus, beside it, and the next run begins with that too. An input that breaks something is written to
# FUZZER.found-*; running the fuzzer with it as its argument shows it again.
fuzzer=$1
seeds=$2
seconds=${XVSOCK_FUZZ_SECONDS:-30}
case $seconds in
    '' | *[!0-9]* | 0*) echo "XVSOCK_FUZZ_SECONDS is '$seconds', it must be a number of seconds from 1"; exit 2 ;;
esac
[ -n "$(ls "$seeds")" ] || { echo "no seeds in $seeds"; exit 1; }
mkdir -p "$fuzzer.corpus" || exit 1
exec "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$fuzzer.found-" "$fuzzer.corpus" "$seeds"
