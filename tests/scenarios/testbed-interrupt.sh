#!/bin/sh
# SPDX-License-Identifier: MIT
# Interrupted, out of time, and killed, or its QEMU killed: one message each; no QEMU is left, nothing half-written.
testbed=$1 out=$2
shift 2
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
echo '{ "guests": { "count": 1 }, "module": false, "links": "none" }' > "$dir/scenario.json"
printf '#!/bin/sh\nsleep 1000\n' > "$dir/dom0.sh"
chmod +x "$dir/dom0.sh"

# The process id of the run's QEMU (the testbed also starts some to ask for their version).
qemu_of() { pgrep -P "$1" -f 'qemu-system.*virtserialport'; }

check() { # WHAT PATTERN SIGNAL|none|KILL-QEMU OPTIONS...
    what=$1 pattern=$2 signal=$3
    shift 3
    "$testbed" scenario "$dir" --out "$out" "$@" > "$dir/output" 2>&1 &
    pid=$!
    for try in $(seq 300); do
        qemu=$(qemu_of $pid) && break
        sleep 0.2
    done
    [ -n "$qemu" ] || { cat "$dir/output"; echo "FAILED: no QEMU was started"; exit 1; }
    case $signal in
    none) ;;
    KILL-QEMU) sleep 2; kill -KILL $qemu ;;
    *) sleep 2; kill -"$signal" $pid ;;
    esac
    wait $pid
    status=$?
    for try in $(seq 50); do # a loaded machine takes a while to end a process
        kill -0 $qemu 2> /dev/null || break
        sleep 0.2
    done
    echo "== $what: exit status $status"
    cat "$dir/output"
    [ $status -ne 0 ] || { echo "FAILED: that is no success"; exit 1; }
    kill -0 $qemu 2> /dev/null && { echo "FAILED: QEMU $qemu is still there"; exit 1; }
    [ -z "$pattern" ] || grep -q "$pattern" "$dir/output" || { echo "FAILED: nothing says $pattern"; exit 1; }
    for left in initramfs guest-overlay.cpio programs status.json.new; do
        [ ! -e "$out/$left" ] || { echo "FAILED: $left is left"; exit 1; }
    done
}

check "Ctrl-C" "interrupted" INT "$@"
check "out of time" "time" none --timeout 4 "$@"
check "killed" "" KILL "$@"
check "QEMU killed" "QEMU ended (killed by signal 9 (Killed)) before the run was over" KILL-QEMU "$@"
