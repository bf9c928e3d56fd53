#!/bin/sh
# SPDX-License-Identifier: MIT
# Where the parallel programs are begun. Open MPI tells its processes the addresses of interfaces: a map says that those of
# eth0 stand for the two guests, so that nothing goes over it.
. /proved.sh
. /sshd.sh
printf '%s %s\n' "$IP_g1" "$CID_g1" "$IP_g2" "$CID_g2" > /peers
ssh-keygen -q -t ed25519 -N '' -f /root/key
configure_ssh /root/key
tb signal key "$(cat /root/key.pub)"
tb wait sshd-up 200 > /dev/null || { echo "FAILED: no sshd in g2"; exit 1; }
parallel() { # PROGRAM...: a process in either guest
    timeout $((600 * SLOWNESS)) xvsock run --map /peers mpirun.openmpi --allow-run-as-root -np 2 --host g1,g2 \
        --mca plm_rsh_agent ssh --mca orte_launch_agent 'xvsock run --map /peers orted' \
        --mca btl tcp,self --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 "$@"
}
packets() { cat /sys/class/net/eth0/statistics/tx_packets; }
before=$(packets)

parallel sh -c 'uname -n' > names 2> names.err || { cat names.err; fail "mpirun"; }
[ "$(sort names | tr '\n' ' ')" = "g1 g2 " ] || fail "the processes run on $(cat names)"

parallel NPopenmpi -i -u 131072 -o np.out > np.log 2>&1 || fail "NPopenmpi: $?"
tail -5 np.log
grep -qi fail np.log && fail "NPopenmpi's integrity"
proved "netpipe-openmpi openmpi-bin" "xvsock run" "NetPIPE over MPI, messages up to 128 KiB" "integrity mode"

parallel python3 /stencil.py > stencil.log 2>&1 || fail "the stencil: $?"
cat stencil.log
proved "python3-mpi4py openmpi-bin" "xvsock run" "a stencil of five points, $(sed -n 's/^equal: //p' stencil.log)" "equal to a computation in one process, bit by bit"

sent=$(($(packets) - before))
echo "$sent packets went over eth0"
[ $sent -lt 20 ] || fail "the network was used"
tb signal done
exit $failed
