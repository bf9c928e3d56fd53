#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel's style checker, from Debian's kernel source package, on the module and the ring.
cd "$1" || exit 1
tools=$2/checkpatch
source=$(ls /usr/src/linux-source-6.*.tar.xz 2>/dev/null | head -n 1)
[ -n "$source" ] || { echo "no kernel source in /usr/src: apt-get install linux-source-6.1"; exit 1; }
if [ ! -e "$tools/scripts/checkpatch.pl" ]; then
    rm -rf "$tools.new" && mkdir -p "$tools.new" &&
        tar -xJf "$source" -C "$tools.new" --strip-components=1 --wildcards '*/scripts/checkpatch.pl' \
            '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch' &&
        mv "$tools.new" "$tools" || exit 1
fi

failed=0
perl "$tools/scripts/checkpatch.pl" --no-summary \
    -f $(ls vsock_transport/*.[ch] | grep -v -e /trace.h -e /message.h -e /ports.h) vsock_transport/probes/*.c || failed=1
# TRACE_EVENT() is written as everywhere in the kernel, which checkpatch does not know.
perl "$tools/scripts/checkpatch.pl" --no-summary --ignore COMPLEX_MACRO,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE \
    -f vsock_transport/trace.h || failed=1
# These headers are userspace's, too: there the kernel's u32 is uint32_t.
perl "$tools/scripts/checkpatch.pl" --no-summary --ignore PREFER_KERNEL_TYPES \
    -f vchan/*.h vsock_transport/message.h vsock_transport/ports.h || failed=1
rm -f .checkpatch-camelcase.git.*
exit $failed
