// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the small ring to a large one. Connections begin in one page, because
 * most carry little and grants are scarce. A direction moves to a ring in pages
 * of its own when its writer has more to send than the small one takes, or its
 * reader wants to find more in it at once.
 *
 *   initiator                              acceptor
 *   has a wish for tx or rx, or            has one: sends WANT
 *   takes the acceptor's; grants
 *   pages, sends GROW                      maps them, sends GROWN
 *
 * The initiator grants both directions' pages, as a vchan's server does, and so
 * the acceptor has let go of everything when it sends RESET. Either may be
 * refused, by GROW with order 0 or by GROWN with a reason: the direction stays
 * small then, and is asked for again no sooner than RETRY later.
 *
 * With that, both ends have the pages. The writer moves when it next writes: it
 * stores its index in share->moved_at, then share->moved, then goes on in the
 * large ring. Its store-release of prod comes later. So a reader whose
 * load-acquire of prod finds a byte of the large ring also finds `moved`, and
 * must look at it before it takes prod for too large. The reader copies
 * moved_at, which can lie no further ahead than the small ring is long, and
 * takes the bytes before it out of the small ring.
 *
 * The reader has the pages before its writer can know of them: they are
 * published by the store-release of `growth` before GROW or GROWN is sent, and
 * the writer's `moved` comes after that was received. A `moved` for which there
 * are no pages is a lie.
 *
 * `growth` changes under peer->lock. A ring's pages are filled and given back
 * by whoever has set it to MAKING, until it is READY; then they stay until the
 * connection's end.
 */
#include <linux/log2.h>
#include <net/sock.h>

#include "connection.h"
#include "control.h"
#include "trace.h"

#define RETRY HZ

/* The order of a ring as large as the socket, and for a writer also its peer, would have it. */
static unsigned int growth_order(const struct xvsock_conn *conn, const struct xvsock_ring *ring)
{
	u64 bytes = vsock_sk(conn->sk)->buffer_size;

	if (ring == &conn->tx)
		bytes = min_t(u64, bytes, READ_ONCE(ring->share->limit));
	bytes = clamp_t(u64, bytes, 1u << XVSOCK_LARGE_ORDER_MIN, 1u << XVSOCK_LARGE_ORDER_MAX);
	return ilog2(roundup_pow_of_two((unsigned long)bytes));
}

/* Initiator: allocates and grants, less than asked for if it must be. 0, or why there is none. */
static u32 growth_grant(struct xvsock_conn *conn, struct xvsock_ring *ring, unsigned int order)
{
	struct xvsock_peer *peer = conn->peer;
	unsigned int reserved, pages;
	int err;

	spin_lock(&peer->lock);
	reserved = xvsock_peer_reserve(peer, true, vchan_ring_pages(order), 1);
	spin_unlock(&peer->lock);
	if (!reserved)
		return XVSOCK_REASON_LIMIT;

	pages = reserved;
	do {
		/* What we write, the acceptor only reads. */
		err = xvsock_pages_grant(&ring->pages, pages, peer->domid, ring == &conn->tx);
	} while (err && (pages /= 2));

	spin_lock(&peer->lock);
	xvsock_peer_give_back(peer, true, reserved - pages);
	conn->ring_pages += pages;
	spin_unlock(&peer->lock);
	return err ? XVSOCK_REASON_NOMEM : 0;
}

/* Initiator: what GROW is to say. The first page lists them all, until there is data in it. */
static void growth_list(struct xvsock_ring *ring)
{
	const struct xvsock_pages *pages = &ring->pages;

	ring->order = VCHAN_PAGE_SHIFT + ilog2(pages->count);
	ring->ref = pages->refs[0];
	memcpy(xvsock_page(pages, 0), pages->refs, pages->count * sizeof(grant_ref_t));
}

/* Initiator: the acceptor would not have it, and so does not map it. */
static void growth_revoke(struct xvsock_conn *conn, struct xvsock_ring *ring)
{
	unsigned int pages = ring->pages.count;
	unsigned int held = xvsock_pages_revoke(&ring->pages);

	spin_lock(&conn->peer->lock);
	pages -= min(pages, held); /* what it has kept stays on its account */
	xvsock_peer_give_back(conn->peer, true, pages);
	conn->ring_pages -= pages;
	spin_unlock(&conn->peer->lock);
}

/* Acceptor: maps what the initiator has granted. 0, or why not. */
static u32 growth_map(struct xvsock_conn *conn, struct xvsock_ring *ring)
{
	unsigned int i, reserved, count = vchan_ring_pages(ring->order);
	grant_ref_t *refs = kvmalloc_array(count, sizeof(*refs), GFP_KERNEL);
	struct xvsock_peer *peer = conn->peer;
	struct xvsock_pages first = {};
	const u32 *list;
	int err;

	if (!refs)
		return XVSOCK_REASON_NOMEM;
	spin_lock(&peer->lock);
	reserved = xvsock_peer_reserve(peer, false, count, count);
	conn->ring_pages += reserved;
	spin_unlock(&peer->lock);
	if (!reserved) {
		kvfree(refs);
		return XVSOCK_REASON_LIMIT;
	}

	err = xvsock_pages_map(&first, &ring->ref, 1, peer->domid, true);
	if (!err) {
		/* Read once; what the initiator writes there later does not matter. */
		list = xvsock_page(&first, 0);
		for (i = 0; i < count; i++)
			refs[i] = READ_ONCE(list[i]);
		xvsock_pages_unmap(&first);
		err = xvsock_pages_map(&ring->pages, refs, count, peer->domid,
				       ring == &conn->rx);
	}
	kvfree(refs);
	if (!err)
		return 0;
	spin_lock(&peer->lock);
	conn->ring_pages -= count;
	xvsock_peer_give_back(peer, false, count);
	spin_unlock(&peer->lock);
	return err == -ENOMEM ? XVSOCK_REASON_NOMEM : XVSOCK_REASON_INVALID;
}

/* Whoever waits for what a larger ring would bring looks again. */
static void growth_wake(struct xvsock_conn *conn)
{
	struct sock *sk = xvsock_conn_hold_sk(conn);

	if (!sk)
		return;
	sk->sk_write_space(sk);
	sk->sk_data_ready(sk);
	sock_put(sk);
}

/* The ring is MAKING, and ours to work on. Sleeps. */
static void growth_make(struct xvsock_conn *conn, struct xvsock_ring *ring, unsigned int order)
{
	bool tx = ring == &conn->tx;
	enum xvsock_growth made;
	u32 refusal;
	u16 owed;

	if (!conn->initiator) {
		refusal = growth_map(conn, ring);
		made = XVSOCK_GROWTH_READY;
		owed = tx ? XVSOCK_OWES_GROWN_TX : XVSOCK_OWES_GROWN_RX;
	} else {
		/* What was refused once may still be there. */
		refusal = ring->pages.count ? 0 : growth_grant(conn, ring, order);
		if (!refusal)
			growth_list(ring);
		made = tx ? XVSOCK_GROWTH_ASKED : XVSOCK_GROWTH_OFFERED;
		owed = tx ? XVSOCK_OWES_GROW_TX : XVSOCK_OWES_GROW_RX;
	}

	spin_lock(&conn->peer->lock);
	ring->refusal = refusal;
	if (refusal) {
		ring->order = order;
		ring->retry = jiffies + RETRY;
		made = XVSOCK_GROWTH_NONE;
	}
	/* Pairs with the load-acquires in xvsock_growth_move() and _follow(). */
	smp_store_release(&ring->growth, made);
	trace_xvsock_growth(conn, tx, ring);
	if (!conn->closing)
		xvsock_conn_owe(conn, owed);
	spin_unlock(&conn->peer->lock);
	xvsock_control_flush(conn->peer);
	growth_wake(conn);
}

void xvsock_growth_work(struct work_struct *work)
{
	struct xvsock_conn *conn = container_of(work, struct xvsock_conn, growth_work);
	struct xvsock_ring *rings[] = { &conn->tx, &conn->rx };
	bool todo, revoke;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		spin_lock(&conn->peer->lock);
		todo = rings[i]->todo;
		rings[i]->todo = false;
		revoke = rings[i]->growth == XVSOCK_GROWTH_REFUSED;
		spin_unlock(&conn->peer->lock);
		if (!todo)
			continue;
		if (!revoke) {
			growth_make(conn, rings[i], rings[i]->order);
			continue;
		}
		growth_revoke(conn, rings[i]);
		spin_lock(&conn->peer->lock);
		rings[i]->growth = XVSOCK_GROWTH_NONE;
		trace_xvsock_growth(conn, rings[i] == &conn->tx, rings[i]);
		spin_unlock(&conn->peer->lock);
	}
	xvsock_conn_put(conn);
}

void xvsock_growth_ask(struct xvsock_conn *conn, struct xvsock_ring *ring)
{
	bool ask;

	if (READ_ONCE(ring->growth) != XVSOCK_GROWTH_NONE ||
	    time_before(jiffies, READ_ONCE(ring->retry)))
		return;

	spin_lock(&conn->peer->lock);
	ask = ring->growth == XVSOCK_GROWTH_NONE;
	if (ask)
		ring->growth = conn->initiator ? XVSOCK_GROWTH_MAKING : XVSOCK_GROWTH_ASKED;
	if (ask && !conn->initiator) {
		ring->order = growth_order(conn, ring);
		xvsock_conn_owe(conn, ring == &conn->tx ? XVSOCK_OWES_WANT_TX :
							  XVSOCK_OWES_WANT_RX);
	}
	if (ask)
		trace_xvsock_growth(conn, ring == &conn->tx, ring);
	spin_unlock(&conn->peer->lock);
	if (!ask)
		return;
	if (conn->initiator)
		growth_make(conn, ring, growth_order(conn, ring)); /* on the caller's account */
	else
		xvsock_control_flush(conn->peer);
}

/* What a message changes; returns what is wrong with it, or NULL. */
static const char *growth_take(struct xvsock_conn *conn, struct xvsock_ring *ring,
			       const struct xvsock_message *msg, unsigned int order)
{
	bool tx = ring == &conn->tx;
	u16 owed;

	lockdep_assert_held(&conn->peer->lock);
	switch (msg->op) {
	case XVSOCK_OP_WANT:
		owed = tx ? XVSOCK_OWES_GROW_TX : XVSOCK_OWES_GROW_RX;
		if (!conn->accepted)
			return "a wish for a connection that is none";
		/* Otherwise it is on its way already. */
		if (ring->growth != XVSOCK_GROWTH_NONE || (conn->owes & owed))
			return NULL;
		ring->order = order;
		if (time_before(jiffies, ring->retry)) {
			ring->refusal = XVSOCK_REASON_LIMIT;
			xvsock_conn_owe(conn, owed);
			return NULL;
		}
		ring->growth = XVSOCK_GROWTH_MAKING;
		ring->todo = true;
		return NULL;

	case XVSOCK_OP_GROW:
		owed = tx ? XVSOCK_OWES_GROWN_TX : XVSOCK_OWES_GROWN_RX;
		if ((ring->growth != XVSOCK_GROWTH_NONE && ring->growth != XVSOCK_GROWTH_ASKED) ||
		    (conn->owes & owed))
			return "a ring that was not due";
		ring->order = order;
		ring->ref = msg->ring_ref;
		if (msg->reason) {
			ring->retry = jiffies + RETRY;
			ring->growth = XVSOCK_GROWTH_NONE;
			return NULL;
		}
		ring->growth = XVSOCK_GROWTH_MAKING;
		ring->todo = true;
		return NULL;

	default: /* GROWN */
		if (ring->growth != (tx ? XVSOCK_GROWTH_ASKED : XVSOCK_GROWTH_OFFERED) ||
		    order != ring->order)
			return "an answer to no ring";
		if (!msg->reason) {
			/* Pairs with the load-acquire in xvsock_growth_move(). */
			smp_store_release(&ring->growth, XVSOCK_GROWTH_READY);
			return NULL;
		}
		ring->retry = jiffies + RETRY;
		/*
		 * A peer that lies may have moved already, so pages that we
		 * read from stay; they are offered again next time.
		 */
		ring->growth = tx ? XVSOCK_GROWTH_REFUSED : XVSOCK_GROWTH_NONE;
		ring->todo = tx;
		return NULL;
	}
}

void xvsock_growth_message(struct xvsock_conn *conn, const struct xvsock_message *msg)
{
	unsigned int order = msg->left_order ? msg->left_order : msg->right_order;
	struct xvsock_ring *ring = !msg->left_order == conn->initiator ? &conn->tx : &conn->rx;
	const char *wrong = NULL;
	bool todo = false;

	if ((msg->left_order && msg->right_order) || order < XVSOCK_LARGE_ORDER_MIN ||
	    order > XVSOCK_LARGE_ORDER_MAX) {
		xvsock_conn_violation(conn, "an impossible order of a ring");
		return;
	}

	spin_lock(&conn->peer->lock);
	if (!conn->closing) {
		wrong = growth_take(conn, ring, msg, order);
		trace_xvsock_growth(conn, ring == &conn->tx, ring);
		todo = ring->todo;
		if (todo && !queue_work(xvsock_wq, &xvsock_conn_get(conn)->growth_work))
			xvsock_conn_put(conn);
	}
	spin_unlock(&conn->peer->lock);
	if (wrong)
		xvsock_conn_violation(conn, wrong);
	else if (!todo)
		growth_wake(conn);
}

void xvsock_growth_fill(struct xvsock_conn *conn, u16 owed, struct xvsock_message *msg)
{
	bool tx = owed & (XVSOCK_OWES_WANT_TX | XVSOCK_OWES_GROW_TX | XVSOCK_OWES_GROWN_TX);
	const struct xvsock_ring *ring = tx ? &conn->tx : &conn->rx;

	if (tx == conn->initiator)
		msg->right_order = ring->order;
	else
		msg->left_order = ring->order;

	switch (owed) {
	case XVSOCK_OWES_GROW_TX:
	case XVSOCK_OWES_GROW_RX:
		msg->op = XVSOCK_OP_GROW;
		msg->reason = ring->refusal;
		msg->ring_ref = ring->refusal ? 0 : ring->ref;
		break;
	case XVSOCK_OWES_GROWN_TX:
	case XVSOCK_OWES_GROWN_RX:
		msg->op = XVSOCK_OP_GROWN;
		msg->reason = ring->refusal;
		break;
	default:
		msg->op = XVSOCK_OP_WANT;
	}
}

void xvsock_growth_move(struct xvsock_conn *conn)
{
	struct xvsock_ring *tx = &conn->tx;

	/* Pairs with the store-release that made it READY: the pages are there. */
	if (tx->large || smp_load_acquire(&tx->growth) != XVSOCK_GROWTH_READY)
		return;
	WRITE_ONCE(tx->share->moved_at, tx->end.index);
	/* After moved_at, before prod: pairs with the load-acquire in xvsock_growth_follow(). */
	vchan_store_release(&tx->share->moved, 1);
	tx->end.size = tx->pages.count << VCHAN_PAGE_SHIFT;
	tx->large = true;
	trace_xvsock_growth(conn, true, tx);
}

bool xvsock_growth_follow(struct xvsock_conn *conn)
{
	struct xvsock_ring *rx = &conn->rx;
	enum xvsock_growth growth;
	u32 left;

	/* Pairs with the store-release in the peer's xvsock_growth_move(). */
	if (rx->large || !vchan_load_acquire(&rx->share->moved))
		return true;
	growth = smp_load_acquire(&rx->growth); /* pairs with growth_make() */
	if (growth != XVSOCK_GROWTH_OFFERED && growth != XVSOCK_GROWTH_READY)
		return false;
	rx->moved_at = READ_ONCE(rx->share->moved_at);
	left = rx->moved_at - rx->end.index;
	if (left > rx->small_size)
		return false;
	/* Not rx->order, which the peer's next wish may change this moment. */
	rx->end.size = rx->pages.count << VCHAN_PAGE_SHIFT;
	rx->large = true;
	rx->draining = left;
	trace_xvsock_growth(conn, false, rx);
	return true;
}
