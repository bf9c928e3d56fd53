# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A yardstick: what copying alone takes, in one guest.
if [ "$NAME" = g2 ]; then
    tb say "memcpy"
    bench-memcpy --mode "$MODE" --json memcpy.json > memcpy.log
fi
