#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh SUITE CACHE PROGRAM [ARGUMENTS]: runs a test with the xenstored of a Debian suite.
set -eu
folder=$("$(dirname "$0")/fetch.sh" "$1" "$2") || exit
XENSTORED_PACKAGES=$folder exec "${@:3}"
