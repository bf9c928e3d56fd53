// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, for `xvsock stat`: debugfs xvsock/peers and xvsock/connections. A
 * line for each, of key=value fields; readers skip keys that they do not know.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "connection.h"
#include "frames.h"
#include "plain.h"
#include "stat.h"

static struct dentry *stat_dir;

static void stat_sum(struct xvsock_totals *sum, const struct xvsock_counters *counters)
{
	sum->tx_bytes += READ_ONCE(counters->tx_bytes);
	sum->rx_bytes += READ_ONCE(counters->rx_bytes);
	sum->tx_messages += READ_ONCE(counters->tx_messages);
	sum->rx_messages += READ_ONCE(counters->rx_messages);
	sum->kicks += READ_ONCE(counters->kicks);
	sum->events += READ_ONCE(counters->events);
	sum->spurious += READ_ONCE(counters->spurious);
	sum->spins += READ_ONCE(counters->spins);
	sum->spins_won += READ_ONCE(counters->spins_won);
}

static void stat_print_totals(struct seq_file *file, const struct xvsock_totals *totals)
{
	seq_printf(file, " tx_bytes=%llu rx_bytes=%llu tx_messages=%llu rx_messages=%llu",
		   totals->tx_bytes, totals->rx_bytes, totals->tx_messages, totals->rx_messages);
	seq_printf(file, " kicks=%llu events=%llu spurious=%llu spins=%llu spins_won=%llu\n",
		   totals->kicks, totals->events, totals->spurious, totals->spins,
		   totals->spins_won);
}

/* The next connection of this table from *id on, referenced; *id is then beyond it. */
static struct xvsock_conn *stat_next(struct xarray *table, unsigned long *id)
{
	struct xvsock_conn *conn;

	xa_lock(table);
	conn = xa_find(table, id, ULONG_MAX, XA_PRESENT);
	if (conn)
		xvsock_conn_get(conn);
	xa_unlock(table);
	(*id)++;
	return conn;
}

static void stat_print_peer(struct seq_file *file, struct xvsock_peer *peer)
{
	struct xarray *tables[] = { &peer->initiated, &peer->accepted };
	unsigned int initiated, accepted, idle, granted, mapped, offers, i;
	struct xvsock_totals totals;
	struct xvsock_conn *conn;
	unsigned long id;

	/* Those in the tables are not in the totals yet, and stay there while we hold the lock. */
	spin_lock(&peer->lock);
	totals = peer->totals;
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		xa_for_each(tables[i], id, conn)
			stat_sum(&totals, &conn->counters);
	initiated = peer->initiated_count - peer->offered_count;
	offers = peer->plain ? peer->plain->offer_count : 0;
	accepted = peer->accepted_count - peer->kept_count - offers;
	idle = peer->offered_count + peer->kept_count + offers;
	granted = peer->granted_pages;
	mapped = peer->mapped_pages;
	spin_unlock(&peer->lock);

	seq_printf(file, "cid=%u domid=%u initiated=%u accepted=%u idle=%u granted_pages=%u",
		   peer->cid, peer->domid, initiated, accepted, idle, granted);
	seq_printf(file, " mapped_pages=%u", mapped);
	seq_printf(file, " connected=%llu refused=%llu denied=%llu violations=%u",
		   totals.connected, totals.refused, totals.denied,
		   atomic_read(&peer->violations));
	stat_print_totals(file, &totals);
}

static int peers_show(struct seq_file *file, void *unused)
{
	struct xvsock_peer *peer = NULL;

	while ((peer = xvsock_peer_next(peer)))
		stat_print_peer(file, peer);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(peers);

static const char *stat_state(const struct xvsock_conn *conn)
{
	if (READ_ONCE(conn->closing))
		return "closing";
	if (conn->plain && !READ_ONCE(conn->sk))
		return "offered";
	return READ_ONCE(conn->accepted) ? "established" : "connecting";
}

static void stat_print_connection(struct seq_file *file, const struct xvsock_conn *conn)
{
	struct xvsock_totals totals = {};

	stat_sum(&totals, &conn->counters);
	seq_printf(file, "cid=%u id=%u role=%s state=%s local_port=%u remote_port=%u",
		   conn->peer->cid, conn->id, conn->initiator ? "initiator" : "acceptor",
		   stat_state(conn), conn->initiator ? conn->src_port : conn->dst_port,
		   conn->initiator ? conn->dst_port : conn->src_port);
	seq_printf(file, " tx_ring=%u rx_ring=%u spin_ns=%u", READ_ONCE(conn->tx.end.size),
		   READ_ONCE(conn->rx.end.size), READ_ONCE(conn->spin_ns));
	stat_print_totals(file, &totals);
}

static int connections_show(struct seq_file *file, void *unused)
{
	struct xvsock_peer *peer = NULL;
	struct xvsock_conn *conn;
	unsigned int i;

	while ((peer = xvsock_peer_next(peer))) {
		struct xarray *tables[] = { &peer->initiated, &peer->accepted };

		for (i = 0; i < ARRAY_SIZE(tables); i++) {
			unsigned long id = 0;

			while ((conn = stat_next(tables[i], &id))) {
				stat_print_connection(file, conn);
				xvsock_conn_put(conn);
			}
		}
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(connections);

void xvsock_stat_register(void)
{
	stat_dir = debugfs_create_dir("xvsock", NULL);
	debugfs_create_file("peers", 0400, stat_dir, NULL, &peers_fops);
	debugfs_create_file("connections", 0400, stat_dir, NULL, &connections_fops);
	debugfs_create_u32("waiting_pages", 0400, stat_dir, &xvsock_frames_waiting);
}

void xvsock_stat_unregister(void)
{
	debugfs_remove(stat_dir);
}
