#!/bin/sh
# SPDX-License-Identifier: MIT
# table.sh BIN RESULTS VERSIONS: judges the results of this scenario and writes the tables of docs/conformance.md.
here=$(dirname "$(readlink -f "$0")")
project=$(readlink -f "$here/../../..")
mkdir -p "$project/build/results" || exit 3
exec "$1/conformance-table" --results "$2" --versions "$3" --expected "$here/files/conformance.json" \
    --directions g1-g2 g2-g1 g1-dom0 dom0-g1 --suites 6.1 6.12 7.2 --programs vsock_test vsock_diag_test \
    --out "$project/build/results/conformance" --document "$project/docs/conformance.md"
