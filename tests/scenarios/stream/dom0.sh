#!/bin/sh
# SPDX-License-Identifier: MIT
. /stream-test.sh
serve
test_against g1 tested-g2-dom0
everybody_done
xvsock-peer list
