#!/bin/sh
# SPDX-License-Identifier: MIT
. /observe.sh
serve
tb wait g2-done 200 > /dev/null || fail "g2 is not done"
observe g1 --gtest_filter='Counters.*'
[ -z "$failed" ]
