#!/bin/sh
# SPDX-License-Identifier: MIT
# Every function that `xvsock run` puts in the place of the C library's has a test that calls it, named in
# tests/guest/run/covered.txt: with a new one, so begins its test.
cd "$1" || exit 1
map=userspace/preload/exports.map
list=tests/guest/run/covered.txt
tests=$(ls tests/guest/run/*_test.cpp)

# What each test calls: lines of "SUITE.TEST CALL", of what is written as ::CALL or __CALL. A test ends at a brace in
# the first column; what is between two tests is part of the second one.
calls=$(awk '
    FNR == 1 { body = "" }
    { body = body " " $0 }
    /^TEST/ { name = $0; gsub(/^TEST[_PF]*\(|\).*/, "", name); gsub(/, */, ".", name) }
    /^}/ && name != "" {
        gsub(/"[^"]*"/, "", body)
        gsub(/::/, " @", body)
        gsub(/[^A-Za-z0-9_@]+/, " ", body)
        count = split(body, words, " ")
        for (i = 1; i <= count; ++i)
            if (sub(/^@/, "", words[i]) || words[i] ~ /^__/)
                print name, words[i]
        name = body = ""
    }' $tests)

failed=0
hooks=$(sed -n 's/^    \([a-z_0-9]*\);$/\1/p' "$map")
[ -n "$hooks" ] || { echo "$map names no functions"; exit 1; }
for hook in $hooks; do
    grep -q "^$hook " "$list" || { echo "$hook: $list names no test of it"; failed=1; }
done
while read -r hook named; do
    case $hook in '' | '#'*) continue ;; esac
    echo "$hooks" | grep -qx "$hook" || { echo "$hook: $map does not have it"; failed=1; }
    for test in $named; do
        echo "$calls" | grep -qx "$test $hook" || { echo "$hook: there is no test $test that calls it"; failed=1; }
    done
done < "$list"
exit $failed
