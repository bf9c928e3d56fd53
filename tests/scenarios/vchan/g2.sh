#!/bin/sh
# SPDX-License-Identifier: MIT
. /vchan.sh
load_modules
vchan-services "$DOMID_g1" data/commands &
services=$!
while :; do
    vchan-services "$DOMID_g1" data/mortals
done &
page-hello offer "$DOMID_g1" &
hello=$!
tb signal services-g2
tb wait g1-done 300 > /dev/null || { echo "FAILED: g1 is not done"; exit 1; }
wait $hello || { echo "FAILED: the program of docs/asio.md ended with status $?"; exit 1; }
kill $services
wait $services || { echo "FAILED: the services ended with status $?"; exit 1; }
