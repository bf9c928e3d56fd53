#!/bin/bash
# SPDX-License-Identifier: MIT
# guard.sh BIN OUT [OPTIONS]: measures a few points in virtual time, and fails when a ratio to netfront has become worse
# than guard.txt says it was, by more than what two runs differ. OPTIONS are for xvsock-bench.
set -u
bin=$1 out=$2
shift 2
ratios=$(dirname "$0")/guard.txt

"$bin/xvsock-bench" --mode virtual --parts points,points-argo --again --out "$out" "$@" || exit
status=0
for path in vchan argo; do
    if ! grep -Eq "\"path\": ?\"$path\"" "$out/results.json"; then
        echo "guard: $path was not measured: $(grep -m1 "is left out" "$out/report.md")"
        [ "$path" = argo ] || status=1
        continue
    fi
    # 5 %: two runs differ by 2 % at most, and a loss of 10 % is not to pass.
    mapfile -t checks < <(awk -v path="$path" '$1 == path {
        printf "--check=%s@%s%s%.4g\n", $2, $3, $2 ~ /bandwidth/ ? ">=" : "<=", $2 ~ /bandwidth/ ? $4 / 1.05 : $4 * 1.05
    }' "$ratios")
    "$bin/xvsock" report --baseline netfront --subject "$path" "${checks[@]}" "$out/results.json" || status=1
done
exit $status
