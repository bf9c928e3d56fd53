#!/bin/sh
# SPDX-License-Identifier: MIT
# Serves until it is destroyed.
vsock-faults serve &
sleep 1
tb signal "$NAME-serves"
sleep 3600
