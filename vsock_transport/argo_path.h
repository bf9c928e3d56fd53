/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data path over Argo. Each end of a connection has a ring of its own memory,
 * which Xen copies to for the other end. No page is shared. What a vchan's page
 * says besides (live bytes) goes over the control channel, which is such a ring, too.
 *
 * Rings are told apart by their ports: 1 is the control channel's; the connection
 * with the id n has 2n at its initiator and 2n + 1 at its acceptor. Each lets only
 * this peer send.
 */
#ifndef XVSOCK_ARGO_PATH_H
#define XVSOCK_ARGO_PATH_H

#include "argo.h"
#include "message.h"

struct xvsock_conn;

struct xvsock_argo_conn {
	struct xvsock_argo_ring ring; /* that we read */
	struct xvsock_conn *conn;
	u32 to_port; /* of the peer's ring */
	u8 our_live;
	u8 peer_live; /* by control_work, when the peer says so */

	/* lock_sock: */
	u32 scanned; /* where the first message begins that is not in `unread` */
	u32 unread; /* bytes of payload */
	bool frozen; /* the peer has closed: nothing more is scanned */
	u32 left; /* of the message that the ring's rx is in */
	u32 chunk; /* the longest message to send, once it is known */
	u32 room; /* bytes that are free in the peer's ring, at least */
	void *buffer; /* of `chunk` bytes, for what Xen does not copy from where it is */
};

/* The peer has accepted: it may be told now how we have ended meanwhile. peer->lock held. */
void xvsock_argo_accepted(struct xvsock_conn *conn);
/* Writes the LIVE message that is owed. peer->lock held. */
void xvsock_argo_fill_live(const struct xvsock_conn *conn, struct xvsock_message *msg);
/* One has come; control_work only. */
void xvsock_argo_live_message(struct xvsock_conn *conn, const struct xvsock_message *msg);
/* Gives up what the connection has. Nobody uses it any more. Sleeps. */
void xvsock_argo_release(struct xvsock_conn *conn);

#endif /* XVSOCK_ARGO_PATH_H */
