#!/bin/sh
# SPDX-License-Identifier: MIT
. /save-restore.sh
serve
tb wait services-g2 60 > /dev/null && tb wait services-dom0 60 > /dev/null || fail "no services"
hold g1-to-g2 "$CID_g2" &
hold g1-to-dom0 "$CID_dom0" &
tb wait restored 200 > /dev/null || fail "not restored"
eventually works_with "$CID_g2" && eventually works_with "$CID_dom0" || fail "the restored guest reaches nobody"
tb signal g1-works
sleep 600
