# SPDX-License-Identifier: MIT
# What the scripts of this scenario have in common.
failed=0
fail() { echo "FAILED: $*"; failed=1; }
xv() { timeout $((60 * SLOWNESS)) xvsock "$@"; }
sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# Runs a command that must fail with 1 and say something: fails WHAT COMMAND...
fails() {
    what=$1
    shift
    said=$("$@" 2>&1)
    status=$?
    [ $status = 1 ] || fail "'$*' ends with $status: $said"
    case $said in
        *"$what"*) echo "as it should: $said" ;;
        *) fail "'$*' does not say '$what' but: $said" ;;
    esac
}

# Waits until a file has so many bytes: grows FILE BYTES
grows() {
    for try in $(seq $((3000 * SLOWNESS))); do
        [ "$(stat -c %s "$1" 2> /dev/null || echo 0)" -ge "$2" ] && return
        sleep 0.02
    done
    fail "$1 does not grow"
}

# Waits until a file has a text: says FILE TEXT
says() {
    for try in $(seq $((600 * SLOWNESS))); do
        grep -q "$2" "$1" 2> /dev/null && return
        sleep 0.1
    done
    fail "$1 does not say '$2': $(cat "$1")"
}

step() { # NAME
    tb signal "$1"
}

after() { # NAME
    tb wait "$1" $((150 * SLOWNESS)) > /dev/null || { echo "FAILED: waits for $1 in vain"; exit 1; }
}
