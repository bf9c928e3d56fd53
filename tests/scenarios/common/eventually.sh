# SPDX-License-Identifier: MIT
# eventually COMMAND...: runs it until it succeeds, for at most a minute, or longer under a slower kernel. Its status is
# the last one's, whose output is shown when it fails. Not too often: processes are slow here, and other domains want the
# processors, too.
eventually() {
    local now limit
    read -r now _ < /proc/uptime
    limit=$((${now%.*} + 60 * SLOWNESS))
    until "$@" > /dev/null 2>&1; do
        read -r now _ < /proc/uptime
        [ "${now%.*}" -lt "$limit" ] || { "$@"; return; }
        sleep 0.3
    done
}
