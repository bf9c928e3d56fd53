# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }
victims="destroyed crashed rebooted unlinked"
