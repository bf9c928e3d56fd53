#!/bin/sh
# SPDX-License-Identifier: MIT
# The second host of the parallel programs.
. /sshd.sh
printf '%s %s\n' "$IP_g1" "$CID_g1" "$IP_g2" "$CID_g2" > /peers
start_sshd "$(tb wait key 200)" --map /peers
tb signal sshd-up
tb wait done 1400 > /dev/null || { echo "FAILED: g1 is not done"; exit 1; }
