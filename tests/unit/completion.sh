#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash completes, for every subcommand: completion.sh SCRIPT XVSOCK XVSOCK-PEER
script=$1 xvsock=$2 xvsock_peer=$3
failed=0
scratch=$(mktemp -d) && cd "$scratch" || exit 1
trap 'rm -rf "$scratch"' EXIT
mkdir bin folder
touch file-1 file-2

# The real program, with peers.
cat > bin/xvsock <<END
#!/bin/sh
[ "\$*" = "peers --names" ] && { echo web; echo database; echo '\$(touch\${IFS}$scratch/executed)'; exit; }
exec "$xvsock" "\$@"
END
printf '#!/bin/sh\necho "Name ID"\necho "Domain-0 0"\necho "web 3"\n' > bin/xl
ln -s "$xvsock_peer" bin/xvsock-peer
chmod +x bin/xvsock bin/xl
PATH=$scratch/bin:$PATH
. "$script" || exit 1

# The words that are offered for the last word of a line.
offered() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    case $1 in
        xvsock) _xvsock ;;
        xvsock-peer) _xvsock_peer ;;
    esac
    printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
}

expect() { # WORDS LINE...
    local wanted=$1 got
    shift
    got=$(offered "$@")
    [ "$got" = "$wanted" ] || { echo "FAILED: '$*' offers '$got', must offer '$wanted'"; failed=1; }
}

# Subcommands are those that --help names.
subcommands=$("$xvsock" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort | paste -sd' ')
[ "$(echo "$subcommands" | wc -w)" -ge 11 ] || { echo "FAILED: only $subcommands"; failed=1; }
expect "$subcommands" xvsock ''
expect "recv report resolve run" xvsock r
expect "--help --version -h" xvsock -

# Every option that a subcommand's --help shows is offered, and is one.
for subcommand in $subcommands; do
    wanted=$("$xvsock" "$subcommand" --help | grep -oE '^ +(-[a-zA-Z] \[ )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u | paste -sd' ')
    [ -n "$wanted" ] || { echo "FAILED: $subcommand has no options"; failed=1; }
    expect "$wanted" xvsock "$subcommand" --
    expect "--help" xvsock "$subcommand" --he
    [[ " $(offered xvsock "$subcommand" -) " == *" -h "* ]] || { echo "FAILED: $subcommand has no -h"; failed=1; }
done

peers="database web"
for subcommand in cat ping resolve; do
    expect "$peers" xvsock "$subcommand" ''
    expect web xvsock "$subcommand" w
done
[ -e "$scratch/executed" ] && { echo "FAILED: a peer's name was executed"; failed=1; }
expect "$peers" xvsock forward ''
expect "$peers" xvsock cat --listen ''
expect "$peers" xvsock recv -l ''
expect "bin folder" xvsock recv ''
expect folder xvsock recv --once fo
expect "bin database file-1 file-2 folder web" xvsock send ''
expect "file-1 file-2" xvsock send --json fi
expect web xvsock send file-1 we
expect "bin file-1 file-2 folder" xvsock report ''
expect "file-1 file-2" xvsock stat --json fi
expect folder xvsock stat --debugfs fo
expect "file-1 file-2" xvsock perf --json fi
expect "" xvsock ping --count ''
expect "" xvsock peers ''
expect "file-1 file-2" xvsock run --map fi
[[ " $(offered xvsock run ba) " == *" bash "* ]] || { echo "FAILED: run offers no programs"; failed=1; }
expect "" xvsock nonsense ''

expect "add list remove" xvsock-peer ''
expect "Domain-0 web" xvsock-peer add ''
expect web xvsock-peer add Domain-0 w
expect "--accept --connect --force --help --json --plain --timeout --version" xvsock-peer add --
exit $failed
