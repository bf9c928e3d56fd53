# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the steps share. Sourced by all domains.
set -e
cd "$RESULTS"

# The address of g1's `xvsock perf` over a path; argo is the same socket with another data path below it.
perf_address() { # PATH
    case $1 in
    netfront) echo "tcp:$IP_g1:5005" ;;
    unix) echo "unix:/tmp/perf" ;;
    *) echo "vsock:$CID_g1:5005" ;;
    esac
}

# g1 runs a server that ends with its client, while g2 runs that client.
together() { # NAME SERVER-FUNCTION CLIENT-FUNCTION
    local signal=${1//./-} # a signal's name has no dots
    if [ "$NAME" = g1 ]; then
        tb signal "$signal-up"
        "$2"
        tb signal "$signal-over"
    else
        tb say "$1"
        tb wait "$signal-up" 600 > /dev/null
        sleep 1 # until it listens; costs nothing in virtual time
        "$3"
        tb wait "$signal-over" 600 > /dev/null
    fi
}

# A program over a path: TCP on netfront, or carried.
over() { # PATH COMMAND...
    local path=$1
    shift
    if [ "$path" = netfront ]; then "$@"; else xvsock run "$@"; fi
}
host_over() { if [ "$1" = netfront ]; then echo "$IP_g1"; else echo g1; fi } # PATH

if [ "$NAME" = g1 ] && [ -z "${perf_serves-}" ]; then
    perf_serves=yes
    xvsock perf --listen vsock:5005 > perf-vsock.log &
    xvsock perf --listen tcp:5005 > perf-tcp.log &
fi
