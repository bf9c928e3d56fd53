# SPDX-License-Identifier: MIT
# Each node of a link is for its two ends and dom0 alone; and g7, which is neither, tries.
xenstore-ls -fp /local/domain | grep '/vsock' > "$RESULTS/permissions"
sed -n 's/^\([^ ]*\) = .*(\([^)]*\))$/\1 \2/p' "$RESULTS/permissions" | awk '
    {
        n = split($1, part, "/"); own = part[4]; peer = part[7]
        depth = part[5] == "device" ? 7 : 8
        key = n > depth ? part[depth + 1] : n == depth ? "half" : ""
        dom0s = key ~ /^(peer-name|made-by|cid|peer-cid|accept|(domain-)?max-(connections|memory))$/
        ends = key ~ /^(backend|backend-id|frontend|frontend-id)$/
        m = split($2, who, ","); wrong = ""
        owner = substr(who[1], 2) + 0
        if (substr(who[1], 1, 1) != "n")
            wrong = "everybody has access"
        if ((key == "" || dom0s || ends) ? owner != 0 : owner != own + 0)
            wrong = "owned by domain " owner
        for (i = 2; i <= m; ++i) {
            id = substr(who[i], 2) + 0
            if (substr(who[i], 1, 1) != "r")
                wrong = who[i] " is more than to read"
            else if (id != own + 0 && (id != peer + 0 || dom0s || key == ""))
                wrong = "domain " id " has access"
        }
        ++count
        if (wrong != "") { print "too open: " $0 ": " wrong; bad = 1 }
    }
    END { print count " nodes of links: only the ends have access"; exit bad || count < 100 }' || fail "permissions"
tb say "daemon: $(wc -l < "$RESULTS/permissions") nodes of links, only the ends have access"

tb signal others-halves "$(halves | awk 'NR % 3 == 1')"
at g7 /third.sh || fail "g7, which has no links: $output"
echo "$output"
only_these_halves $(halves) || fail "g7 has changed something"
reach 20 $everybody
