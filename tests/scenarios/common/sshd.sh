# SPDX-License-Identifier: MIT
# sshd, which knows nothing of AF_VSOCK, at port 2222. Its package is not configured: what that would make is made here.
start_sshd() { # PUBLIC-KEY [OPTION OF xvsock run...]
    key=$1
    shift
    mkdir -p /run/sshd /root/.ssh
    chmod 700 /root/.ssh
    echo "sshd:x:71:65534::/run/sshd:/usr/sbin/nologin" >> /etc/passwd
    echo "$key" > /root/.ssh/authorized_keys
    : >> /etc/ssh/sshd_config
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    xvsock run "$@" /usr/sbin/sshd -D -e -p 2222 -o UsePAM=no \
        -o "Subsystem sftp /usr/lib/openssh/sftp-server" > "$RESULTS/sshd.log" 2>&1 &
}

configure_ssh() { # KEY: for ssh and scp to whatever is called g1 or g2
    mkdir -p /root/.ssh
    chmod 700 /root/.ssh
    cat > /root/.ssh/config << CONFIG
Host g1 g2
    Port 2222
    IdentityFile $1
    StrictHostKeyChecking accept-new
CONFIG
}
