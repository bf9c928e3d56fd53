# SPDX-License-Identifier: MIT
# What follows from expected-a or expected-b, tables of who may connect to whom at which ports: what programs see,
# and which halves of links there are.

# wanted DOMAIN...: a line "FROM CID:PORT=WHAT..." for each of these, to each other one; where nobody listens, at
# 7003, it is as where it is refused
wanted() {
    awk -v names="$*" -v expected="/daemon/expected-$policy" '
        BEGIN {
            n = split(names, name, " ")
            cid["dom0"] = 2
            while ((getline < expected) > 0) {
                linked[$1, $2] = linked[$2, $1] = 1
                for (i = 3; i <= NF; ++i)
                    may[$1, $2, $i] = 1
            }
        }
        $1 == "cid" { cid["g" substr($3, length($3))] = $2 } # as recorded by the daemon, by UUID
        END {
            for (i = 1; i <= n; ++i) {
                from = name[i]
                line = from
                for (j = 1; j <= n; ++j)
                    for (port = 7000; j != i && port <= 7003; ++port) {
                        to = name[j]
                        what = may[from, to, port] ? "talks" : linked[from, to] ? "refused" : "no-link"
                        line = line " " cid[to] ":" port "=" what
                    }
                print line
            }
        }' /var/lib/xvsock/cids
}

# reach SECONDS DOMAIN...: these reach each other as the policy says, and not otherwise
reach() {
    limit=$(($1 * SLOWNESS))
    shift
    rm -f /run/wrong-*
    wanted "$@" > /run/wanted
    running=
    while read -r from targets; do
        (
            tries="vsock-reach within $limit $targets"
            if [ "$from" = dom0 ]; then
                output=$($tries 2>&1)
            else
                at "$from" "$tries"
            fi || echo "from $from (domain $(id_of "$from")): $output" > "/run/wrong-$from"
        ) < /dev/null &
        running="$running $!"
    done < /run/wanted
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
    states=$(xenstore-read $(printf '%s/state ' "$@")) && ! echo "$states" | grep -vqx 4
}

# Of the dead nothing is left, and of links what there should be.
no_dead() {
    alive=$(xl list | awk 'NR > 1 && $1 != "(null)" { print $2 }')
    xenstore-list /local/domain | grep -vxF "$alive" && { echo "is dead, and left in xenstore"; return 1; }
    only_these_halves $(halves)
}

seconds_since() { awk -v since="$1" '{ printf "%.1f", $1 - since }' /proc/uptime; }
now() { cut -d ' ' -f 1 /proc/uptime; }
