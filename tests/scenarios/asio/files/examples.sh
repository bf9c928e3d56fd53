# SPDX-License-Identifier: MIT
# The clients of the examples. Each function is run in a subshell, in an empty folder.
. /eventually.sh

says() { # STATUS PATTERN COMMAND...: ends with this status and says this
    status=$1 pattern=$2
    shift 2
    "$@" > said 2>&1
    got=$?
    cat said
    [ $got = "$status" ] || { echo "exit status $got, not $status: $*"; return 1; }
    grep -q -- "$pattern" said || { echo "it does not say $pattern: $*"; return 1; }
}

# A domain has 1,024 connections to a peer at most, with those that are still closing.
all_closed() { [ -z "$(cat /sys/kernel/debug/xvsock/connections)" ]; }

try_echo() {
    mount -t debugfs none /sys/kernel/debug 2> /dev/null
    says 0 "1 connections of 100" example-echo_client g2:7200 &&
        says 0 "1000 connections of 5" example-echo_client g2:7200 1000 5 &&
        eventually all_closed &&
        says 0 "1000 connections of 5" example-echo_client g2:7201 1000 5
}

same_file() { [ "$(sha256sum < thirty-megabytes)" = "$sum" ]; }

try_files() {
    fetch="example-file_client g2:7202"
    says 0 "30000000 bytes, 0 of them" $fetch thirty-megabytes && same_file || return 1
    # From where it was interrupted, by the user and by SIGKILL.
    head -c 12345678 thirty-megabytes > thirty-megabytes.part
    rm thirty-megabytes
    says 0 "30000000 bytes, 12345678 of them" $fetch thirty-megabytes && same_file || return 1
    rm thirty-megabytes
    $fetch thirty-megabytes > /dev/null 2>&1 &
    client=$!
    eventually test -s thirty-megabytes.part || return 1
    kill -KILL $client
    wait $client 2> /dev/null
    [ -e thirty-megabytes ] && echo "it was faster than its end" # then all is fetched once more
    says 0 "30000000 bytes, " $fetch thirty-megabytes && same_file || return 1
    # What is there belongs to another file.
    head -c 1000 /dev/zero > thirty-megabytes.part
    says 0 "has changed, beginning anew" $fetch thirty-megabytes && same_file || return 1
    says 0 "0 bytes" $fetch empty && [ -e empty ] || return 1
    says 1 "there is no file nothing" $fetch nothing &&
        says 1 "a name has no slash" $fetch ../etc/passwd
}

try_https() {
    fetch="example-https_client g2:7203"
    ca=/https/test-only-certificate.pem
    says 0 "you asked for /page" $fetch /page $ca || return 1
    head -c 500000 /dev/urandom | base64 > posted
    $fetch /upload $ca posted > returned && cmp posted returned || return 1
    # The certificate is for g2, not for its CID, and no other CA vouches for it.
    says 1 "certificate verify failed" example-https_client "$CID_g2:7203" /page $ca &&
        says 1 "cannot\|No such file\|no certificate" $fetch /page /examples.sh
}

heard() { # bob says so until alice hears it
    echo "good morning" >&4
    grep -q "bob: good morning" alice.out
}

try_chat() {
    mkfifo alice.in bob.in
    example-chat join g2:7204 alice < alice.in > alice.out &
    alice=$!
    exec 3> alice.in
    example-chat join g2:7204 bob < bob.in > bob.out &
    bob=$!
    exec 4> bob.in
    eventually heard || { echo "alice does not hear bob"; return 1; }
    echo "good evening" >&3
    eventually grep -q "alice: good evening" bob.out || { echo "bob does not hear alice"; return 1; }
    grep -q "bob:" bob.out && { echo "bob hears himself"; return 1; }
    exec 3>&- 4>&-
    wait $alice && wait $bob
}

try_errors() {
    says 1 "nobody listens on port 7299" example-echo_client g2:7299 &&
        says 1 "no peer link to CID 77" example-echo_client 77:7200 &&
        says 1 "not found" example-echo_client nowhere:7200
}

try_page() {
    says 0 "hello world" page-client g2:5000 && says 1 "nobody listens on port 5001" page-client g2:5001
}
