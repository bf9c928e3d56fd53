# SPDX-License-Identifier: MIT
everybody="dom0 $GUESTS"
fail() { echo "FAILED: $*"; exit 1; }
