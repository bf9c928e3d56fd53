#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the code that a page of docs/ shows after a line with only "`NAME`", up to a colon or comma: page_part.sh PAGE NAME
awk -v name="\`$2\`" '
    index($0, name) == 1 { found = 1 }
    found && /^```$/ && inside { exit }
    inside { print; printed = 1 }
    found && /^```[a-z]/ { inside = 1 }
    END { exit !printed }
' "$1"
