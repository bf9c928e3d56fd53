#!/bin/sh
# SPDX-License-Identifier: MIT
# Is destroyed.
. /vchan.sh
load_modules
vchan-services "$DOMID_g1" data/commands &
tb signal services-g3
wait
