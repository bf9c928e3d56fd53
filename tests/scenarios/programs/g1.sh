#!/bin/sh
# SPDX-License-Identifier: MIT
# The servers.
. /sshd.sh
java=/usr/lib/jvm/java-17-openjdk-amd64/bin/java
mkdir -p /served /pg
echo hello > /served/small
head -c 4000000 /dev/urandom > /served/large
sha256sum < /served/large | cut -d' ' -f1 > /served/large.sha256
head -c "$SCP_BYTES" /dev/urandom > /root/gigabyte
tb say "g1 has its files"

echo "postgres:x:70:70::/pg:/bin/sh" >> /etc/passwd
echo "postgres:x:70:" >> /etc/group
chown postgres:postgres /pg
as_postgres="setpriv --reuid=70 --regid=70 --clear-groups env HOME=/pg"
postgres=/usr/lib/postgresql/15/bin
$as_postgres $postgres/initdb -D /pg/data --locale=C --encoding=UTF8 -A trust > "$RESULTS/initdb.log" 2>&1
echo "host all all 198.18.0.0/16 trust" >> /pg/data/pg_hba.conf
xvsock run $as_postgres $postgres/postgres -D /pg/data -c 'listen_addresses=*' -c unix_socket_directories= > "$RESULTS/postgres.log" 2>&1 &

xvsock run nginx -c /nginx.conf -g 'daemon off; user root;' > "$RESULTS/nginx.log" 2>&1 &
xvsock run $java -XX:TieredStopAtLevel=1 /java/Echo.java 7777 > "$RESULTS/java.log" 2>&1 &
start_sshd "$(tb wait key 200)"
for try in $(seq 300); do
    grep -q "ready to accept" "$RESULTS/postgres.log" && grep -q listening "$RESULTS/java.log" && break
    sleep 1
done
tb signal servers-up "$(sha256sum < /root/gigabyte | cut -d' ' -f1)"
tail -n 5 "$RESULTS"/*.log
tb wait clients-done 3500 > /dev/null || { echo "FAILED: the clients are not done"; exit 1; }
