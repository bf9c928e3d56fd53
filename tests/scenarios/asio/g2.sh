#!/bin/sh
# SPDX-License-Identifier: MIT
# The servers. All of them end when they are told to, and without a complaint of a sanitizer.
. /eventually.sh
failed=0
servers=
ulimit -n 4096

start() { # NAME PATTERN COMMAND...: in the background, until it says that it is up
    name=$1 pattern=$2
    shift 2
    "$@" > "$RESULTS/$name.log" 2>&1 &
    servers="$servers $name:$!"
    eventually grep -q "$pattern" "$RESULTS/$name.log" && return
    echo "$name does not come up"
    cat "$RESULTS/$name.log"
    failed=1
}

mkdir /srv
head -c 30000000 /dev/urandom > /srv/thirty-megabytes
: > /srv/empty
vsock-services > "$RESULTS/services.log" 2>&1 &
services=$!
start echo-1 listening example-echo_server 7200 1
start echo-4 listening example-echo_server 7201 4
start files listening example-file_server 7202 /srv
start https listening example-https_server 7203 /https/test-only-certificate.pem /https/test-only-key.pem
start chat listening example-chat serve 7204
page-server > "$RESULTS/page.log" 2>&1 &
page=$!
tb signal services "$(sha256sum < /srv/thirty-megabytes)"

tb wait g1-done 500 > /dev/null || { echo "g1 is not done"; failed=1; }
kill "$services" "$page"
for server in $servers; do
    kill "${server#*:}"
    wait "${server#*:}" || { echo "${server%:*} ended with status $?"; cat "$RESULTS/${server%:*}.log"; failed=1; }
done
exit $failed
