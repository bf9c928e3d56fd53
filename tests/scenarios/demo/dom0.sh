#!/bin/sh
# SPDX-License-Identifier: MIT
set -e
echo "peer links, made by dom0:"
xvsock-peer list
