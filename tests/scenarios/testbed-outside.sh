#!/bin/sh
# SPDX-License-Identifier: MIT
# Somebody else's scenario: its own folder, guests, packages and files, and nothing of it in the repository.
testbed=$1 out=$2
shift 2
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
cat > "$dir/scenario.json" <<'JSON'
{ "guests": [ { "name": "alpha", "memory": 320, "vcpus": 2 } ], "packages": ["jq"], "timeout": 200 }
JSON
mkdir -p "$dir/files-guest/etc"
echo '{"answer": 42}' > "$dir/files-guest/etc/question.json"
cat > "$dir/alpha.sh" <<'SCRIPT'
#!/bin/sh
[ "$(grep -c ^processor /proc/cpuinfo)" = 2 ] || exit 1
jq .answer /etc/question.json > "$RESULTS/answer"
SCRIPT
printf '#!/bin/sh\nxvsock-peer list | grep -q "Connected.*alpha.*Connected"\n' > "$dir/dom0.sh"
chmod +x "$dir"/*.sh
"$testbed" scenario "$dir" --out "$out" "$@" || exit
[ "$(cat "$out/results/alpha/answer")" = 42 ] || { echo "FAILED: the result did not come back"; exit 1; }
