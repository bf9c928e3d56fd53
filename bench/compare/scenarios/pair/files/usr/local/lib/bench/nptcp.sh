# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# NetPIPE, unmodified: first a pass that compares the data, then the sweep, in three pieces because large messages need
# fewer repeats. NPtcp gives the best of three trials. Both sides need the same options. The number of repeats is fixed,
# except in a full wall-clock run, where NPtcp takes what fits into a quarter of a second.
np_pieces="integrity 1:12288:200 16384:196608:100 262144:4194304:20"
[ "$DEPTH" != points ] || np_pieces="1:1:400 65536:65536:100 1048576:1048576:20"
for np_path in $PATHS; do
    for np_pass in $np_pieces; do
        IFS=: read -r np_from np_to np_repeats <<< "$np_pass"
        case $np_pass-$MODE-$DEPTH in
        integrity-*) np_options="-i -l 1 -u 4194304 -p 0 -n 2" np_name=integrity ;;
        *-wall-full) np_options="-l $np_from -u $np_to -p 0" np_name=sweep ;;
        *) np_options="-l $np_from -u $np_to -p 0 -n $np_repeats" np_name=sweep ;;
        esac
        np_file="$np_name.$np_path.$np_from"
        # shellcheck disable=SC2086 # words
        np_serve() { over "$np_path" NPtcp $np_options > "nptcp.$np_file.log" 2>&1; }
        # shellcheck disable=SC2086 # words
        np_measure() {
            over "$np_path" NPtcp -h "$(host_over "$np_path")" $np_options -o "np.$np_file.out" > "nptcp.$np_file.log" 2>&1
        }
        together "nptcp-$np_file" np_serve np_measure
        if [ "$NAME-$np_pass" = g2-integrity ] && ! grep -q "Integrity check passed" "nptcp.$np_file.log"; then
            echo "FAIL NPtcp's integrity pass over $np_path"
            exit 1
        fi
    done
done
