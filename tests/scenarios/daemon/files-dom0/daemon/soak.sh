# SPDX-License-Identifier: MIT
# Random things happen for $DURATION seconds, to guests and to the daemon; at the end all is as it should be.
seed=${SEED:-$(od -An -N4 -tu4 /dev/urandom)}
seed=$((seed & 0x7fffffff))
tb say "daemon: seed $seed, for $DURATION s"
random() { # N: $drawn, below it
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    drawn=$(((seed >> 8) % $1))
}

some_guest() { # $guest, which is up
    while :; do
        random 5
        guest=$(echo g3 g4 g5 g6 g8 | cut -d ' ' -f $((drawn + 1)))
        is_up "$guest" && return
        sleep 0.5
    done
}
wait_gone() { # DOMID
    for try in $(seq $((60 * SLOWNESS))); do
        [ "$(id_of "$guest")" = "$1" ] || return 0
        sleep 0.1
    done
    fail "$guest does not reboot"
}

act() { # the name of what happens
    case $1 in
    reboot)
        id=$(id_of "$guest")
        xl reboot -F "$guest" && wait_gone "$id"
        ;;
    recreate) recreate "$guest" ;;
    crash) crash "$guest" ;;
    rename)
        xl rename "$guest" elsewhere
        sleep "0.$drawn"
        xl rename elsewhere "$guest"
        ;;
    pause)
        xl pause "$guest"
        sleep "0.$drawn"
        xl unpause "$guest"
        ;;
    reload)
        random 2
        [ "$drawn" = 0 ] && use_policy a || use_policy b
        reload
        ;;
    broken)
        echo "allow * <->" > /etc/xvsock/policy
        reload
        sleep 1
        use_policy "$policy"
        reload
        ;;
    dies) # also while it starts
        for times in 1 2 3; do
            kill_daemon
            launch
            sleep "0.$drawn"
        done
        kill_daemon
        start_daemon
        ;;
    esac
}

rounds=0 kills=0
begun=$(now)
while [ "$(seconds_since "$begun" | cut -d . -f 1)" -lt "$DURATION" ]; do
    random 8
    what=$(echo reboot recreate crash rename pause reload broken dies | cut -d ' ' -f $((drawn + 1)))
    some_guest
    random 3
    kill=$drawn
    random 10
    echo "$(seconds_since "$begun"): $what of $guest$([ $kill = 0 ] && echo ", the daemon is killed after 0.$drawn s")"
    if [ $kill = 0 ]; then
        { sleep "0.$drawn"; kill -KILL "$daemon"; } 2> /dev/null &
        killer=$!
    fi
    act "$what"
    if [ $kill = 0 ]; then
        wait $killer
        kill_daemon # if it has been started again meanwhile
        start_daemon
        kills=$((kills + 1))
    fi
    runs || fail "the daemon has ended"
    rounds=$((rounds + 1))
done
for guest in $GUESTS; do
    wait_up "$guest"
done
use_policy a # which a daemon that was killed may not have read
said_again policy-loaded reload
settled "$rounds random actions and $kills deaths of the daemon"
runs || fail "the daemon has ended"
tb say "daemon: $rounds random actions, $kills deaths of the daemon: all is as it should be"
