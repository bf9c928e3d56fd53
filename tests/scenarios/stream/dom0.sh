#!/bin/sh
# SPDX-License-Identifier: MIT
. /stream-test.sh
serve
test_against g1
tb wait cut-link 600 > /dev/null && xvsock-peer remove g1 g2
tb signal link-cut
tb wait join-link 60 > /dev/null && xvsock-peer add g1 g2
tb signal link-joined
everybody_done
xvsock-peer list
