# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
load_modules() {
    for module in xen-evtchn xen-gntdev xen-gntalloc; do
        modprobe $module || { echo "FAILED: no module $module"; exit 1; }
    done
}
