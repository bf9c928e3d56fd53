/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plain vchans: connections with a domain that does not run this module, but
 * programs that use libxenvchan. dom0 makes such a link in our half of xenstore
 * only, and names the ports. There is no control channel; a server's offer lies
 * in its own home in xenstore, at data/vsock/CLIENT'S DOMID/PORT, as
 * libxenvchan writes it:
 *
 *   our connect()   looks for the offer of a program there, and is its client
 *   a listener      is reached through an offer of ours, one for each port; the
 *                   next is made when a client has come
 *
 * So whoever accepts is the vchan's server. Its rings stay as they were made.
 * While a client is served and no other vchan is on offer, the nodes are empty.
 * The live bytes say no more than open or closed: there is no half-close, no
 * reset, and no reason for a refusal.
 *
 * A server's pages are given back when the client has let go of them, which it
 * does not say: plain_work looks again and again. Until then they stay on the
 * peer's account.
 */
#ifndef XVSOCK_PLAIN_H
#define XVSOCK_PLAIN_H

#include <linux/list.h>
#include <linux/ratelimit.h>
#include <linux/workqueue.h>

#include "connection.h"
#include "peer.h"

/* Ports of one peer that are named one by one. Each that is accepted has an offer. */
#define XVSOCK_PLAIN_PORTS 64

struct xenbus_device;

struct xvsock_plain_ports {
	bool any;
	unsigned int count;
	u32 ports[XVSOCK_PLAIN_PORTS];
};

/* A port that is, or was, offered. */
struct xvsock_plain_slot {
	/* Of plain_work: */
	bool used;
	bool written; /* there are nodes of it in xenstore */
	bool blank; /* and they are empty */
	bool failed; /* to offer it, and that was said */
	u32 port;
	/* Protected by peer->lock: */
	struct xvsock_conn *offer; /* waits for its client; the table's reference covers it */
	unsigned long astray; /* jiffies of when somebody was seen to have half of it; or 0 */
	bool serving; /* a client is given to the listener: the next offer comes after that */
};

/* As many again may have gone out of the ports, and still serve. */
#define XVSOCK_PLAIN_SLOTS (2 * XVSOCK_PLAIN_PORTS)

/* Of a peer. */
struct xvsock_plain {
	struct xvsock_peer *peer; /* that it belongs to */
	struct xvsock_plain_slot slots[XVSOCK_PLAIN_SLOTS];
	/* Protected by peer->lock: */
	struct xvsock_plain_ports connect; /* of the peer, that we may connect to */
	struct xvsock_plain_ports accept; /* of ours, that are offered to the peer */
	bool recheck; /* dom0 has spoken, and not everything has been held against that */
	unsigned int offer_count;
	struct list_head ended; /* servers' connections that have ended here just now */

	/* Of plain_work, and whoever has ended it: */
	struct list_head leaving; /* those that the client was seen to map */
	unsigned long look; /* jiffies: at these again */
	struct ratelimit_state offering;
	struct delayed_work work; /* makes offers, ends what leaves; queued while up */
};

/* Of a connection. */
struct xvsock_plain_conn {
	struct xvsock_conn *conn; /* that it belongs to */
	/*
	 * Of both rings, and ours: the page lists grants there. So what is meant for
	 * the peer's writer holds for our own, too, which has the same limit anyway.
	 */
	struct xvsock_share share;
	struct work_struct connect_work; /* looks for the server */
	/* Made by connect_work, and the connection's once that is answered: */
	struct xvsock_vchan *vchan;
	unsigned int left_order;
	unsigned int right_order;
	struct xvsock_plain_slot *slot; /* that it is, or was, the offer of; NULL for none */
	struct list_head node; /* in the peer's ended or leaving */
	bool counted; /* it has a place among the domain's connections */
};

/* Reads "any", or ports, of the link's key. What is wrong there is left out. Sleeps. */
int xvsock_plain_read_ports(struct xenbus_device *dev, const char *key,
			    struct xvsock_plain_ports *ports);

/* Makes this peer one without the module. -ENOMEM. */
int xvsock_plain_init(struct xvsock_peer *peer);

/* May be called at any time: connections at ports that are not named any more are reset. */
void xvsock_plain_set_ports(struct xvsock_peer *peer, const struct xvsock_plain_ports *connect,
			    const struct xvsock_plain_ports *accept);

/* From now on there are connections. */
void xvsock_plain_open(struct xvsock_peer *peer);

/* The peer is down: nothing is offered any more, and nothing waits for the peer. Sleeps. */
void xvsock_plain_close(struct xvsock_peer *peer);

/* As xvsock_conn_connect(), which calls it. A port that dom0 does not name has no listener. */
int xvsock_plain_connect(struct vsock_sock *vsk, struct xvsock_peer *peer);

/* Gives the socket what connect_work has made. The socket's spinlock or lock_sock is held. */
void xvsock_plain_attach(struct xvsock_conn *conn);

/*
 * Something has happened to a connection that has no socket: a client has come to an
 * offer. But it may have ended as well, and its page be gone.
 */
void xvsock_plain_event(struct xvsock_conn *conn);

/* The connection is closed and stopped; gives up the table's reference. Sleeps. */
void xvsock_plain_end(struct xvsock_conn *conn);

/* What this value of ours is to libxenvchan. */
static inline u8 xvsock_plain_live(u8 live)
{
	u8 shut = XVSOCK_LIVE_NO_SEND | XVSOCK_LIVE_NO_RECV;

	return (live & VCHAN_OPEN) && (live & shut) != shut ? VCHAN_OPEN : VCHAN_CLOSED;
}

/* -- between plain.c and plain_offer.c ------------------------------------- */

/* Whether the port is among these. */
bool xvsock_plain_names(const struct xvsock_plain_ports *ports, u32 port);

/* A new connection in the peer's table, referenced by the caller. ERR_PTR: -ENOMEM, -ENOBUFS. */
struct xvsock_conn *xvsock_plain_create(struct xvsock_peer *peer, bool initiator, u32 dst_port);

/* Takes a place among the domain's connections until xvsock_plain_end(). False: there is none. */
bool xvsock_plain_enter_domain(struct xvsock_conn *conn);

/* Points at conn->vchan, whose rings' own pages are there. */
void xvsock_plain_point_at_page(struct xvsock_conn *conn, unsigned int left_order,
				unsigned int right_order);

/* Frees all that is left, whether the peer has let go or not. */
void xvsock_plain_finish(struct xvsock_conn *conn);

/* Has plain_work run after so many jiffies. peer->lock held. */
void xvsock_plain_queue(struct xvsock_peer *peer, unsigned long delay);

/* Of peer->plain: see there. */
void xvsock_plain_work(struct work_struct *work);

#define XVSOCK_PLAIN_PATH_MAX 64

/* Where this server offers a vchan to this client. */
void xvsock_plain_path(char path[XVSOCK_PLAIN_PATH_MAX], domid_t server, domid_t client, u32 port);

#endif /* XVSOCK_PLAIN_H */
