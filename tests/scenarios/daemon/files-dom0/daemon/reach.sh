# SPDX-License-Identifier: MIT
# What follows from expected-a or expected-b, tables of who may connect to whom at which ports: what programs see,
# and which halves of links there are.

# wanted FROM TO...: CID:PORT=WHAT for each port of each of these; where nobody listens, at 7003, it is as where it is refused
wanted() {
    from=$1
    shift
    for to in "$@"; do
        [ "$to" = "$from" ] && continue
        cid=$(cid_of "$to")
        awk -v from="$from" -v to="$to" -v cid="$cid" '
            $1 == from && $2 == to { linked = 1; for (i = 3; i <= NF; ++i) may[$i] = 1 }
            $1 == to && $2 == from { linked = 1 }
            END {
                for (port = 7000; port <= 7003; ++port)
                    printf "%u:%u=%s ", cid, port, may[port] ? "talks" : linked ? "refused" : "no-link"
            }' "/daemon/expected-$policy"
    done
}

# reach SECONDS DOMAIN...: these reach each other as the policy says, and not otherwise
reach() {
    limit=$(($1 * SLOWNESS))
    shift
    rm -f /run/wrong-*
    running=
    for from in "$@"; do
        (
            tries="vsock-reach within $limit $(wanted "$from" "$@")"
            if [ "$from" = dom0 ]; then
                output=$($tries 2>&1)
            else
                at "$from" "$tries"
            fi || echo "from $from (domain $(id_of "$from")): $output" > "/run/wrong-$from"
        ) &
        running="$running $!"
    done
    wait $running
    cat /run/wrong-* 2> /dev/null && fail "not as the policy says"
    return 0
}

# The paths of the halves that there should be between the domains that run.
halves() {
    ids=$(xl list | awk 'NR > 1 { print ($1 == "Domain-0" ? "dom0" : $1) "=" $2 }')
    awk -v ids="$(echo $ids)" '
        BEGIN { n = split(ids, list, " "); for (i = 1; i <= n; ++i) { split(list[i], pair, "="); id[pair[1]] = pair[2] } }
        ($1 in id) && ($2 in id) {
            f = id[$1] + 0; b = id[$2] + 0
            if (f < b) { f = id[$2] + 0; b = id[$1] + 0 }
            print "/local/domain/" f "/device/vsock/" b
            print "/local/domain/" b "/backend/vsock/" f "/" b
        }' "/daemon/expected-$policy" | sort -u
}

# All that is in xenstore of links belongs to these; prints what does not, or is missing.
only_these_halves() { # HALF...
    xenstore-ls -f /local/domain | sed -n 's# = .*##; /^\/local\/domain\/[0-9]*\/[a-z]*\/vsock\($\|\/\)/p' |
        awk -v halves="$*" '
        BEGIN { n = split(halves, half, " ") }
        {
            known = 0
            for (i = 1; i <= n; ++i) {
                if ($0 == half[i])
                    seen[i] = 1
                if (index($0 "/", half[i] "/") == 1 || index(half[i], $0 "/") == 1)
                    known = 1
            }
            if (!known) { print "left over: " $0; wrong = 1 }
        }
        END {
            for (i = 1; i <= n; ++i)
                if (!seen[i]) { print "missing: " half[i]; wrong = 1 }
            exit wrong
        }'
}

connected() { # HALF...
    for half in "$@"; do
        [ "$(xenstore-read "$half/state" 2> /dev/null)" = 4 ] || return 1
    done
}

# Of the dead nothing is left, and of links what there should be.
no_dead() {
    alive=$(xl list | awk 'NR > 1 && $1 != "(null)" { print $2 }')
    for id in $(xenstore-list /local/domain); do
        echo "$alive" | grep -qx "$id" || { echo "domain $id is dead, and left in xenstore"; return 1; }
    done
    only_these_halves $(halves)
}

seconds_since() { awk -v since="$1" '{ printf "%.1f", $1 - since }' /proc/uptime; }
now() { cut -d ' ' -f 1 /proc/uptime; }
