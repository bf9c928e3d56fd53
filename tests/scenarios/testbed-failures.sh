#!/bin/sh
# SPDX-License-Identifier: MIT
# A script that fails, a guest whose kernel panics, a kernel warning: each is seen, and the reason is printed.
testbed=$1 out=$2
shift 2
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
cat > "$dir/scenario.json" <<'JSON'
{ "guests": [ { "name": "fails", "memory": 256 }, { "name": "panics", "memory": 256 }, { "name": "fine", "memory": 256 } ],
  "module": false, "links": "none", "timeout": 200 }
JSON
printf '#!/bin/sh\necho "FAIL early"\necho "x.cpp:7: Failure"\necho "  is 5"\nseq 100\necho "this is why"\nexit 3\n' > "$dir/fails.sh"
printf '#!/bin/sh\ntb wait others-are-done 100\necho c > /proc/sysrq-trigger\nsleep 60\n' > "$dir/panics.sh"
printf '#!/bin/sh\ntb signal others-are-done\n' > "$dir/fine.sh"
chmod +x "$dir"/*.sh
output=$("$testbed" scenario "$dir" --out "$out" "$@" 2>&1)
status=$?
echo "$output"
[ $status -eq 1 ] || { echo "FAILED: exit status $status, not 1"; exit 1; }
for reason in "fails.*exit status 3" "this is why" "1: FAIL early" "2: x.cpp:7: Failure" "3:   is 5" "sysrq"; do
    echo "$output" | grep -q "$reason" || { echo "FAILED: nothing says \"$reason\""; exit 1; }
done
if echo "$output" | grep "^FAILED.*fine"; then
    echo "FAILED: the guest without fault is blamed"
    exit 1
fi
