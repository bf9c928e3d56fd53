/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connection's vchan: one shared page and one event channel. To make one
 * takes a dozen hypercalls, and more to take it apart, so it serves one
 * connection after the other. In between it rests with both sides:
 *
 *   initiator (server, has it in peer->offered)   acceptor (client, peer->kept)
 *                                                 is done with a connection,
 *   IDLE, or ends it if told so       <-- RESET   IDLE, if it keeps it
 *   uses it for the next connection   REQUEST --> uses it again
 *   or has no use for it: TELL        RELEASE --> ENDING: unmaps
 *   ASKED                                         TELL
 *   ENDING: ends the grant            <- RELEASED  gone
 *
 * The acceptor never lets go of one that it keeps by itself, as that would
 * cross a REQUEST. A vchan's name in messages is the grant of its page.
 */
#ifndef XVSOCK_VCHAN_H
#define XVSOCK_VCHAN_H

#include <linux/list.h>

#include "event.h"
#include "pages.h"

struct xvsock_conn;
struct xvsock_peer;

enum xvsock_vchan_state {
	XVSOCK_VCHAN_USED, /* by a connection, and on no list */
	XVSOCK_VCHAN_IDLE, /* the next connection may have it */
	XVSOCK_VCHAN_TELL, /* RELEASE or RELEASED waits for room in the control ring */
	XVSOCK_VCHAN_ASKED, /* the initiator's: the acceptor has to send RELEASED next */
	XVSOCK_VCHAN_ENDING, /* vchan_work takes it apart */
};

struct xvsock_vchan {
	bool server; /* we have granted the page */
	grant_ref_t ref; /* of the page */
	evtchn_port_t server_port; /* the server's end of the event channel */
	struct xvsock_pages shared; /* peer-writable */
	struct xvsock_event event;
	struct xvsock_conn *conn; /* gets the events; NULL while nobody does */
	bool last_kick; /* one more event may come for the connection that has gone */

	/* Protected by peer->lock, unless USED: then they are the connection's. */
	struct list_head node; /* in peer->offered or peer->kept */
	enum xvsock_vchan_state state;
	unsigned long since; /* jiffies: IDLE since then */
};

/*
 * A new one of ours that `domid` may map; or one of its, mapped. Sleep.
 * ERR_PTR: -ENOMEM, -ENOSPC (out of grants or event channels), or what the
 * hypervisor says of a grant or port that is none.
 */
struct xvsock_vchan *xvsock_vchan_offer(domid_t domid);
struct xvsock_vchan *xvsock_vchan_attach(domid_t domid, grant_ref_t ref, evtchn_port_t port);

/* Takes it apart and frees it. Returns 1 if the peer keeps the page mapped, else 0. Sleeps. */
unsigned int xvsock_vchan_end(struct xvsock_vchan *vchan);

/* From now on the connection gets the events. What came before it has to look at itself. */
void xvsock_vchan_use(struct xvsock_vchan *vchan, struct xvsock_conn *conn);

/* On return the connection gets no events and will get none. Sleeps. */
void xvsock_vchan_part(struct xvsock_vchan *vchan);

static inline void xvsock_vchan_kick(const struct xvsock_vchan *vchan)
{
	xvsock_event_kick(&vchan->event);
}

/* -- of a peer; its lock is held for all of these ------------------------- */

/* An idle one of ours, which is the caller's then, or NULL. */
struct xvsock_vchan *xvsock_vchan_take_offered(struct xvsock_peer *peer);

/* The idle one that we keep of the peer with this page, which is the caller's then, or NULL. */
struct xvsock_vchan *xvsock_vchan_take_kept(struct xvsock_peer *peer, grant_ref_t ref);

/* Whether we keep it for the peer's next request. */
bool xvsock_vchan_is_kept(struct xvsock_peer *peer, grant_ref_t ref);

/* Whether one more of the peer's would be kept. */
bool xvsock_vchan_may_keep(const struct xvsock_peer *peer);

/* Has it wait for the next connection. The peer is up. */
void xvsock_vchan_rest(struct xvsock_peer *peer, struct xvsock_vchan *vchan);

/* A RELEASE or RELEASED with this page has come; false if it was not due. */
bool xvsock_vchan_released(struct xvsock_peer *peer, bool server, grant_ref_t ref);

/* The one that the peer is to be told of next, or NULL. */
struct xvsock_vchan *xvsock_vchan_to_tell(struct xvsock_peer *peer);

/* That was written. A client's vchan is gone with it. */
void xvsock_vchan_told(struct xvsock_peer *peer, struct xvsock_vchan *vchan);

/* ------------------------------------------------------------------------ */

void xvsock_vchan_init(struct xvsock_peer *peer);

/* The link is down: takes apart all that rest. Sleeps. */
void xvsock_vchan_end_all(struct xvsock_peer *peer);

#endif /* XVSOCK_VCHAN_H */
