#!/bin/bash
# SPDX-License-Identifier: MIT
# What can go wrong around a run: a full disk, a missing tool, no network, another run. Each time one clear
# message, nothing left running, nothing half-written. No guest is booted for it.
testbed=$1 artifacts=$4 cache=$6 # called as all testbed-*.sh: TESTBED OUT --artifacts FOLDER --cache FOLDER
[ "$(id -u)" -eq 0 ] || { echo "only root can make disks full and networks vanish"; exit 77; }
source=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'umount "$dir/small" 2>/dev/null; rm -rf "$dir"' EXIT
mkdir "$dir/small" "$dir/scenario"
: > "$dir/no-program"
echo '{ "guests": { "count": 1 }, "module": false, "links": "none" }' > "$dir/scenario/scenario.json"
printf '#!/bin/sh\nsleep 100\n' > "$dir/scenario/dom0.sh"
chmod +x "$dir/scenario/dom0.sh"
export LC_ALL=C

fail() { echo "FAILED: $*"; exit 1; }

# expect WHAT STATUS PATTERN COMMAND...: it ends so, the last line of what it says is the one message, and that
# message matches.
expect() {
    local what=$1 status=$2 pattern=$3 got
    shift 3
    "$@" > "$dir/output" 2>&1 < /dev/null
    got=$?
    echo "== $what: exit status $got"
    cat "$dir/output"
    [ $got -eq "$status" ] || fail "$what: exit status $got, not $status"
    [ "$(grep -c -E '^(\./run|xvsock-testbed): ' "$dir/output")" -eq 1 ] || fail "$what: not one message"
    grep -E '^(\./run|xvsock-testbed): ' "$dir/output" | grep -q -E "$pattern" || fail "$what: nothing says $pattern"
}

# small MEGABYTES: a disk of that size at $dir/small
small() {
    umount "$dir/small" 2> /dev/null
    mount -t tmpfs -o size="$1m" tmpfs "$dir/small" || fail "cannot mount a small disk"
}

nothing_in() { # FOLDER PATTERNS-OF-find...
    local folder=$1 left
    shift
    left=$(find "$folder" "$@" 2> /dev/null)
    [ -z "$left" ] || fail "left behind: $left"
}

# Runs a command while a program cannot be executed, in a mount namespace of its own.
without() { # PROGRAM COMMAND...
    local program=$1
    shift
    unshare --mount sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$dir/no-program" "$program" "$@"
}

# 1. the testbed's own program

run=("$testbed" scenario "$dir/scenario" --accel tcg --artifacts "$artifacts")
expect "no QEMU" 3 "qemu-system-x86_64 is missing; install" \
    without "$(command -v qemu-system-x86_64)" "${run[@]}" --out "$dir/out" --cache "$cache"
nothing_in "$dir/out" -type f ! -name lock
expect "no mmdebstrap" 3 "mmdebstrap is missing; install" \
    without "$(command -v mmdebstrap)" "${run[@]}" --out "$dir/out" --cache "$dir/cache"
expect "no network" 3 "package mirror cannot be reached" \
    unshare --net "${run[@]}" --out "$dir/out" --cache "$dir/cache"
nothing_in "$dir/cache" -name 'building-*' ! -path '*/logs/*'
nothing_in "$dir/out" -type f ! -name lock

small 40
expect "a full disk for the images" 3 "disk is full|cannot be reached" \
    "${run[@]}" --out "$dir/out" --cache "$dir/small/cache"
nothing_in "$dir/small" -name 'building-*' ! -path '*/logs/*'
small 3
expect "a full disk for the programs" 3 "disk is full: .*No space left" "${run[@]}" --out "$dir/small/out" --cache "$cache"
nothing_in "$dir/small/out" -type f ! -name lock ! -name strip.log
small 20
expect "a full disk for the initramfs" 3 "No space left" "${run[@]}" --out "$dir/small/out" --cache "$cache"
nothing_in "$dir/small/out" -type f ! -name lock

# The folder fills up when QEMU has just been started.
small 1000
fill_up() {
    "${run[@]}" --out "$dir/small/out" --cache "$cache" &
    local pid=$!
    for _ in $(seq 600); do
        [ -s "$dir/small/out/consoles/host.log" ] && break
        sleep 0.1
    done
    qemu=$(pgrep -P $pid -f qemu-system)
    dd if=/dev/zero of="$dir/small/zeros" bs=1M 2> /dev/null
    wait $pid
}
qemu=
expect "a full disk for the logs" 3 "disk full" fill_up
[ -n "$qemu" ] || fail "QEMU was not seen"
kill -0 "$qemu" 2> /dev/null && fail "QEMU $qemu is still there"
nothing_in "$dir/small/out" -name 'initramfs' -o -name programs -o -name '*.new'
umount "$dir/small"

exec 7> "$dir/out/lock"
flock 7
expect "another run in the same folder" 3 "another run is using $dir/out" "${run[@]}" --out "$dir/out" --cache "$cache"
exec 7>&-

# 2. ./run, in a folder of its own, because this test may itself be run by ./run

clone=$dir/clone
mkdir -p "$clone/build"
cp "$source/run" "$clone/"

exec 7>> "$clone/build/run.lock"
flock 7
echo 4711 > "$clone/build/run.lock"
expect "a second ./run" 3 "another ./run is busy here \(process 4711\)" "$clone/run" build
exec 7>&-
nothing_in "$clone/build" -type f ! -name run.lock

# An apt that knows of no package, and no way to fetch one.
mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial"
printf 'Dir::State "%s";\nDir::State::status "/dev/null";\nDir::Cache "%s";\n' "$dir/apt/state" "$dir/apt/cache" > "$dir/apt.conf"
unknown_tool() {
    sed 's|^packages=(|packages=(hello=/nonexistent/hello|' "$source/run" > "$clone/run"
    unshare --net env APT_CONFIG="$dir/apt.conf" "$clone/run" build
}
expect "a missing package and no network" 3 "cannot install hello: the package mirror cannot be reached" unknown_tool
nothing_in "$clone/build" -type f ! -name run.lock ! -name apt.log
nobody() {
    chmod 755 "$dir" && chown -R nobody "$clone" && setpriv --reuid=nobody --clear-groups "$clone/run" build
}
expect "a missing package, and not root" 3 "only root can install them: hello" nobody
cp "$source/run" "$clone/"
chown -R root "$clone"

small 6
copy_and_build() {
    for part in "$source"/*; do
        [[ $part == */build || $part == */tests ]] || cp -a "$part" "$dir/small/" || return
    done
    mkdir "$dir/small/tests" && : > "$dir/small/tests/CMakeLists.txt"
    "$dir/small/run" build
}
expect "a full disk for the build" 3 "the build failed: the disk is full" copy_and_build
small 1
dd if=/dev/zero of="$dir/small/zeros" 2> /dev/null
expect "no room at all" 3 "cannot write to .*is the disk full" \
    unshare --mount sh -c 'mount --bind "$0" "$1/build" && exec "$1/run" build' "$dir/small" "$clone"
