/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A peer: another domain on this host that we have a link to, from when that
 * comes up for as long as it stands. When the link goes and comes back, that is a new
 * peer object; connections of the old one end with it.
 *
 * Locks, outermost first:
 *   lock_sock(listener)
 *     lock_sock(child or connecting socket)
 *       peers_lock
 *         peer->lock
 * The last two are taken in process context only. Interrupt handlers take no
 * lock of ours: they queue work or wake the socket.
 */
#ifndef XVSOCK_PEER_H
#define XVSOCK_PEER_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <xen/interface/xen.h>

#include "argo.h"
#include "event.h"
#include "pages.h"
#include "path.h"
#include "protocol.h"
#include "vchan.h"
#include <vchan/ring.h>

struct xvsock_conn;
struct xvsock_counters;
struct xvsock_peer;
struct xvsock_plain;
struct xvsock_policy;

/* What has happened with a peer, beside what its living connections count. */
struct xvsock_totals {
	u64 connected; /* connections that were established, by either side */
	u64 refused; /* requests of either side that were not */
	u64 denied; /* the peer's, for ports that dom0 does not let it reach */
	u64 tx_bytes; /* these and the rest: of connections that have ended */
	u64 rx_bytes;
	u64 tx_messages;
	u64 rx_messages;
	u64 kicks;
	u64 events;
	u64 spurious;
	u64 spins;
	u64 spins_won;
};

/*
 * A request of the peer that is being served. It has a work of its own, which
 * may wait for the listener's lock: nothing waits for it in turn.
 */
struct xvsock_served {
	struct work_struct work; /* holds a reference of the peer */
	struct xvsock_peer *peer;
	struct xvsock_message msg;
	/* Protected by peer->lock: */
	bool busy; /* until its answer is written */
	bool refused; /* RESET with msg.reason waits for room */
};

/* The control vchan. Its two ring ends are protected as said in struct xvsock_peer. */
struct xvsock_control {
	struct xvsock_pages shared;
	bool server; /* we granted the page: we are the frontend */
	struct xvsock_event event;
	struct vchan_end tx;
	struct vchan_end rx;
	u8 *tx_ring;
	u8 *rx_ring;
	u8 *asked_of_us; /* notify bits that the peer sets and we clear */
	u8 *asked_of_peer; /* notify bits that we set and the peer clears */
};

struct xvsock_peer {
	struct kref ref;
	domid_t domid;
	u32 cid;
	u32 own_cid; /* what dom0 says with this link that ours is, or 0 */
	/* Under peers_lock: */
	struct list_head node; /* in the list of those that have their CIDs */
	bool reachable; /* connect() finds it */

	/* A domain without the module: no control channel, and no requests. Else NULL. */
	struct xvsock_plain *plain;

	const struct xvsock_path *path; /* of all that follows */
	enum vchan_layout layout; /* of connections; the control page has libxenvchan's */
	struct xvsock_control control; /* rx end: control_work only */
	struct xvsock_argo_ring argo_control; /* on Argo; read by control_work only */
	struct work_struct control_work;
	u32 offer; /* frontend: what ring-ref says in xenstore */

	u32 seen_cons; /* of the control vchan's tx ring; control_work only */

	/* The peer may have so many requests without an answer: one more breaks the rules. */
	struct xvsock_served served[XVSOCK_REQUEST_WINDOW];

	struct delayed_work vchan_work; /* takes vchans apart; queued under the lock, while up */

	atomic_t violations; /* broken rules */

	spinlock_t lock; /* protects all that follows */
	bool up; /* the control vchan may be used; plain: connections may begin */
	bool broken; /* the peer broke the control protocol; the link is coming down */
	struct xvsock_policy *policy; /* ours; policy.c replaces it */
	struct xarray initiated; /* our connections by id, until the peer lets go of them */
	struct xarray accepted; /* the peer's, by its id while we map them; plain: by ours */
	u32 next_id;
	unsigned int initiated_count; /* with the vchans that wait for the next one */
	unsigned int accepted_count; /* likewise */
	unsigned int unanswered; /* requests on the way, at most XVSOCK_REQUEST_WINDOW */
	unsigned int granted_pages; /* of large rings, granted to this peer */
	unsigned int mapped_pages; /* of large rings of this peer, that we map */
	struct list_head to_request; /* connections whose REQUEST waits for room */
	struct list_head to_tell; /* connections whose other messages wait for room */
	struct list_head offered; /* vchans of ours that no connection uses */
	struct list_head kept; /* likewise of the peer's; vchan.h says more */
	unsigned int offered_count;
	unsigned int kept_count; /* without those whose RELEASED is all that is left */
	unsigned int vchans_to_tell; /* of both lists: RELEASE or RELEASED waits for room */
	struct xvsock_totals totals;
	/* The control vchan's tx end is protected by it, too. */

	void (*on_broken)(struct xvsock_peer *peer); /* asks the link to come down */
	void *link;
};

/* Work that may wait for a socket's lock, and so for a user. */
extern struct workqueue_struct *xvsock_wq;
/* Work that may not: of control channels and links. */
extern struct workqueue_struct *xvsock_control_wq;

/* The domain is about to be saved: even what could still be read is let go of. */
extern bool xvsock_suspending;

/*
 * Makes a peer whose control vchan is not there yet. The caller has the only
 * reference. The policy, which kmalloc() has made, is the peer's, unless this returns
 * NULL. Sleeps.
 */
struct xvsock_peer *xvsock_peer_create(domid_t domid, struct xvsock_policy *policy);

/*
 * A link will say, when it comes up, that our CID is this. So that programs that begin before
 * find it, it is ours already, unless it is in use or other links say another one.
 */
void xvsock_peer_expect_own_cid(u32 cid);

/* The CID that is ours as long as dom0 has given us none. */
void xvsock_peer_default_own_cid(u32 cid);

/*
 * The peer has its CID from now on, and this domain the one that dom0 says with the link: before
 * there is a control channel, over which the peer could connect by them. xvsock_peer_down() gives
 * both back. -EEXIST, which is logged, if the peer's CID is that of another link or our own, or
 * if another link says a different one of ours: until that goes.
 */
int xvsock_peer_claim(struct xvsock_peer *peer);

/* From now on connect() finds the peer. */
void xvsock_peer_up(struct xvsock_peer *peer);

/*
 * Ends all connections with ECONNRESET, closes the control vchan and drops
 * the caller's reference. Sockets may keep the peer itself alive for longer.
 * `held` is what the peer still maps of the control vchan, to be revoked by the
 * caller. Sleeps, but never waits for a user.
 */
void xvsock_peer_down(struct xvsock_peer *peer, struct xvsock_pages *held);

/* The peer with this CID, referenced, or NULL. Process context. */
struct xvsock_peer *xvsock_peer_find(u32 cid);

bool xvsock_peer_exists(u32 cid);

/* The CID by which this peer knows us, whatever other links say. */
u32 xvsock_peer_own_cid(const struct xvsock_peer *peer);

/*
 * The peer with the next higher CID after this one, whose reference it takes
 * over, or the first for NULL; referenced. NULL after the last.
 */
struct xvsock_peer *xvsock_peer_next(struct xvsock_peer *peer);

static inline struct xvsock_peer *xvsock_peer_get(struct xvsock_peer *peer)
{
	kref_get(&peer->ref);
	return peer;
}

void xvsock_peer_put(struct xvsock_peer *peer);

/* Calls it for the connections of one of a peer's tables, which are referenced meanwhile. */
void xvsock_peer_for_each(struct xarray *table, void (*call)(struct xvsock_conn *conn));

/* Records that the peer broke the protocol. Any context. */
void xvsock_peer_violation(struct xvsock_peer *peer, const char *what);

/*
 * Takes a place among the connections that this domain may have with all its peers: those
 * that it begins, or those that it accepts. False if dom0 allows no more. Any context.
 */
bool xvsock_domain_enter(bool initiator);
void xvsock_domain_leave(bool initiator);

/* To be called when a peer's policy was replaced. Neither its lock nor another peer's is held. */
void xvsock_peer_renew_domain_limits(void);

/*
 * Takes pages out of the budgets of this peer and of the domain: for granting,
 * or for mapping. At most `pages`, a power of two, and less as the budgets run
 * out, but not less than `least`; returns how many, or 0. peer->lock held.
 */
unsigned int xvsock_peer_reserve(struct xvsock_peer *peer, bool granting, unsigned int pages,
				 unsigned int least);
void xvsock_peer_give_back(struct xvsock_peer *peer, bool granting, unsigned int pages);

/* Adds what a connection that ends has counted. peer->lock held. */
void xvsock_peer_count(struct xvsock_peer *peer, const struct xvsock_counters *counters);

/* The CID of a domain that dom0 has given none: dom0 is VMADDR_CID_HOST, the others follow. */
static inline u32 xvsock_cid_of(domid_t domid)
{
	return domid + 2;
}

#endif /* XVSOCK_PEER_H */
