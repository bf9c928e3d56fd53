#!/bin/sh
# SPDX-License-Identifier: MIT
. /hostile.sh
xvsock perf --listen vsock:5005 &
referee --sockets
judged
