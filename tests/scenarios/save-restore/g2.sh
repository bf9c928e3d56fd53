#!/bin/sh
# SPDX-License-Identifier: MIT
. /save-restore.sh
serve
tb wait services-g1 60 > /dev/null || fail "no services"
hold g2-to-g1 "$CID_g1"
cid=$(tb wait restored 200) || fail "g1 was not restored"
eventually works_with "$cid" || fail "g2 does not reach the restored domain"
tb signal g2-works
tb wait hold-again 100 > /dev/null || fail "no checkpoint"
hold g2-to-g1-again "$cid"
tb wait checkpointed 60 > /dev/null || fail "no end of the checkpoint"
eventually works_with "$cid" || fail "g2 does not reach the domain after its checkpoint"
tb signal g2-works-again
