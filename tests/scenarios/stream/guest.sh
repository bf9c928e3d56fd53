#!/bin/sh
# SPDX-License-Identifier: MIT
# The links give every pair a frontend and a backend; both guests test, so each side is each.
. /stream-test.sh
serve
case $NAME in
g1) test_against g2 tested-dom0-g1 ;;
g2) test_against g1; test_against dom0 ;;
esac
everybody_done
