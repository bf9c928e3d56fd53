#!/bin/bash
# SPDX-License-Identifier: MIT
# The clients. g1's name stands for an address that no network has.
. /proved.sh
. /sshd.sh
java=/usr/lib/jvm/java-17-openjdk-amd64/bin/java
over() { timeout $((1500 * SLOWNESS)) xvsock run "$@"; }
ssh-keygen -q -t ed25519 -N '' -f /root/key
tb signal key "$(cat /root/key.pub)"
sum=$(tb wait servers-up 600) || { echo "FAILED: no servers"; exit 1; }

# PostgreSQL: the totals of pgbench's tables agree if no transaction was torn, and as many were counted as it did.
pg="-h g1 -U postgres"
over /usr/lib/postgresql/15/bin/pgbench $pg -i -q -s 2 postgres > pgbench.log 2>&1 || fail "pgbench -i: $(tail -1 pgbench.log)"
over /usr/lib/postgresql/15/bin/pgbench $pg -n -c 8 -j 2 -T 30 postgres > pgbench.log 2>&1 || fail "pgbench"
cat pgbench.log
query() { over /usr/lib/postgresql/15/bin/psql $pg -At -c "$1" postgres; }
done_=$(sed -n 's/^number of transactions actually processed: //p' pgbench.log)
[ -n "$done_" ] && [ "$(query 'select count(*) from pgbench_history')" = "$done_" ] || fail "pgbench has done $done_ transactions"
[ "$(query 'select count(distinct s) from (select sum(abalance) s from pgbench_accounts union all
    select sum(bbalance) from pgbench_branches union all select sum(tbalance) from pgbench_tellers union all
    select sum(delta) from pgbench_history) t')" = 1 ] || fail "the totals of pgbench differ"
proved "postgresql-15" "xvsock run" "pgbench: 8 clients, $done_ transactions in 30 s" "the four tables have the same total, the history has $done_ rows"
query "copy (select i, md5(i::text) from generate_series(1, 200000) i) to stdout" > generated
[ "$(wc -l < generated)" = 200000 ] || fail "$(wc -l < generated) rows were generated"
seq 200000 | over /usr/lib/postgresql/15/bin/psql $pg -qAt -c 'create table numbers (i int)' -c '\copy numbers from stdin' \
    -c 'copy (select i, md5(i::text) from numbers order by i) to stdout' postgres > stored || fail "psql"
cmp generated stored || fail "200,000 rows differ"
proved "postgresql-15 postgresql-client-15" "xvsock run" "psql: 200,000 rows there and back by COPY" "counted, and compared with rows that the server has made"

# ssh, and scp of a GiB.
configure_ssh /root/key
[ "$(over ssh g1 'uname -n; exit 7')" = g1 ] || fail "ssh"
over ssh g1 'exit 7'
[ $? = 7 ] || fail "the exit status of a command"
[ "$(head -c 3000000 /usr/bin/ssh | over ssh g1 sha256sum | cut -d' ' -f1)" = "$(head -c 3000000 /usr/bin/ssh | sum_of)" ] ||
    fail "input of a command"
proved "openssh-client openssh-server" "xvsock run" "ssh: commands, their input, output and status" "compared"
begun=$(date +%s)
over scp -q g1:/root/gigabyte . || fail "scp: $?"
seconds=$(($(date +%s) - begun))
[ "$(sum_of < gigabyte)" = "$sum" ] || fail "scp has brought something else"
proved "openssh-client openssh-server" "xvsock run" "scp: $(stat -c %s gigabyte) bytes in $seconds s" "SHA-256"
rm -f gigabyte

# wrk looks at each body.
cat > check.lua <<'LUA'
bad = 0 -- of a thread, where done() finds it
local threads = {}
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
    if status ~= 200 or body ~= "hello\n" then bad = bad + 1 end
end
function done(summary, latency, requests)
    local wrong = 0
    for _, thread in ipairs(threads) do wrong = wrong + thread:get("bad") end
    local errors = summary.errors
    print("requests " .. summary.requests .. " wrong " .. wrong .. " errors " ..
          errors.connect + errors.read + errors.write + errors.status + errors.timeout)
end
LUA
over wrk -t2 -c20 -d15s --timeout 20s -s check.lua http://g1:8080/small > wrk.log 2>&1 || fail wrk
cat wrk.log
grep -q "^requests [1-9][0-9]* wrong 0 errors 0" wrk.log || fail "wrk: $(tail -1 wrk.log)"
proved "nginx-light wrk" "xvsock run" "20 connections, $(sed -n 's/^requests \([0-9]*\).*/\1/p' wrk.log) requests in 15 s" "each body"

# A program in Go is refused with the reason, and goes through a forwarder.
over hey http://g1:8080/small > hey.log 2>&1
[ $? = 126 ] || fail "hey is not refused"
cat hey.log
grep "Go" hey.log | grep -q "xvsock forward" || fail "the message does not say why, or what else to do"
xvsock forward tcp:127.0.0.1:9080 vsock:g1:8080 2> "$RESULTS/forward.log" &
sleep 1
timeout 300 hey -n 500 -c 10 http://127.0.0.1:9080/small > hey.log 2>&1
grep -q '\[200\].500 responses' hey.log || fail "hey: $(cat hey.log)"
proved "hey nginx-light" "xvsock forward" "Go: 500 requests on 10 connections" "each status"

# Java: a client by java.net.http, and a server and client with sockets and channels.
fetch() { over $java -XX:TieredStopAtLevel=1 /java/Fetch.java "http://g1:8080/$1"; }
wanted=$(over wget -q -O - http://g1:8080/large.sha256)
[ -n "$wanted" ] && [ "$(fetch large)" = "$wanted" ] || fail "java.net.http"
proved "openjdk-17-jdk-headless nginx-light" "xvsock run" "HttpClient: 4 MB" "SHA-256"
over $java -XX:TieredStopAtLevel=1 /java/Echo.java g1 7777 || fail "Java's sockets"
proved "openjdk-17-jdk-headless" "xvsock run" "Socket and SocketChannel to a ServerSocketChannel with a Selector, 1 MB each" "compared"

tb signal clients-done
exit $failed
