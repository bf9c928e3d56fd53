# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# NetPIPE, unmodified: first a pass that compares the data, then the sweep. Both sides need the same options. With a
# number of repeats it takes as long as that takes; NPtcp's own choice would be a quarter of a second each.
case $MODE-$DEPTH in
virtual-quick) repeats="-n 25" ;;
virtual-*) repeats="-n 100" ;;
*-quick) repeats="-n 50" ;;
*) repeats="" ;;
esac
for np_path in $PATHS; do
    for np_pass in integrity sweep; do
        np_options="-l 1 -u 4194304 -p 0 $repeats"
        [ $np_pass = sweep ] || np_options="-i -l 1 -u 4194304 -p 0 -n 2"
        np_serve() { over "$np_path" NPtcp $np_options > "nptcp-$np_pass-$np_path.log" 2>&1; }
        np_measure() {
            over "$np_path" NPtcp -h "$(host_over "$np_path")" $np_options -o "np.$np_pass.$np_path.out" \
                > "nptcp-$np_pass-$np_path.log" 2>&1
        }
        together "nptcp-$np_pass-$np_path" np_serve np_measure
        if [ "$NAME-$np_pass" = g2-integrity ] && grep -i -q "integrity check failed" "nptcp-$np_pass-$np_path.log"; then
            echo "FAIL NPtcp's integrity pass over $np_path"
            exit 1
        fi
    done
done
