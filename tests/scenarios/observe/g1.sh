#!/bin/sh
# SPDX-License-Identifier: MIT
. /observe.sh
modprobe vsockmon || fail "no vsockmon"
serve
sleep 600 # until the others are done
