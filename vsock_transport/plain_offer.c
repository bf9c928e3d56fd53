// SPDX-License-Identifier: GPL-2.0-only
/* Offering plain vchans, one for each port that dom0 names, and serving who comes. */
#include <linux/log2.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <xen/xenbus.h>

#include "link.h"
#include "plain.h"
#include "suspend.h"
#include "trace.h"

/* Each ring of an offer, unless the budgets are used up: 64 KiB. */
#define OFFER_ORDER 16

/* How often it is looked whether a client has let go. */
#define LEAVING_RETRY (HZ / 4)

/* What could not be offered is tried again. */
#define OFFER_RETRY HZ

/*
 * How often offers are looked at for clients without an event. Some come without one. And
 * libxenvchan's reads the page's node and the port's one after the other: if another client is
 * served in between, it holds the port of one offer and a page that is none any more, or that is
 * another offer's whose grant is the same. Nobody would ever come for either offer.
 */
#define OFFERS_LOOK HZ

/*
 * Offers made in this time, at most. Each costs some dozens of hypercalls and two
 * transactions, and a client that comes and goes at once makes the next one due.
 */
#define OFFERS_INTERVAL HZ
#define OFFERS_BURST XVSOCK_PLAIN_PORTS

int xvsock_plain_init(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = kzalloc(sizeof(*plain), GFP_KERNEL);

	if (!plain)
		return -ENOMEM;
	plain->peer = peer;
	INIT_LIST_HEAD(&plain->ended);
	INIT_LIST_HEAD(&plain->leaving);
	ratelimit_state_init(&plain->offering, OFFERS_INTERVAL, OFFERS_BURST);
	ratelimit_set_flags(&plain->offering, RATELIMIT_MSG_ON_RELEASE);
	INIT_DELAYED_WORK(&plain->work, xvsock_plain_work);
	peer->path = &xvsock_vchan_path;
	peer->plain = plain;
	return 0;
}

void xvsock_plain_queue(struct xvsock_peer *peer, unsigned long delay)
{
	lockdep_assert_held(&peer->lock);
	/* xvsock_plain_close() comes after the peer has gone down. */
	if (!peer->up)
		return;
	if (delay)
		queue_delayed_work(xvsock_wq, &peer->plain->work, delay);
	else
		mod_delayed_work(xvsock_wq, &peer->plain->work, 0);
}

void xvsock_plain_set_ports(struct xvsock_peer *peer, const struct xvsock_plain_ports *connect,
			    const struct xvsock_plain_ports *accept)
{
	spin_lock(&peer->lock);
	peer->plain->connect = *connect;
	peer->plain->accept = *accept;
	peer->plain->recheck = true;
	xvsock_plain_queue(peer, 0);
	spin_unlock(&peer->lock);
}

void xvsock_plain_open(struct xvsock_peer *peer)
{
	xvsock_peer_up(peer);
	spin_lock(&peer->lock);
	peer->up = true;
	xvsock_plain_queue(peer, 0);
	spin_unlock(&peer->lock);
}

/* -- offers ---------------------------------------------------------------- */

/* Who takes a connection out of its slot does with it what is to be done. peer->lock held. */
static struct xvsock_conn *offer_take(struct xvsock_peer *peer, struct xvsock_plain_slot *slot)
{
	struct xvsock_conn *conn = slot->offer;

	lockdep_assert_held(&peer->lock);
	if (conn) {
		slot->offer = NULL;
		slot->astray = 0;
		peer->plain->offer_count--;
	}
	return conn;
}

/* A ring in pages of its own, if it can be; else it is the one in the shared page. */
static unsigned int offer_ring(struct xvsock_conn *conn, struct xvsock_ring *ring)
{
	unsigned int pages = vchan_ring_pages(OFFER_ORDER);
	struct xvsock_peer *peer = conn->peer;
	bool right = ring == &conn->tx;
	int err = -ENOSPC;

	spin_lock(&peer->lock);
	pages = xvsock_peer_reserve(peer, true, pages, 1);
	conn->ring_pages += pages;
	spin_unlock(&peer->lock);
	/* What we write, the client only reads. */
	if (pages)
		err = xvsock_pages_grant(&ring->pages, pages, peer->domid, right);
	if (!err)
		return VCHAN_PAGE_SHIFT + ilog2(pages);
	spin_lock(&peer->lock);
	xvsock_peer_give_back(peer, true, pages);
	conn->ring_pages -= pages;
	spin_unlock(&peer->lock);
	return right ? VCHAN_ORDER_LARGE : VCHAN_ORDER_SMALL;
}

static void offer_write_page(struct xvsock_conn *conn, unsigned int left, unsigned int right)
{
	struct vchan_page *page = xvsock_page(&conn->vchan->shared, 0);
	const struct xvsock_pages *rings[] = { &conn->rx.pages, &conn->tx.pages };
	unsigned int i, count = 0;

	page->left_order = left;
	page->right_order = right;
	page->cli_live = VCHAN_WAITING;
	page->srv_live = VCHAN_OPEN;
	page->cli_notify = VCHAN_NOTIFY_WRITE;
	page->srv_notify = VCHAN_NOTIFY_WRITE;
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		memcpy(page->grants + count, rings[i]->refs,
		       rings[i]->count * sizeof(grant_ref_t));
		count += rings[i]->count;
	}
}

static void offer_path(char path[XVSOCK_PLAIN_PATH_MAX], struct xvsock_peer *peer, u32 port)
{
	xvsock_plain_path(path, xvsock_own_domid(), peer->domid, port);
}

/* In xenstore it can be read by whom dom0 allows that in the folder. */
static int offer_publish(struct xvsock_peer *peer, struct xvsock_plain_slot *slot,
			 grant_ref_t ref, evtchn_port_t port)
{
	char path[XVSOCK_PLAIN_PATH_MAX];
	int err;

	offer_path(path, peer, slot->port);
	err = xvsock_link_publish(path, ref, port, 0);
	slot->written = true; /* at least in part */
	slot->blank = false;
	return err;
}

/*
 * No client is to find what another has. The nodes stay, because vchan_stream takes it for
 * the end of our domain when they go while it has a connection.
 */
static void offer_blank(struct xvsock_peer *peer, struct xvsock_plain_slot *slot)
{
	char path[XVSOCK_PLAIN_PATH_MAX];

	if (!slot->written || slot->blank)
		return;
	offer_path(path, peer, slot->port);
	xenbus_write(XBT_NIL, path, "event-channel", "");
	xenbus_write(XBT_NIL, path, "ring-ref", "");
	slot->blank = true;
}

static void offer_unpublish(struct xvsock_peer *peer, struct xvsock_plain_slot *slot)
{
	char path[XVSOCK_PLAIN_PATH_MAX];

	if (!slot->written)
		return;
	offer_path(path, peer, slot->port);
	xenbus_rm(XBT_NIL, path, ""); /* dom0 may have done it already */
	slot->written = false;
}

static int offer_make(struct xvsock_peer *peer, struct xvsock_plain_slot *slot)
{
	struct xvsock_conn *conn = xvsock_plain_create(peer, false, slot->port);
	struct xvsock_vchan *vchan;
	unsigned int left, right;
	int err;

	if (IS_ERR(conn))
		return PTR_ERR(conn);
	conn->src_port = conn->id; /* libxenvchan's clients have none */
	vchan = xvsock_vchan_offer(peer->domid);
	err = PTR_ERR_OR_ZERO(vchan);
	if (err) {
		xvsock_plain_finish(conn);
		goto put;
	}
	conn->vchan = vchan;
	conn->plain->slot = slot;
	left = offer_ring(conn, &conn->rx);
	right = offer_ring(conn, &conn->tx);
	offer_write_page(conn, left, right);
	xvsock_plain_point_at_page(conn, left, right);
	conn->attached = true;
	xvsock_vchan_use(vchan, conn);

	/* Who comes from here on, even without having read it, is looked at below. */
	err = offer_publish(peer, slot, vchan->ref, vchan->server_port);
	if (err) {
		xvsock_conn_abandon(conn);
		goto put;
	}
	spin_lock(&peer->lock);
	slot->offer = conn;
	peer->plain->offer_count++;
	spin_unlock(&peer->lock);
	xvsock_conn_queue_event(conn);
put:
	xvsock_conn_put(conn); /* ours */
	return err;
}

/* -- who comes ------------------------------------------------------------- */

static void offer_serve(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	struct sock *listener = xvsock_conn_find_listener(peer, conn->dst_port);
	enum xvsock_reason reason = XVSOCK_REASON_REFUSED;

	trace_xvsock_conn(conn, XVSOCK_TRACE_REQUESTED, 0);
	if (listener) {
		reason = xvsock_plain_enter_domain(conn) ?
				 xvsock_conn_give_socket(conn, listener, NULL) :
				 XVSOCK_REASON_LIMIT;
		sock_put(listener);
	}
	if (!reason)
		return;
	trace_xvsock_conn(conn, XVSOCK_TRACE_REFUSED, reason);
	spin_lock(&peer->lock);
	peer->totals.refused++;
	spin_unlock(&peer->lock);
	xvsock_conn_abandon(conn);
}

void xvsock_plain_event(struct xvsock_conn *conn)
{
	struct xvsock_plain_slot *slot = conn->plain->slot;
	struct xvsock_peer *peer = conn->peer;
	bool came;

	if (!slot)
		return;
	spin_lock(&peer->lock);
	/*
	 * Who came and has gone already is served, too: what it wrote is there, for this
	 * pairs with its release of the live byte after its data.
	 */
	came = slot->offer == conn && vchan_load_acquire(conn->peer_live) != VCHAN_WAITING;
	if (came) {
		offer_take(peer, slot);
		slot->serving = true;
		xvsock_plain_queue(peer, 0); /* which makes the nodes empty */
	}
	spin_unlock(&peer->lock);
	if (!came)
		return;
	offer_serve(conn);
	spin_lock(&peer->lock);
	slot->serving = false;
	xvsock_plain_queue(peer, 0); /* and the next offer */
	spin_unlock(&peer->lock);
}

/* -- the work -------------------------------------------------------------- */

static void plain_enforce(struct xvsock_conn *conn)
{
	const struct xvsock_plain *plain = conn->peer->plain;
	const struct xvsock_plain_slot *slot = conn->plain->slot;
	bool forbidden;

	spin_lock(&conn->peer->lock);
	forbidden = !xvsock_plain_names(conn->initiator ? &plain->connect : &plain->accept,
					conn->dst_port);
	/* An offer is withdrawn by the one who has its slot. */
	if (slot && slot->offer == conn)
		forbidden = false;
	spin_unlock(&conn->peer->lock);
	if (forbidden)
		xvsock_conn_forbid(conn);
}

static struct xvsock_plain_slot *plain_find_slot(struct xvsock_plain *plain, u32 port)
{
	struct xvsock_plain_slot *slot;

	for (slot = plain->slots; slot < plain->slots + XVSOCK_PLAIN_SLOTS; slot++)
		if (slot->used && slot->port == port)
			return slot;
	return NULL;
}

/* Gives every port that is named a slot. */
static void plain_name_slots(struct xvsock_plain *plain, const struct xvsock_plain_ports *accept)
{
	struct xvsock_plain_slot *slot = plain->slots;
	unsigned int i;

	for (i = 0; i < accept->count; i++) {
		if (plain_find_slot(plain, accept->ports[i]))
			continue;
		while (slot < plain->slots + XVSOCK_PLAIN_SLOTS && slot->used)
			slot++;
		if (slot == plain->slots + XVSOCK_PLAIN_SLOTS)
			return; /* until some have been served */
		slot->used = true;
		slot->written = false;
		slot->failed = false;
		slot->port = accept->ports[i];
	}
}

/* Jiffies after which the slot is to be looked at again, or 0. */
static unsigned long plain_offer(struct xvsock_peer *peer, struct xvsock_plain_slot *slot)
{
	int err;

	if (!__ratelimit(&peer->plain->offering))
		return OFFERS_INTERVAL / 4;
	err = offer_make(peer, slot);
	if (err && !slot->failed)
		pr_warn_ratelimited("xen_vsock: port %u is not offered to domain %u: %d\n",
				    slot->port, peer->domid, err);
	slot->failed = err;
	return err ? OFFER_RETRY : OFFERS_LOOK;
}

/*
 * Whether somebody has only the page of the offer, or only its port, for longer than it takes to
 * go from the one to the other and back. Who has both is served. peer->lock held.
 */
static bool plain_is_astray(struct xvsock_plain_slot *slot)
{
	struct xvsock_conn *conn = slot->offer;
	/* Only looked at: xvsock_plain_event() loads it again, with the acquire it needs. */
	bool came = READ_ONCE(*conn->peer_live) != VCHAN_WAITING;
	bool bound = xvsock_event_is_bound(&conn->vchan->event);

	if (came && bound)
		xvsock_conn_queue_event(conn);
	if (came == bound) {
		slot->astray = 0;
		return false;
	}
	if (!slot->astray)
		slot->astray = jiffies | 1;
	return time_after(jiffies, slot->astray + OFFERS_LOOK / 2);
}

/* Likewise. */
static unsigned long plain_look_at_slot(struct xvsock_peer *peer, struct xvsock_plain_slot *slot,
					bool wanted, bool again)
{
	struct xvsock_conn *unwanted = NULL;
	evtchn_port_t port = 0;
	grant_ref_t ref = 0;
	bool offered, serving;

	spin_lock(&peer->lock);
	offered = slot->offer;
	serving = slot->serving;
	/* Only while the offer is in its slot its vchan is certain to be there. */
	if (offered) {
		ref = slot->offer->vchan->ref;
		port = slot->offer->vchan->server_port;
	}
	if (offered && !wanted) {
		unwanted = offer_take(peer, slot);
	} else if (offered && plain_is_astray(slot)) {
		unwanted = offer_take(peer, slot);
		peer->totals.refused++;
		trace_xvsock_conn(unwanted, XVSOCK_TRACE_REFUSED, XVSOCK_REASON_REFUSED);
	}
	spin_unlock(&peer->lock);

	if (unwanted)
		xvsock_conn_abandon(unwanted);
	else if (offered && again) /* dom0 may have made the folder anew */
		offer_publish(peer, slot, ref, port);
	if (!wanted) {
		offer_unpublish(peer, slot);
		slot->used = serving;
		return 0;
	}
	if (offered && !unwanted)
		return OFFERS_LOOK;
	offer_blank(peer, slot);
	return serving ? 0 : plain_offer(peer, slot);
}

static unsigned long plain_look_at_slots(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = peer->plain;
	struct xvsock_plain_ports accept;
	struct xvsock_plain_slot *slot;
	unsigned long when, soonest = 0;
	bool recheck;

	spin_lock(&peer->lock);
	accept = plain->accept;
	recheck = plain->recheck;
	plain->recheck = false;
	spin_unlock(&peer->lock);

	plain_name_slots(plain, &accept);
	for (slot = plain->slots; slot < plain->slots + XVSOCK_PLAIN_SLOTS; slot++) {
		if (!slot->used)
			continue;
		when = plain_look_at_slot(peer, slot, xvsock_plain_names(&accept, slot->port),
					  recheck);
		if (when && (!soonest || when < soonest))
			soonest = when;
	}
	/* What dom0 does not allow any more ends. */
	if (recheck) {
		xvsock_peer_for_each(&peer->initiated, plain_enforce);
		xvsock_peer_for_each(&peer->accepted, plain_enforce);
	}
	return soonest;
}

/* All that can be given back now is, and that is remembered. */
static bool plain_client_let_go(struct xvsock_conn *conn)
{
	bool gone = xvsock_pages_try_revoke(&conn->rx.pages);

	gone &= xvsock_pages_try_revoke(&conn->tx.pages);
	gone &= xvsock_pages_try_revoke(&conn->vchan->shared);
	return gone;
}

static void plain_end_those(struct list_head *list, struct list_head *left)
{
	struct xvsock_plain_conn *plain, *next;

	list_for_each_entry_safe(plain, next, list, node) {
		list_del_init(&plain->node);
		if (plain_client_let_go(plain->conn))
			xvsock_plain_finish(plain->conn);
		else
			list_add(&plain->node, left);
	}
}

static void plain_take_ended(struct xvsock_peer *peer, struct list_head *ended)
{
	spin_lock(&peer->lock);
	list_splice_init(&peer->plain->ended, ended);
	spin_unlock(&peer->lock);
}

/* Looks at new ones now, and at others from time to time. Jiffies until then, or 0. */
static unsigned long plain_end_leaving(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = peer->plain;
	LIST_HEAD(looked_at);

	plain_take_ended(peer, &looked_at);
	if (list_empty(&plain->leaving) || time_after_eq(jiffies, plain->look)) {
		list_splice_init(&plain->leaving, &looked_at);
		plain->look = jiffies + LEAVING_RETRY;
	}
	plain_end_those(&looked_at, &plain->leaving);
	return list_empty(&plain->leaving) ? 0 : max_t(long, plain->look - jiffies, 1);
}

void xvsock_plain_work(struct work_struct *work)
{
	struct xvsock_plain *plain = container_of(to_delayed_work(work), struct xvsock_plain, work);
	struct xvsock_peer *peer = plain->peer;
	unsigned long offers = plain_look_at_slots(peer), leaving = plain_end_leaving(peer);

	if (!offers || (leaving && leaving < offers))
		offers = leaving;
	spin_lock(&peer->lock);
	if (offers)
		xvsock_plain_queue(peer, offers);
	spin_unlock(&peer->lock);
}

void xvsock_plain_close(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = peer->plain;
	struct xvsock_plain_slot *slot;
	struct xvsock_plain_conn *leaving, *next;
	struct xvsock_conn *conn;

	cancel_delayed_work_sync(&plain->work); /* not queued again: the peer is down */
	for (slot = plain->slots; slot < plain->slots + XVSOCK_PLAIN_SLOTS; slot++) {
		spin_lock(&peer->lock);
		conn = offer_take(peer, slot);
		spin_unlock(&peer->lock);
		if (conn)
			xvsock_conn_abandon(conn);
		offer_unpublish(peer, slot);
	}
	plain_take_ended(peer, &plain->leaving);
	list_for_each_entry_safe(leaving, next, &plain->leaving, node) {
		list_del_init(&leaving->node);
		xvsock_plain_finish(leaving->conn);
	}
}
