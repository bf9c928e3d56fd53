/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection: one vchan between one socket here and one at the peer.
 *
 * The initiator is the vchan's server: it allocates and grants all pages. The
 * acceptor maps them. So the two ends come down in a fixed order:
 *
 *   either side   stores its live byte, after its data, and kicks
 *   acceptor      unmaps, then sends RESET; it may keep the vchan (vchan.h)
 *   initiator     ends the grants when that RESET has come (or the link went)
 *
 * until when an initiator's connection whose socket is gone stays behind as a
 * record of the grants. Every REQUEST is answered exactly once, by RESPONSE or
 * RESET, so this holds for a connect() that was given up, too.
 *
 * Of a plain vchan (plain.h) the acceptor is the server, and nothing of this is
 * said: plain.c ends it.
 *
 * References: the socket (vsk->trans), the peer's table, every queued work,
 * and a place on one of the peer's to_* lists hold one each.
 */
#ifndef XVSOCK_CONNECTION_H
#define XVSOCK_CONNECTION_H

#include <net/af_vsock.h>
#include <vchan/notify.h>

#include "path.h"
#include "peer.h"
#include "ring.h"
#include "vchan.h"

/* Messages that wait for room in the control ring, as bits; sent in this order. */
enum xvsock_owed {
	XVSOCK_OWES_RESPONSE = 0x01, /* first: a RESET alone would read as a refusal */
	XVSOCK_OWES_WANT_TX = 0x02,
	XVSOCK_OWES_WANT_RX = 0x04,
	XVSOCK_OWES_GROW_TX = 0x08, /* the initiator's; tx and rx as its own */
	XVSOCK_OWES_GROW_RX = 0x10,
	XVSOCK_OWES_GROWN_TX = 0x20, /* the acceptor's, likewise */
	XVSOCK_OWES_GROWN_RX = 0x40,
	XVSOCK_OWES_LIVE = 0x80, /* Argo: what our_live says */
	XVSOCK_OWES_RESET = 0x100, /* last: nothing follows it */
};

/* What has happened on a connection. Each is written in one context only, as said there. */
struct xvsock_counters {
	/* lock_sock */
	u64 tx_bytes;
	u64 rx_bytes;
	u64 tx_messages; /* calls that moved something */
	u64 rx_messages;
	u64 kicks; /* sent to the peer */
	u64 spins; /* looks before a call would sleep */
	u64 spins_won; /* those that found something */
	/* the interrupt handler */
	u64 events; /* kicks that came */
	u64 spurious; /* events without any change */
};

struct xvsock_argo_conn;

struct xvsock_conn {
	struct kref ref;
	struct xvsock_peer *peer; /* referenced */
	struct xvsock_plain_conn *plain; /* of a plain vchan; else NULL */
	bool initiator; /* our socket connects, or has */
	bool server; /* we grant the vchan's pages */
	u32 id;
	u32 src_port; /* of the initiator */
	u32 dst_port;

	/* Set up before the socket is connected, given up after it is gone. */
	struct xvsock_vchan *vchan; /* NULL on Argo */
	struct xvsock_argo_conn *argo; /* NULL on vchan */
	struct vchan_page *page; /* the vchan's; peer-writable */
	u8 *our_live; /* NULL once nothing is to be said any more */
	u8 *peer_live; /* peer-writable */
	u8 *asked_of_us; /* notify bits that the peer sets and we clear */
	u8 *asked_of_peer; /* notify bits that we set and the peer clears */
	/* Referenced from when the socket is the connection's until close_work. */
	struct sock *sk;

	/* Protected by lock_sock(sk), or its spinlock while nobody has that: */
	struct xvsock_ring tx;
	struct xvsock_ring rx;
	bool attached; /* the rings may be used */
	bool broken; /* it ended with an error: closing must not look like an orderly end */
	u32 spin_ns; /* how long a blocking call looks for itself before it sleeps */
	u8 sleeps; /* without such a look, to know when to try one again */
	u8 live; /* what our_live says; never read back */

	/* The interrupt handler's: what it last saw there. */
	u32 seen_prod;
	u32 seen_cons;
	u8 seen_live;
	u8 live_changes;

	struct xvsock_counters counters;

	/* Protected by peer->lock: */
	bool requested; /* our REQUEST is in the control ring */
	bool answered; /* and this was answered */
	bool accepted; /* by RESPONSE; of an acceptor's, always */
	u32 refusal; /* or by RESET, with this reason */
	bool let_go; /* the acceptor is done: RESET came, or nothing was ever sent */
	grant_ref_t kept; /* 0, or what RESET names: the vchan that the acceptor keeps */
	bool closing; /* the socket is going: nothing is queued any more */
	bool closed; /* the socket is gone, and no work or event of ours is left */
	u16 owes; /* bits of enum xvsock_owed */
	struct xvsock_served *served; /* acceptor: busy until RESPONSE is written */
	struct list_head to_send; /* in peer->to_request or peer->to_tell */
	unsigned int ring_pages; /* of large rings; on the peer's account */

	/* Set once, before event_work is queued; xvsock_conn_sync() acts on them. */
	bool link_lost;
	bool forbidden; /* dom0 does not permit its port any more */
	bool violated; /* the peer broke a rule of this connection */
	struct work_struct event_work; /* brings the peer's state into the socket */
	struct work_struct growth_work; /* makes or maps large rings */
	struct work_struct close_work; /* takes the connection down when the socket is gone */
};

/* lock_sock(vsk) is held for all of these that take a vsk or say so. */

/*
 * Begins to connect: allocates, grants, and sends REQUEST. The answer comes
 * through xvsock_conn_answered(). -ENOMEM, -ENOSPC (grants), -ENOBUFS (the
 * limit for this peer), -EHOSTUNREACH (the link has just gone).
 */
int xvsock_conn_connect(struct vsock_sock *vsk, struct xvsock_peer *peer);

/*
 * Serves a REQUEST: maps the rings and queues a new socket on its listener.
 * Returns 0, with RESPONSE owed, or the reason to put into a RESET. Sleeps;
 * takes the listener's lock, and so may wait for a user.
 */
enum xvsock_reason xvsock_conn_accept(struct xvsock_peer *peer, struct xvsock_served *served);

/*
 * The peer answered our request, or let go of the connection. Does not wait
 * for the socket.
 */
void xvsock_conn_answered(struct xvsock_conn *conn, const struct xvsock_message *msg);

/*
 * The accepting side of both kinds of peers. A new socket for the connection, queued on
 * its listener; `served` is NULL for a plain vchan. Takes the listener's lock.
 */
enum xvsock_reason xvsock_conn_give_socket(struct xvsock_conn *conn, struct sock *listener,
					   struct xvsock_served *served);

/*
 * Who listens for this peer on that port and has room, referenced, or NULL. To be looked at again
 * when locked.
 */
struct sock *xvsock_conn_find_listener(const struct xvsock_peer *peer, u32 port);

/* A new connection, referenced by the caller, or NULL. */
struct xvsock_conn *xvsock_conn_create(struct xvsock_peer *peer, bool initiator);

/* The vchan's prepare and attach of path.h. */
int xvsock_conn_prepare_vchan(struct xvsock_conn *conn, u64 buffer_size);
int xvsock_conn_attach_vchan(struct xvsock_conn *conn, const struct xvsock_message *request,
			     u64 buffer_size);

/* Points the connection at its shared page, which is granted or mapped. */
void xvsock_conn_point_at_page(struct xvsock_conn *conn, unsigned int left_order,
			       unsigned int right_order);

/*
 * Gives the rings' own pages back: revokes the server's, unmaps the client's. Returns
 * how many pages of ours the peer still maps. Nobody uses the vchan any more.
 */
unsigned int xvsock_conn_release_rings(struct xvsock_conn *conn);

/* conn->sk, referenced, unless the socket is gone. */
struct sock *xvsock_conn_hold_sk(struct xvsock_conn *conn);

/* What has come for a socket that is connecting; nothing counts before the answer. */
void xvsock_conn_sync_connecting(struct xvsock_conn *conn, struct sock *sk);

/* Nothing is begun for the connection any more, and no work of it is left. Sleeps. */
void xvsock_conn_stop(struct xvsock_conn *conn);

/*
 * The end of an initiator's connection: nobody maps its pages, or nobody ever
 * will. And of an acceptor's; RESET may be sent then. Both give up the table's
 * reference. Sleep.
 */
void xvsock_conn_end_initiated(struct xvsock_conn *conn);
void xvsock_conn_end_accepted(struct xvsock_conn *conn);

/* Puts messages on the connection's account; the caller flushes. peer->lock held. */
void xvsock_conn_owe(struct xvsock_conn *conn, u16 owed);

/* The peer broke a rule of this connection, and gets the end of it. Any context. */
void xvsock_conn_violation(struct xvsock_conn *conn, const char *what);

/* Tells the peer which halves are shut down. Takes SHUTDOWN_MASK's bits. */
void xvsock_conn_shutdown(struct xvsock_conn *conn, int mode);

/* Parts socket and connection. What was sent stays readable for the peer. Does not sleep. */
void xvsock_conn_close(struct vsock_sock *vsk);

/* Ends a connection that has no socket and will have none, once. Does not sleep. */
void xvsock_conn_abandon(struct xvsock_conn *conn);

/* The peer broke a rule of this connection: the socket gets the (negative) errno. */
void xvsock_conn_break(struct xvsock_conn *conn, int err);

/*
 * Brings what has come into the socket: now if nobody has locked that, else by
 * event_work. Process context; waits for no user.
 */
void xvsock_conn_event(struct xvsock_conn *conn);

/* Has event_work look at what has come. Any context. */
void xvsock_conn_queue_event(struct xvsock_conn *conn);

/* How many bytes the socket would have unread, at most: what it says to the peer's writer. */
void xvsock_conn_set_limit(struct xvsock_conn *conn, u64 bytes);

/* Takes over what the peer's live byte says, and what has happened to the connection else. */
void xvsock_conn_sync(struct xvsock_conn *conn);

/* The link is down. Any context that may sleep; does not wait for the socket. */
void xvsock_conn_link_lost(struct xvsock_conn *conn);

/* dom0 has withdrawn its port: it is reset, whatever its peer says. Waits for no socket. */
void xvsock_conn_forbid(struct xvsock_conn *conn);

/*
 * Whether the rings may be used. What ends the connection is looked at here, too, for event_work
 * waits until the user leaves the socket alone, and a recv() with MSG_WAITALL does not as long
 * as the peer goes on sending. lock_sock held.
 */
static inline bool xvsock_conn_usable(struct xvsock_conn *conn)
{
	if (unlikely(READ_ONCE(conn->link_lost) || READ_ONCE(conn->forbidden) ||
		     READ_ONCE(conn->violated)))
		xvsock_conn_sync(conn);
	return conn->attached;
}

static inline struct xvsock_conn *xvsock_conn_get(struct xvsock_conn *conn)
{
	kref_get(&conn->ref);
	return conn;
}

void xvsock_conn_put(struct xvsock_conn *conn);

static inline struct xvsock_conn *xvsock_conn_of(struct vsock_sock *vsk)
{
	return vsk->trans;
}

/*
 * The data path of the vchan, in data_path.c and spin.c; path.h says what they do.
 * The spins use the first two.
 */
size_t xvsock_vchan_avail(struct xvsock_conn *conn, size_t target);
size_t xvsock_vchan_space(struct xvsock_conn *conn);
void xvsock_vchan_spin_for_data(struct xvsock_conn *conn);
void xvsock_vchan_spin_for_space(struct xvsock_conn *conn);

/* spin.c: how long to look, and what became of it. Both paths adapt so. lock_sock held. */
u32 xvsock_spin_time_ns(struct xvsock_conn *conn);
void xvsock_spin_adapt(struct xvsock_conn *conn, bool found);
bool xvsock_spin_while(struct xvsock_conn *conn, const u32 *index, u32 value, u32 ns);

/*
 * growth.c: from the small ring to a large one. Asks for a large ring behind
 * this direction, unless that was done or refused a moment ago.
 */
void xvsock_growth_ask(struct xvsock_conn *conn, struct xvsock_ring *ring);
/* The writer moves, if it can; the reader, if the writer has, and false if that is a lie. */
void xvsock_growth_move(struct xvsock_conn *conn);
bool xvsock_growth_follow(struct xvsock_conn *conn);
/* WANT, GROW and GROWN; called by control_work, no lock held. */
void xvsock_growth_message(struct xvsock_conn *conn, const struct xvsock_message *msg);
/* Writes the message that is owed. peer->lock held. */
void xvsock_growth_fill(struct xvsock_conn *conn, u16 owed, struct xvsock_message *msg);
void xvsock_growth_work(struct work_struct *work);

/*
 * tap.c: what vsockmon devices show. `tx` is from here to the peer. Costs a
 * look at a list when there is no such device.
 */
void xvsock_tap_data(const struct xvsock_conn *conn, bool tx, const void *data, size_t length);
/* What a user has sent, which is still his: it may have changed meanwhile, or be gone. */
void xvsock_tap_user(const struct xvsock_conn *conn, struct iov_iter data, size_t length);
void xvsock_tap_state(const struct xvsock_conn *conn, bool tx, bool connects);

/* Hands what has come through the event channel to the socket. Hard interrupt. */
irqreturn_t xvsock_data_interrupt(int irq, void *conn);

#endif /* XVSOCK_CONNECTION_H */
