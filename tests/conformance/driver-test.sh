#!/bin/bash
# SPDX-License-Identifier: MIT
# driver-test.sh BIN: conformance-run and conformance-peer with a suite that fails, hangs and surprises, over
# loopback; each test must come out as what it is, and what hangs must be stopped.
bin=$1
work=$(mktemp -d)
peer=
trap 'kill "$peer" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$bin/conformance-stand-in" vsock_test-1.0
PATH=$work:$PATH

cat > expected.json <<'END'
{"exceptions": [
  {"tests": ["listed, fails", "listed, passes"], "result": "fail", "says": "as listed", "reason": "known"},
  {"tests": ["skips itself"], "result": "skip", "says": "it says", "reason": "known"}
]}
END
cat > wanted <<'END'
passes: pass
client fails: fail
server fails: fail
server fails late: fail
client hangs: fail
server hangs: fail
skips itself: skip
passes after them: pass
listed, fails: fail
listed, passes: pass
END

# Some port that is free.
for port in $(seq 21000 7 21700); do
    "$bin/conformance-peer" "$port" > peer.log 2>&1 &
    peer=$!
    for try in 1 2 3 4 5 6 7 8 9 10; do
        grep -q "is up" peer.log && break 2
        kill -0 "$peer" 2> /dev/null || break
        sleep 0.2
    done
done
timeout 60 "$bin/conformance-run" --client a --server b --address 127.0.0.1 --peer-port "$port" \
    --control-port $((port + 1)) --client-cid 3 --server-cid 4 --suites 1.0 --programs vsock_test \
    --expected expected.json --out out.json --limit 1 > log 2>&1
status=$?
cat log
failed=0
complain() { echo "WRONG: $1"; failed=1; }

[ "$status" = 1 ] || complain "the exit status is $status"
grep -o '"test":"[^"]*"[^}]*"result":"[a-z]*"' out.json | sed 's/"test":"\([^"]*\)".*"result":"\([a-z]*\)"/\1: \2/' |
    sort > found
sort wanted | diff - found || complain "the results are others"
[ "$(grep -c '^FAILED: .*is not listed' log)" = 5 ] || complain "not five tests are told to have failed"
grep -q 'FAILED: .*"listed, passes".*unexpected pass' log || complain "nothing is said of the unexpected pass"
grep -q 'client fails".*the client says why' log || complain "the client's message is missing"
grep -q 'server fails".*the server says why' log || complain "the server's message is missing"
grep -q 'server fails late".*the server noticed late' log || complain "the late message is missing"
[ "$(grep -c 'no progress for 1 s' log)" = 2 ] || complain "not two tests are told to have hung"
left=$(pgrep -f "$work/vsock_test-1.0|^vsock_test-1.0 --control-port=$((port + 1)) ")
[ -z "$left" ] || complain "processes are left: $left"
exit $failed
