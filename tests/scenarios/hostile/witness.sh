#!/bin/sh
# SPDX-License-Identifier: MIT
. /hostile.sh
referee
judged
