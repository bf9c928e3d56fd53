#!/bin/sh
# SPDX-License-Identifier: MIT
# The server. Nothing of sshd is configured but whose key may come in: systemd-ssh-generator has seen that there is
# AF_VSOCK, and made the socket.
ip link set eth0 down
until systemctl is-active --quiet sshd-vsock.socket; do sleep 1; done
systemctl cat --no-pager sshd-vsock.socket
mkdir -p -m 700 /root/.ssh
tb wait key 200 > /root/.ssh/authorized_keys || { echo "FAILED: no key"; exit 1; }
head -c 4000000 /dev/urandom > /root/large
# What docs/services.md says.
mkdir -p /var/log/nginx # the image has none
mkdir -p /etc/systemd/system/nginx.service.d
cat > /etc/systemd/system/nginx.service.d/override.conf << 'DROP_IN'
[Service]
ExecStart=
ExecStart=/usr/local/bin/xvsock run /usr/sbin/nginx -g 'daemon on; master_process on;'
DROP_IN
echo "a page" > /var/www/html/index.html
systemctl daemon-reload
systemctl restart nginx || journalctl --no-pager -u nginx
tb signal ready "$(sha256sum < /root/large | cut -d' ' -f1)"
tb wait done 300 > /dev/null || { echo "FAILED: g2 is not done"; exit 1; }
journalctl --no-pager -u 'sshd-vsock@*' | tail -20
ip link set eth0 up
