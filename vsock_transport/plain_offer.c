// SPDX-License-Identifier: GPL-2.0-only
/* Offering plain vchans, one for each port that dom0 names, and serving who comes. */
#include <linux/log2.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <xen/xenbus.h>

#include "limits.h"
#include "link.h"
#include "plain.h"
#include "trace.h"

/* Each ring of an offer, unless the budgets are used up: 64 KiB. */
#define OFFER_ORDER 16

/* How often it is looked whether a client has let go. */
#define LEAVING_RETRY (HZ / 4)

/* What could not be offered is tried again. */
#define OFFER_RETRY HZ

/*
 * Offers made in this time, at most. Each costs some dozens of hypercalls and a
 * transaction, and a client that comes and goes at once makes the next one due.
 */
#define OFFERS_INTERVAL HZ
#define OFFERS_BURST XVSOCK_PLAIN_PORTS

int xvsock_plain_init(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = kzalloc(sizeof(*plain), GFP_KERNEL);

	if (!plain)
		return -ENOMEM;
	plain->peer = peer;
	INIT_LIST_HEAD(&plain->offers);
	INIT_LIST_HEAD(&plain->leaving);
	ratelimit_state_init(&plain->offering, OFFERS_INTERVAL, OFFERS_BURST);
	ratelimit_set_flags(&plain->offering, RATELIMIT_MSG_ON_RELEASE);
	INIT_DELAYED_WORK(&plain->work, xvsock_plain_work);
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

int xvsock_plain_open(struct xvsock_peer *peer)
{
	int err = xvsock_peer_up(peer);

	if (err)
		return err;
	spin_lock(&peer->lock);
	peer->up = true;
	xvsock_plain_queue(peer, 0);
	spin_unlock(&peer->lock);
	return 0;
}

/* -- making and withdrawing ------------------------------------------------ */

static bool offer_exists(const struct xvsock_plain *plain, u32 port)
{
	const struct xvsock_plain_conn *offer;

	list_for_each_entry(offer, &plain->offers, node)
		if (offer->conn->dst_port == port)
			return true;
	return false;
}

/* A port that has no offer and wants one. */
static bool offer_next_missing(struct xvsock_peer *peer, u32 *port)
{
	const struct xvsock_plain_ports *ports = &peer->plain->accept;
	bool missing = false;
	unsigned int i;

	spin_lock(&peer->lock);
	for (i = 0; !missing && peer->up && i < ports->count; i++) {
		*port = ports->ports[i];
		missing = !offer_exists(peer->plain, *port);
	}
	spin_unlock(&peer->lock);
	return missing;
}

/* Who takes a connection from the list does with it what is to be done. peer->lock held. */
static void offer_take(struct xvsock_peer *peer, struct xvsock_plain_conn *offer)
{
	list_del_init(&offer->node);
	offer->offered = false;
	peer->kept_count--;
}

/* One that is offered and unwanted, or whatever is offered; NULL for none. */
static struct xvsock_conn *offer_take_unwanted(struct xvsock_peer *peer, bool all)
{
	struct xvsock_plain_conn *offer;
	struct xvsock_conn *conn = NULL;

	spin_lock(&peer->lock);
	list_for_each_entry(offer, &peer->plain->offers, node) {
		if (all || !xvsock_plain_names(&peer->plain->accept, offer->conn->dst_port)) {
			conn = xvsock_conn_get(offer->conn);
			offer_take(peer, offer);
			break;
		}
	}
	spin_unlock(&peer->lock);
	return conn;
}

/* A ring in pages of its own, if it can be; else it is the one in the shared page. */
static unsigned int offer_ring(struct xvsock_conn *conn, struct xvsock_ring *ring)
{
	unsigned int pages = vchan_ring_pages(OFFER_ORDER);
	bool right = ring == &conn->tx;
	struct xvsock_peer *peer = conn->peer;

	spin_lock(&peer->lock);
	pages = xvsock_peer_reserve(peer, true, pages, 1);
	spin_unlock(&peer->lock);
	/* What we write, the client only reads. */
	if (pages && xvsock_pages_grant(&ring->pages, pages, peer->domid, right)) {
		spin_lock(&peer->lock);
		xvsock_peer_give_back(peer, true, pages);
		spin_unlock(&peer->lock);
		pages = 0;
	}
	conn->ring_pages += pages;
	if (pages)
		return VCHAN_PAGE_SHIFT + ilog2(pages);
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

/* In xenstore it can be read by whom dom0 allows that in the folder. */
static int offer_publish(struct xvsock_conn *conn)
{
	char path[XVSOCK_PLAIN_PATH_MAX];

	xvsock_plain_path(path, xvsock_plain_own_domid(), conn->peer->domid, conn->dst_port);
	return xvsock_link_publish(path, conn->vchan->ref, conn->vchan->server_port, 0);
}

static void offer_unpublish(struct xvsock_peer *peer, u32 port)
{
	char path[XVSOCK_PLAIN_PATH_MAX];

	xvsock_plain_path(path, xvsock_plain_own_domid(), peer->domid, port);
	xenbus_rm(XBT_NIL, path, ""); /* dom0 may have done it already */
}

static int offer_make(struct xvsock_peer *peer, u32 port)
{
	struct xvsock_conn *conn = xvsock_plain_create(peer, false);
	struct xvsock_vchan *vchan;
	unsigned int left, right;
	int err;

	if (IS_ERR(conn))
		return PTR_ERR(conn);
	conn->dst_port = port;
	conn->src_port = conn->id; /* libxenvchan's clients have none */
	vchan = xvsock_vchan_offer(peer->domid);
	err = PTR_ERR_OR_ZERO(vchan);
	if (err)
		goto finish;
	conn->vchan = vchan;
	left = offer_ring(conn, &conn->rx);
	right = offer_ring(conn, &conn->tx);
	offer_write_page(conn, left, right);
	xvsock_plain_point_at_page(conn, left, right);
	conn->attached = true;

	spin_lock(&peer->lock);
	list_add_tail(&conn->plain->node, &peer->plain->offers);
	conn->plain->offered = true;
	peer->kept_count++;
	spin_unlock(&peer->lock);
	xvsock_vchan_use(vchan, conn);
	err = offer_publish(conn);
	if (!err)
		goto put;

	/* A client can have come only to what was published. */
	spin_lock(&peer->lock);
	offer_take(peer, conn->plain);
	spin_unlock(&peer->lock);
	xvsock_conn_abandon(conn);
	goto put;
finish:
	xvsock_plain_finish(conn);
put:
	xvsock_conn_put(conn); /* ours */
	return err;
}

/* -- who comes ------------------------------------------------------------- */

static void offer_serve(struct xvsock_conn *conn)
{
	struct sock *listener = xvsock_conn_find_listener(conn->dst_port);
	enum xvsock_reason reason = XVSOCK_REASON_REFUSED;
	struct xvsock_peer *peer = conn->peer;

	trace_xvsock_conn(conn, XVSOCK_TRACE_REQUESTED, 0);
	if (listener) {
		reason = xvsock_conn_give_socket(conn, listener, NULL);
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
	struct xvsock_peer *peer = conn->peer;
	bool came;

	spin_lock(&peer->lock);
	/* Who came and has gone already is served, too: what it wrote is there. */
	came = conn->plain->offered && vchan_load_acquire(conn->peer_live) != VCHAN_WAITING;
	if (came) {
		offer_take(peer, conn->plain);
		xvsock_plain_queue(peer, 0);
	}
	spin_unlock(&peer->lock);
	if (came)
		offer_serve(conn);
}

/* -- the work -------------------------------------------------------------- */

static bool plain_is_forbidden(struct xvsock_conn *conn)
{
	const struct xvsock_plain *plain = conn->peer->plain;
	bool forbidden;

	spin_lock(&conn->peer->lock);
	forbidden = !xvsock_plain_names(conn->initiator ? &plain->connect : &plain->accept,
					conn->dst_port);
	spin_unlock(&conn->peer->lock);
	return forbidden;
}

/* What dom0 does not allow any more ends. */
static void plain_cut(struct xvsock_peer *peer)
{
	bool recheck;

	spin_lock(&peer->lock);
	recheck = peer->plain->recheck;
	peer->plain->recheck = false;
	spin_unlock(&peer->lock);
	if (!recheck)
		return;
	xvsock_peer_lose(&peer->initiated, plain_is_forbidden);
	xvsock_peer_lose(&peer->accepted, plain_is_forbidden);
}

static void plain_withdraw(struct xvsock_peer *peer)
{
	struct xvsock_conn *conn;

	while ((conn = offer_take_unwanted(peer, false))) {
		offer_unpublish(peer, conn->dst_port);
		xvsock_conn_abandon(conn);
		xvsock_conn_put(conn);
	}
}

/* Jiffies until it is to be tried again, or 0. */
static unsigned long plain_offer(struct xvsock_peer *peer)
{
	int err;
	u32 port;

	while (offer_next_missing(peer, &port)) {
		if (!__ratelimit(&peer->plain->offering))
			return OFFERS_INTERVAL / 4;
		err = offer_make(peer, port);
		if (err) {
			pr_warn_ratelimited("xen_vsock: port %u is not offered to domain %u: %d\n",
					    port, peer->domid, err);
			return OFFER_RETRY;
		}
	}
	return 0;
}

static struct xvsock_conn *plain_next_leaving(struct xvsock_peer *peer, struct list_head *list)
{
	struct xvsock_plain_conn *plain;

	spin_lock(&peer->lock);
	plain = list_first_entry_or_null(list, struct xvsock_plain_conn, node);
	if (plain)
		list_del_init(&plain->node);
	spin_unlock(&peer->lock);
	return plain ? plain->conn : NULL;
}

/* All that can be given back now is, and that is remembered. */
static bool plain_client_let_go(struct xvsock_conn *conn)
{
	bool gone = xvsock_pages_try_revoke(&conn->rx.pages);

	gone &= xvsock_pages_try_revoke(&conn->tx.pages);
	gone &= !conn->vchan || xvsock_pages_try_revoke(&conn->vchan->shared);
	return gone;
}

/* Returns whether some are left. */
static bool plain_end_leaving(struct xvsock_peer *peer)
{
	struct xvsock_conn *conn;
	LIST_HEAD(looked_at);
	bool left;

	spin_lock(&peer->lock);
	list_splice_init(&peer->plain->leaving, &looked_at);
	spin_unlock(&peer->lock);
	while ((conn = plain_next_leaving(peer, &looked_at))) {
		if (plain_client_let_go(conn)) {
			xvsock_plain_finish(conn);
			continue;
		}
		spin_lock(&peer->lock);
		list_add(&conn->plain->node, &peer->plain->leaving);
		spin_unlock(&peer->lock);
	}
	spin_lock(&peer->lock);
	left = !list_empty(&peer->plain->leaving);
	spin_unlock(&peer->lock);
	return left;
}

void xvsock_plain_work(struct work_struct *work)
{
	struct xvsock_plain *plain = container_of(to_delayed_work(work), struct xvsock_plain, work);
	struct xvsock_peer *peer = plain->peer;
	unsigned long again;

	plain_withdraw(peer);
	plain_cut(peer);
	again = plain_offer(peer);
	if (plain_end_leaving(peer) && (!again || again > LEAVING_RETRY))
		again = LEAVING_RETRY;
	spin_lock(&peer->lock);
	if (again)
		xvsock_plain_queue(peer, again);
	spin_unlock(&peer->lock);
}

void xvsock_plain_close(struct xvsock_peer *peer)
{
	struct xvsock_plain *plain = peer->plain;
	struct xvsock_conn *conn;
	unsigned int i;

	cancel_delayed_work_sync(&plain->work); /* not queued again: the peer is down */
	while ((conn = offer_take_unwanted(peer, true))) {
		xvsock_conn_abandon(conn);
		xvsock_conn_put(conn);
	}
	for (i = 0; i < plain->accept.count; i++)
		offer_unpublish(peer, plain->accept.ports[i]);
	while ((conn = plain_next_leaving(peer, &plain->leaving)))
		xvsock_plain_finish(conn);
}
