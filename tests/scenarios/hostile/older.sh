#!/bin/sh
# SPDX-License-Identifier: MIT
# Older than the victim, so it has the backend. What has nothing to do with the link's halves is the other one's.
: "${ATTACKS:=^(control|bus|ending\.link|storm\.(control|states|answers))}"
. /hostile.sh
attack
