# SPDX-License-Identifier: MIT
# Shared by the scripts of this scenario.
. /eventually.sh
fail() { echo "FAILED: $*"; exit 1; }

debugfs=/sys/kernel/debug
mount -t debugfs none $debugfs 2> /dev/null
most=1000000000 # so many faults: what is missing from it later are those that were injected

# Of tasks that are marked, and which fail a certain allocation of their own. Also those that may sleep fail.
faults_ready() {
    for kind in failslab fail_page_alloc; do
        echo 0 > $debugfs/$kind/probability
        echo 0 > $debugfs/$kind/verbose
        echo Y > $debugfs/$kind/task-filter
        echo N > $debugfs/$kind/ignore-gfp-wait
        echo 1 > $debugfs/$kind/interval
        echo 0 > $debugfs/$kind/space
        echo $most > $debugfs/$kind/times
    done
    echo 0 > $debugfs/fail_page_alloc/min-order
}

faults_with() { # PROBABILITY
    for kind in failslab fail_page_alloc; do echo "$1" > $debugfs/$kind/probability; done
}

faults_injected() {
    echo $((2 * most - $(cat $debugfs/failslab/times) - $(cat $debugfs/fail_page_alloc/times)))
}

# The module's work is done by unbound kernel workers, and by the thread that tells of changes in xenstore.
mark_workers() { # 0 or 1
    for task in /proc/[0-9]*; do
        case $(cat "$task/comm" 2> /dev/null) in
        kworker/u* | xenwatch) echo "$1" > "$task/make-it-fail" ;;
        esac
    done 2> /dev/null
}

mark_workers_for() { # SECONDS, as new ones come
    end=$(($(date +%s) + $1))
    while [ "$(date +%s)" -lt "$end" ]; do
        mark_workers 1
        sleep 1
    done
}

# What the module holds for its peers, without the totals of what it has done.
held() {
    echo "refcnt $(cat /sys/module/xen_vsock/refcnt) interrupts $(grep -c xvsock /proc/interrupts)"
    sed 's/.*\(initiated=.*mapped_pages=[0-9]*\).*/\1/' $debugfs/xvsock/peers
}

# No connection is on its way out any more.
settled() { ! grep -q "idle=[1-9]" $debugfs/xvsock/peers; }
