# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Xen's own library, with blocking calls and rings of 256 KiB.
vchan_serve() { bench-xenvchan --serve "$DOMID_g2"; }
vchan_measure() { bench-xenvchan --connect "$DOMID_g1" --mode "$MODE" --json xenvchan.json --volume 256M; }
together libxenvchan vchan_serve vchan_measure
