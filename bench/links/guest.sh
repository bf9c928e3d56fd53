#!/bin/sh
# SPDX-License-Identifier: MIT
# Is there.
tb signal "up-$NAME"
