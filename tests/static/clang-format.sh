#!/bin/sh
# SPDX-License-Identifier: MIT
# All C++ is formatted as .clang-format says.
cd "$1" || exit 1
git ls-files '*.cpp' '*.hpp' | xargs clang-format --dry-run -Werror
