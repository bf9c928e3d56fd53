#!/bin/sh
# SPDX-License-Identifier: MIT
# The second host of the parallel programs.
. /sshd.sh
printf '%s g1\n%s g2\n' "$IP_g1" "$IP_g2" > /peers
start_sshd "$(tb wait key 200)" --map /peers
tb signal sshd-up
tb wait done 1400 > /dev/null || { echo "FAILED: g1 is not done"; exit 1; }
