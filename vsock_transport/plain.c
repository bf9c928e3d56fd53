// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections over plain vchans, and how we connect. What the other side has
 * written to xenstore and to the page is read once, and checked.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <xen/xenbus.h>

#include "control.h"
#include "plain.h"
#include "policy.h"
#include "suspend.h"
#include "trace.h"

/* A server whose client has gone closes within this time, or is for the next one, too. */
#define PLAIN_LEFT_MS 250

void xvsock_plain_path(char path[XVSOCK_PLAIN_PATH_MAX], domid_t server, domid_t client, u32 port)
{
	snprintf(path, XVSOCK_PLAIN_PATH_MAX, "/local/domain/%u/data/vsock/%u/%u", server, client,
		 port);
}

int xvsock_plain_read_ports(struct xenbus_device *dev, const char *key,
			    struct xvsock_plain_ports *ports)
{
	char *text = xenbus_read(XBT_NIL, dev->nodename, key, NULL), *rest, *word;

	memset(ports, 0, sizeof(*ports));
	if (IS_ERR(text))
		return PTR_ERR(text) == -ENOENT ? 0 : PTR_ERR(text);
	rest = text;
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		if (!strcmp(word, "any"))
			ports->any = true;
		else if (ports->count == XVSOCK_PLAIN_PORTS ||
			 kstrtou32(word, 10, &ports->ports[ports->count]))
			dev_warn(&dev->dev, "%s: '%s' is no port, or one of more than %u\n", key,
				 word, XVSOCK_PLAIN_PORTS);
		else
			ports->count++;
	}
	kfree(text);
	return 0;
}

/* -- a connection's beginning and end ------------------------------------- */

static unsigned int *plain_count(struct xvsock_peer *peer, const struct xvsock_conn *conn)
{
	return conn->initiator ? &peer->initiated_count : &peer->accepted_count;
}

static struct xarray *plain_table(struct xvsock_peer *peer, const struct xvsock_conn *conn)
{
	return conn->initiator ? &peer->initiated : &peer->accepted;
}

/* Before a socket has it, or while it is being made: nobody else looks at `counted` then. */
bool xvsock_plain_enter_domain(struct xvsock_conn *conn)
{
	conn->plain->counted = xvsock_domain_enter(conn->initiator);
	return conn->plain->counted;
}

static void plain_leave_domain(struct xvsock_conn *conn)
{
	if (conn->plain->counted)
		xvsock_domain_leave(conn->initiator);
	conn->plain->counted = false;
}

static void plain_connect_work(struct work_struct *work);

struct xvsock_conn *xvsock_plain_create(struct xvsock_peer *peer, bool initiator, u32 dst_port)
{
	struct xvsock_conn *conn = xvsock_conn_create(peer, initiator);
	bool fits;
	int err;

	if (!conn)
		return ERR_PTR(-ENOMEM);
	err = -ENOMEM;
	conn->plain = kzalloc(sizeof(*conn->plain), GFP_KERNEL_ACCOUNT);
	if (!conn->plain)
		goto put;
	conn->plain->conn = conn;
	conn->dst_port = dst_port;
	conn->plain->share.limit = U32_MAX;
	INIT_LIST_HEAD(&conn->plain->node);
	INIT_WORK(&conn->plain->connect_work, plain_connect_work);
	conn->tx.growth = XVSOCK_GROWTH_NEVER;
	conn->rx.growth = XVSOCK_GROWTH_NEVER;

	err = -ENOBUFS;
	spin_lock(&peer->lock);
	fits = *plain_count(peer, conn) < xvsock_policy_max_connections(peer);
	/* An offer is this peer's; a connection of the domain's it becomes when a client comes. */
	if (fits && initiator)
		fits = xvsock_plain_enter_domain(conn);
	*plain_count(peer, conn) += fits;
	spin_unlock(&peer->lock);
	if (!fits)
		goto put;
	err = xa_alloc_cyclic(plain_table(peer, conn), &conn->id, xvsock_conn_get(conn),
			      xa_limit_32b, &peer->next_id, GFP_KERNEL);
	if (err >= 0)
		return conn;

	xvsock_conn_put(conn); /* the table's */
	spin_lock(&peer->lock);
	--*plain_count(peer, conn);
	spin_unlock(&peer->lock);
	plain_leave_domain(conn);
put:
	xvsock_conn_put(conn);
	return ERR_PTR(err);
}

static void plain_init_ring(struct xvsock_conn *conn, struct xvsock_ring *ring, unsigned int order)
{
	const struct vchan_places *at = &ring->end.at;

	ring->order = order;
	ring->share = &conn->plain->share;
	/* If there was a client before, they go on. The other side's is checked when used. */
	ring->end.index = ring == &conn->tx ? READ_ONCE(*at->prod) : READ_ONCE(*at->cons);
	ring->end.seen = ring->end.index - ring->end.size; /* no room, until it is looked at */
}

void xvsock_plain_point_at_page(struct xvsock_conn *conn, unsigned int left_order,
				unsigned int right_order)
{
	xvsock_conn_point_at_page(conn, left_order, right_order);
	plain_init_ring(conn, conn->server ? &conn->rx : &conn->tx, left_order);
	plain_init_ring(conn, conn->server ? &conn->tx : &conn->rx, right_order);
	conn->seen_cons = conn->tx.end.index;
	conn->seen_prod = conn->rx.end.index;
}

void xvsock_plain_finish(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;

	trace_xvsock_conn(conn, XVSOCK_TRACE_ENDED, 0);
	xvsock_conn_release_rings(conn);
	if (conn->vchan)
		xvsock_vchan_end(conn->vchan);

	/*
	 * In one step, so that stat.c counts it once. At the link's end the client may
	 * map some pages still; these go back to the budgets, as it is about to let go.
	 */
	spin_lock(&peer->lock);
	xa_erase(plain_table(peer, conn), conn->id);
	--*plain_count(peer, conn);
	xvsock_peer_give_back(peer, conn->server, conn->ring_pages);
	xvsock_peer_count(peer, &conn->counters);
	spin_unlock(&peer->lock);
	plain_leave_domain(conn);
	xvsock_conn_put(conn); /* the table's */
}

void xvsock_plain_end(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	bool wait;

	/* What was made for a socket that did not wait for it. */
	if (!conn->vchan)
		conn->vchan = conn->plain->vchan;
	conn->plain->vchan = NULL;

	/* A client that keeps our pages mapped keeps a place of its own, and none of others. */
	plain_leave_domain(conn);
	spin_lock(&peer->lock);
	wait = conn->server && peer->up;
	if (wait) {
		list_add_tail(&conn->plain->node, &peer->plain->ended);
		xvsock_plain_queue(peer, 0);
	}
	spin_unlock(&peer->lock);
	if (!wait)
		xvsock_plain_finish(conn);
}

/* -- connecting ------------------------------------------------------------ */

bool xvsock_plain_names(const struct xvsock_plain_ports *ports, u32 port)
{
	unsigned int i;

	for (i = 0; i < ports->count; i++)
		if (ports->ports[i] == port)
			return true;
	return ports->any;
}

int xvsock_plain_connect(struct vsock_sock *vsk, struct xvsock_peer *peer)
{
	u32 port = vsk->remote_addr.svm_port;
	struct sock *sk = sk_vsock(vsk);
	struct xvsock_conn *conn;
	int err = -EHOSTUNREACH;

	conn = xvsock_plain_create(peer, true, port);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	conn->src_port = vsk->local_addr.svm_port;

	trace_xvsock_conn(conn, XVSOCK_TRACE_REQUESTED, 0);
	xvsock_tap_state(conn, true, true);
	spin_lock(&peer->lock);
	/* Asked when it is in the table, where the next change of the ports finds it. */
	if (peer->up && !xvsock_plain_names(&peer->plain->connect, port)) {
		err = -ECONNRESET; /* as where nobody listens */
	} else if (peer->up) {
		err = 0;
		sock_hold(sk); /* put in conn_close_work() */
		WRITE_ONCE(conn->sk, sk);
		vsk->trans = xvsock_conn_get(conn); /* put in conn_close_work() */
		xvsock_conn_get(conn); /* put in plain_connect_work() */
		queue_work(xvsock_wq, &conn->plain->connect_work);
	}
	spin_unlock(&peer->lock);
	if (err)
		xvsock_plain_finish(conn);
	xvsock_conn_put(conn); /* ours */
	return err;
}

/* The offer in xenstore, if there is one. */
static enum xvsock_reason plain_find(struct xvsock_conn *conn, grant_ref_t *ref,
				     evtchn_port_t *port)
{
	char path[XVSOCK_PLAIN_PATH_MAX];
	struct xenbus_transaction xbt;
	int err;

	xvsock_plain_path(path, conn->peer->domid, xvsock_own_domid(), conn->dst_port);
	/* Both of one offer: the server writes them in one transaction, too. */
	err = xenbus_transaction_start(&xbt);
	if (!err) {
		err = xenbus_gather(xbt, path, "ring-ref", "%u", ref, "event-channel", "%u", port,
				    NULL);
		xenbus_transaction_end(xbt, 1);
	}
	if (err == -ENOMEM)
		return XVSOCK_REASON_NOMEM;
	return err ? XVSOCK_REASON_REFUSED : 0;
}

/* Whether a server waits behind this page for a client. May sleep for a while. */
static bool plain_is_free(const struct vchan_page *page)
{
	/*
	 * Pairs with the last client's release of its live byte: the indices that we go on
	 * from are those that it has left. A server writes all else before it can be found.
	 */
	u8 client = vchan_load_acquire(&page->cli_live);

	if (client == VCHAN_CLOSED) {
		msleep(PLAIN_LEFT_MS);
		client = vchan_load_acquire(&page->cli_live);
	}
	return vchan_load_acquire(&page->srv_live) != VCHAN_CLOSED && client != VCHAN_OPEN;
}

/* Maps a ring's own pages, if it has any, whose grants are listed there. */
static enum xvsock_reason plain_map_ring(struct xvsock_conn *conn, struct xvsock_ring *ring,
					 unsigned int order, const u32 *grants)
{
	unsigned int i, pages = vchan_ring_pages(order), reserved;
	struct xvsock_peer *peer = conn->peer;
	grant_ref_t *refs;
	int err;

	if (!pages)
		return 0;
	refs = kvmalloc_array(pages, sizeof(*refs), GFP_KERNEL);
	if (!refs)
		return XVSOCK_REASON_NOMEM;
	for (i = 0; i < pages; i++)
		refs[i] = READ_ONCE(grants[i]);

	spin_lock(&peer->lock);
	reserved = xvsock_peer_reserve(peer, false, pages, pages);
	conn->ring_pages += reserved; /* given back in xvsock_plain_finish() */
	spin_unlock(&peer->lock);
	if (reserved)
		err = xvsock_pages_map(&ring->pages, refs, pages, peer->domid, ring == &conn->rx);
	kvfree(refs);
	if (!reserved)
		return XVSOCK_REASON_LIMIT;
	if (!err)
		return 0;
	return err == -ENOMEM ? XVSOCK_REASON_NOMEM : XVSOCK_REASON_INVALID;
}

static enum xvsock_reason plain_map(struct xvsock_conn *conn)
{
	struct xvsock_plain_conn *plain = conn->plain;
	const struct vchan_page *page = xvsock_page(&plain->vchan->shared, 0);
	enum xvsock_reason reason;

	plain->left_order = READ_ONCE(page->left_order);
	plain->right_order = READ_ONCE(page->right_order);
	if (!vchan_orders_valid(plain->left_order, plain->right_order))
		return XVSOCK_REASON_INVALID;
	reason = plain_map_ring(conn, &conn->tx, plain->left_order, page->grants);
	if (!reason)
		reason = plain_map_ring(conn, &conn->rx, plain->right_order,
					page->grants + vchan_ring_pages(plain->left_order));
	return reason;
}

/* Makes all that a client needs, in plain->vchan and the rings' pages. */
static enum xvsock_reason plain_make_client(struct xvsock_conn *conn)
{
	enum xvsock_reason reason;
	struct xvsock_vchan *vchan;
	evtchn_port_t port;
	grant_ref_t ref;

	reason = plain_find(conn, &ref, &port);
	if (reason)
		return reason;
	vchan = xvsock_vchan_attach(conn->peer->domid, ref, port);
	if (IS_ERR(vchan)) {
		/* What a server has left behind, or it has a client: nobody listens. */
		return PTR_ERR(vchan) == -ENOMEM || PTR_ERR(vchan) == -ENOSPC ?
		       XVSOCK_REASON_NOMEM : XVSOCK_REASON_REFUSED;
	}
	conn->plain->vchan = vchan; /* taken apart in xvsock_plain_end(), if not used */
	if (!plain_is_free(xvsock_page(&vchan->shared, 0)))
		return XVSOCK_REASON_REFUSED;
	reason = plain_map(conn);
	if (reason == XVSOCK_REASON_INVALID)
		xvsock_peer_violation(conn->peer, "a vchan that cannot be");
	return reason;
}

static void plain_connect_work(struct work_struct *work)
{
	struct xvsock_plain_conn *plain = container_of(work, struct xvsock_plain_conn,
						       connect_work);
	struct xvsock_conn *conn = plain->conn;
	struct xvsock_peer *peer = conn->peer;
	enum xvsock_reason reason = plain_make_client(conn);

	/* Before the socket sees the answer, all that it is about is there. */
	spin_lock(&peer->lock);
	conn->answered = true;
	conn->accepted = !reason;
	conn->refusal = reason;
	peer->totals.connected += !reason;
	peer->totals.refused += !!reason;
	spin_unlock(&peer->lock);
	xvsock_conn_event(conn);
	xvsock_conn_put(conn);
}

void xvsock_plain_attach(struct xvsock_conn *conn)
{
	struct xvsock_plain_conn *plain = conn->plain;

	conn->vchan = plain->vchan;
	plain->vchan = NULL;
	xvsock_plain_point_at_page(conn, plain->left_order, plain->right_order);
	xvsock_vchan_use(conn->vchan, conn);
	conn->attached = true;
	/*
	 * As libxenvchan's client does it; its server waits for the event. Released, so that
	 * a server which sees it sees nothing of ours later than that; there is no data yet.
	 */
	vchan_store_release(conn->our_live, VCHAN_OPEN);
	vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
	xvsock_vchan_kick(conn->vchan);
	conn->counters.kicks++;
}
