#!/bin/sh
# SPDX-License-Identifier: MIT
# Younger than the victim, so it has the frontend.
. /hostile.sh
tb wait judged-older 800 > /dev/null || { echo "older did not end its attacks"; exit 1; }
attack
