#!/bin/sh
# SPDX-License-Identifier: MIT
# The clients. What they reach at g1's name and address here, no network has.
. /proved.sh
over() { timeout $((100 * SLOWNESS)) xvsock run "$@"; }
address=198.18.$((CID_g1 / 256)).$((CID_g1 % 256))
tb wait servers-up 100 > /dev/null || { echo "FAILED: no servers"; exit 1; }

timeout $((300 * SLOWNESS)) xvsock run run-test || fail "run-test"

timeout 5 curl -s "http://$address:8080/small" && fail "$address is reached without xvsock run"
[ "$(over curl -sS "http://$address:8080/small")" = hello ] || fail "curl from nginx"
[ "$(over curl -sS http://g1:8080/small)" = hello ] || fail "curl from nginx by name"
[ "$(over curl -sS "http://[fd78:7673:6f63:6b00::$(printf %x "$CID_g1")]:8080/small")" = hello ] || fail "curl by IPv6"
[ "$(curl -sS "http://$IP_g1:8080/small")" = hello ] || fail "the same nginx by real TCP"
echo "nginx sees $(over curl -sS http://g1:8080/who), and over TCP $(curl -sS "http://$IP_g1:8080/who")"
sum=$(over curl -sS http://g1:8080/large | sha256sum | cut -d' ' -f1)
[ "$sum" = "$(over curl -sS http://g1:8080/large.sha256)" ] || fail "16 MiB from nginx have the sum $sum"
# All of nginx's workers, however it has come by its listeners.
all_answer() {
    for port in 8080 8082 8080 8082 8080 8082; do
        [ "$(over curl -sS "http://g1:$port/small")" = hello ] || fail "curl from port $port, $1"
        [ "$(curl -sS "http://$IP_g1:$port/small")" = hello ] || fail "the same by real TCP, $1"
    done
}
all_answer "at first"
tb signal reload-nginx
tb wait nginx-reloaded 100 > /dev/null || fail "nginx is not reloaded"
all_answer "reloaded"
tb signal upgrade-nginx
tb wait nginx-upgraded 100 > /dev/null || fail "nginx is not upgraded"
all_answer "upgraded"
proved "nginx-light curl" "xvsock run" "16 MiB by HTTP; by name, IPv4 and IPv6; real TCP beside it; reload and binary upgrade" "SHA-256"
sum=$(over curl -sS http://g1:8000/large | sha256sum | cut -d' ' -f1)
[ "$sum" = "$(over curl -sS http://g1:8000/large.sha256)" ] || fail "16 MiB from Python have the sum $sum"
proved "python3.11 curl" "xvsock run" "http.server: 16 MiB" "SHA-256"

cat > get.py <<'PY'
import hashlib, sys, urllib.request
print(hashlib.sha256(urllib.request.urlopen(sys.argv[1]).read()).hexdigest())
PY
[ "$(over python3 get.py http://g1:8080/large)" = "$sum" ] || fail "Python from nginx"
proved "python3.11 nginx-light" "xvsock run" "urllib: 16 MiB" "SHA-256"

over redis-benchmark -h g1 -n 1000 -c 20 -t set,get,lpush -q | tr '\r' '\n' | grep 'per second' || fail "redis-benchmark"
over redis-cli -h g1 set key "$(head -c 20000 /dev/zero | tr '\0' x)" || fail "redis-cli"
[ "$(over redis-cli -h g1 get key | wc -c)" = 20001 ] || fail "redis gives back something else"
proved "redis-server redis-tools" "xvsock run" "redis-benchmark: 20 clients, 3,000 requests; a value of 20,000 bytes" "its answers; its size"

over NPtcp -i -u 131072 -h g1 -o "$RESULTS/np.out" > "$RESULTS/nptcp.log" 2>&1 || fail "NPtcp: $?"
tail -3 "$RESULTS/nptcp.log"
grep -qi "fail" "$RESULTS/nptcp.log" && fail "NPtcp's integrity"
proved "netpipe-tcp" "xvsock run" "NetPIPE, messages up to 128 KiB" "integrity mode"
over iperf3 -c g1 -n 20M -J > "$RESULTS/iperf3.json" || fail "iperf3"
over iperf3 -c g1 -n 20M -R -P 3 -J > "$RESULTS/iperf3-reverse.json" || fail "iperf3 in reverse"
grep -m1 sum_received -A7 "$RESULTS/iperf3.json"
proved "iperf3" "xvsock run" "20 MB on one connection; 20 MB back on three" "its own account of bytes"

# Forwarders, for programs that nothing is loaded into.
xvsock forward tcp:127.0.0.1:9080 vsock:g1:8080 2> "$RESULTS/forward.log" &
xvsock forward tcp:127.0.0.1:9379 "vsock:$CID_g1:6379" 2>> "$RESULTS/forward.log" &
xvsock forward --max 1 tcp:127.0.0.1:9081 vsock:g1:8080 2>> "$RESULTS/forward.log" &
xvsock forward tcp:127.0.0.1:7100 vsock:g1:7100 2> /dev/null & # some tests end with a reset
xvsock forward tcp:127.0.0.1:9104 vsock:g1:7104 2> "$RESULTS/refused.log" &
xvsock forward --verbose unix:/run/web vsock:g1:8080 2> "$RESULTS/unix.log" &
forwarder=$!
sleep 2
[ "$(curl -sS http://127.0.0.1:9080/large | sha256sum | cut -d' ' -f1)" = "$sum" ] || fail "16 MiB through the forwarder"
[ "$(curl -sS --unix-socket /run/web http://web/large | sha256sum | cut -d' ' -f1)" = "$sum" ] || fail "16 MiB from a Unix socket"
for client in 1 2 3; do # one after the other
    curl -sS http://127.0.0.1:9081/large | sha256sum > sum-$client &
    clients="$clients $!"
done
wait $clients
[ "$(cat sum-1 sum-2 sum-3 | grep -c "$sum")" = 3 ] || fail "three clients of a forwarder with room for one"
proved "nginx-light curl" "xvsock forward" "16 MiB by HTTP, from TCP and from a Unix socket" "SHA-256"
timeout $((100 * SLOWNESS)) redis-benchmark -h 127.0.0.1 -p 9379 -n 1000 -c 50 -t set,get -q | tr '\r' '\n' | grep "per second" || fail "redis-benchmark through the forwarder"
proved "redis-server redis-tools" "xvsock forward" "redis-benchmark: 50 clients, 2,000 requests" "its answers"
IP_g1=127.0.0.1 timeout $((100 * SLOWNESS)) run-test --gtest_filter='*RunSocket.*Tcp' || fail "sockets through the forwarder"
curl -sS http://127.0.0.1:9104/ 2> /dev/null && fail "nobody answers"
grep "nobody listens on port 7104 of CID $CID_g1" "$RESULTS/refused.log" || fail "the reason is not said"
[ -s "$RESULTS/forward.log" ] && { cat "$RESULTS/forward.log"; fail "the forwarders complain"; }
kill $forwarder
wait $forwarder || fail "a forwarder ends with $?"
grep "16777[0-9]* back" "$RESULTS/unix.log" || fail "it does not say what it has carried"
[ -e /run/web ] && fail "the Unix socket is left"
xvsock forward tcp:127.0.0.1:1 vsock:nobody:1 2>&1 | grep "no peer is found" || fail "a name that nobody has"
tb signal clients-done
exit $failed
