#!/bin/sh
# SPDX-License-Identifier: MIT
. /conformance.sh
run_tests
