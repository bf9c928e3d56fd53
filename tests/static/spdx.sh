#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source file says its licence, and the right one.
cd "$1" || exit 1
failed=0
for file in $(git ls-files '*.c' '*.h' '*.cpp' '*.hpp' '*.sh' '*.cmake' '*CMakeLists.txt' '*Kbuild' '*Makefile' run .ci/run); do
    case $file in
    vchan/*) licence='GPL-2.0-only OR MIT' ;;
    vsock_transport/*) licence='GPL-2.0-only' ;;
    *) licence='MIT' ;;
    esac
    if ! head -n 3 "$file" | grep -q "SPDX-License-Identifier: $licence\( \*/\)\{0,1\}$"; then
        echo "$file: the first lines do not say SPDX-License-Identifier: $licence"
        failed=1
    fi
done
exit $failed
