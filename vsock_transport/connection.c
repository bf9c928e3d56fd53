// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both ends of a connection have in common: its page, what the live bytes
 * say, and how socket and connection part. connection.h says who holds what
 * and in which order it ends.
 */
#include <linux/slab.h>
#include <net/sock.h>

#include "argo_path.h"
#include "connection.h"
#include "control.h"
#include "plain.h"
#include "trace.h"

static void conn_event_work(struct work_struct *work);
static void conn_close_work(struct work_struct *work);

struct xvsock_conn *xvsock_conn_create(struct xvsock_peer *peer, bool initiator)
{
	struct xvsock_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT);

	if (!conn)
		return NULL;
	kref_init(&conn->ref);
	conn->peer = xvsock_peer_get(peer);
	conn->initiator = initiator;
	conn->server = peer->plain ? !initiator : initiator;
	conn->accepted = !initiator;
	conn->live = VCHAN_OPEN;
	conn->seen_live = VCHAN_WAITING;
	conn->sleeps = U8_MAX - 1; /* the first wait is worth a look */
	INIT_LIST_HEAD(&conn->to_send);
	INIT_WORK(&conn->event_work, conn_event_work);
	INIT_WORK(&conn->growth_work, xvsock_growth_work);
	INIT_WORK(&conn->close_work, conn_close_work);
	return conn;
}

static void conn_free(struct kref *ref)
{
	struct xvsock_conn *conn = container_of(ref, struct xvsock_conn, ref);

	xvsock_peer_put(conn->peer);
	kfree(conn->plain);
	kfree(conn->argo);
	kfree(conn);
}

void xvsock_conn_put(struct xvsock_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

void xvsock_conn_queue_event(struct xvsock_conn *conn)
{
	if (!queue_work(xvsock_wq, &xvsock_conn_get(conn)->event_work))
		xvsock_conn_put(conn);
}

void xvsock_conn_violation(struct xvsock_conn *conn, const char *what)
{
	xvsock_peer_violation(conn->peer, what);
	WRITE_ONCE(conn->violated, true);
	xvsock_conn_queue_event(conn);
}

void xvsock_conn_owe(struct xvsock_conn *conn, u16 owed)
{
	lockdep_assert_held(&conn->peer->lock);
	conn->owes |= owed;
	if (list_empty(&conn->to_send))
		list_add_tail(&xvsock_conn_get(conn)->to_send, &conn->peer->to_tell);
}

static void ring_init(struct xvsock_ring *ring, struct vchan_page *page,
		      struct vchan_places at, unsigned int order, unsigned int share)
{
	vchan_end_init(&ring->end, at, order);
	ring->share = (struct xvsock_share *)((u8 *)page + share);
	ring->large = order >= VCHAN_PAGE_SHIFT;
	if (ring->large)
		return;
	ring->small = (u8 *)page + vchan_inpage_offset(order);
	ring->small_size = 1u << order;
}

/* The vchan's server reads left and writes right. */
void xvsock_conn_point_at_page(struct xvsock_conn *conn, unsigned int left_order,
			       unsigned int right_order)
{
	struct vchan_page *page = xvsock_page(&conn->vchan->shared, 0);
	struct vchan_words words = vchan_words_of(page, conn->peer->layout);
	struct xvsock_ring *left = conn->server ? &conn->rx : &conn->tx;
	struct xvsock_ring *right = conn->server ? &conn->tx : &conn->rx;

	conn->page = page;
	ring_init(left, page, words.left, left_order, XVSOCK_SHARE_LEFT);
	ring_init(right, page, words.right, right_order, XVSOCK_SHARE_RIGHT);
	if (conn->server) {
		conn->our_live = &page->srv_live;
		conn->peer_live = &page->cli_live;
		conn->asked_of_us = words.srv_notify;
		conn->asked_of_peer = words.cli_notify;
	} else {
		conn->our_live = &page->cli_live;
		conn->peer_live = &page->srv_live;
		conn->asked_of_us = words.cli_notify;
		conn->asked_of_peer = words.srv_notify;
	}
}

unsigned int xvsock_conn_release_rings(struct xvsock_conn *conn)
{
	unsigned int held = 0;

	conn->page = NULL;
	conn->our_live = NULL;
	if (conn->argo)
		xvsock_argo_release(conn);
	if (conn->server) {
		held += xvsock_pages_revoke(&conn->tx.pages);
		held += xvsock_pages_revoke(&conn->rx.pages);
	} else {
		xvsock_pages_unmap(&conn->tx.pages);
		xvsock_pages_unmap(&conn->rx.pages);
	}
	return held;
}

/*
 * Tells the peer. Everything written to the rings before is visible to
 * whoever sees this value: pairs with the load-acquire in xvsock_conn_sync().
 */
static void conn_set_live(struct xvsock_conn *conn, u8 live)
{
	u8 before = conn->live;

	if (!conn->our_live)
		return;
	conn->live = live;
	if (conn->plain) {
		before = xvsock_plain_live(before);
		live = xvsock_plain_live(live);
	}
	if (live == before)
		return;
	trace_xvsock_conn(conn, XVSOCK_TRACE_SHUTDOWN, live);
	vchan_store_release(conn->our_live, live);
	conn->peer->path->live_changed(conn);
}

void xvsock_conn_set_limit(struct xvsock_conn *conn, u64 bytes)
{
	if (!conn->attached)
		return;
	conn->peer->path->set_limit(conn, bytes);
	/* So does ours, who has the same limit from this side. */
	conn->sk->sk_write_space(conn->sk);
}

/* Wakes everybody who waits on the socket, with the reason in place. */
static void conn_fail_socket(struct xvsock_conn *conn, int err)
{
	struct sock *sk = conn->sk;

	trace_xvsock_conn(conn, XVSOCK_TRACE_BROKEN, -err);
	conn->attached = false;
	conn->broken = true;
	vsock_sk(sk)->peer_shutdown = SHUTDOWN_MASK;
	sock_set_flag(sk, SOCK_DONE);
	sk->sk_err = -err;
	sk_error_report(sk);
	sk->sk_state_change(sk);
	/* That parts the two, so that a peer's pages do not stay with a program that stays. */
	xvsock_conn_queue_event(conn);
}

void xvsock_conn_break(struct xvsock_conn *conn, int err)
{
	if (!conn->attached)
		return;
	conn_set_live(conn, XVSOCK_LIVE_RESET);
	conn_fail_socket(conn, err);
}

void xvsock_conn_sync(struct xvsock_conn *conn)
{
	struct sock *sk = conn->sk;
	struct vsock_sock *vsk = vsock_sk(sk);
	u32 shutdown = 0;
	u8 live;

	if (!conn->attached)
		return;

	/* Before the live byte, which is the peer's word. */
	if (READ_ONCE(conn->violated) || READ_ONCE(conn->forbidden)) {
		xvsock_conn_break(conn, -ECONNRESET);
		return;
	}

	/*
	 * Pairs with conn_set_live() of the peer: the bytes that it sent
	 * before are in the ring for whoever looks after this.
	 */
	live = vchan_load_acquire(conn->peer_live);
	if (conn->plain && live != VCHAN_CLOSED)
		live = VCHAN_OPEN; /* libxenvchan says no more with it */
	if (live == VCHAN_CLOSED && !READ_ONCE(xvsock_suspending)) {
		shutdown = SHUTDOWN_MASK;
		/* This may outlive the link, so it must have an end. */
		conn->peer->path->freeze(conn);
	} else if (READ_ONCE(conn->link_lost) || READ_ONCE(conn->let_go) ||
		   (live & XVSOCK_LIVE_RESET)) {
		/* An acceptor that lets go of what it has not closed says no more, either. */
		conn_fail_socket(conn, -ECONNRESET);
		return;
	}
	if (live & XVSOCK_LIVE_NO_SEND)
		shutdown |= SEND_SHUTDOWN;
	if (live & XVSOCK_LIVE_NO_RECV)
		shutdown |= RCV_SHUTDOWN;

	if ((vsk->peer_shutdown | shutdown) == vsk->peer_shutdown)
		return;
	trace_xvsock_conn(conn, XVSOCK_TRACE_PEER_SHUTDOWN, live);
	vsk->peer_shutdown |= shutdown;
	/* No other client of libxenvchan is to take the vchan for one that waits. */
	if (conn->plain && conn->server)
		conn_set_live(conn, VCHAN_CLOSED);
	if (vsk->peer_shutdown == SHUTDOWN_MASK) {
		sock_set_flag(sk, SOCK_DONE);
		xvsock_tap_state(conn, false, false);
	}
	sk->sk_state_change(sk);
}

struct sock *xvsock_conn_hold_sk(struct xvsock_conn *conn)
{
	struct sock *sk = NULL;

	spin_lock(&conn->peer->lock);
	if (!conn->closing && conn->sk) {
		sk = conn->sk;
		sock_hold(sk);
	}
	spin_unlock(&conn->peer->lock);
	return sk;
}

/* Brings what the peer has done into the socket, which is ours as lock_sock would make it. */
static void conn_bring_events(struct xvsock_conn *conn, struct sock *sk)
{
	struct vsock_sock *vsk = vsock_sk(sk);

	if (vsk->trans != conn)
		return; /* the socket has gone on without us */
	if (sk->sk_state == TCP_SYN_SENT) {
		xvsock_conn_sync_connecting(conn, sk);
		if (vsk->trans != conn || sk->sk_state == TCP_SYN_SENT)
			return;
		/* It may be broken already: then it is parted here, and not by another work. */
	}
	xvsock_conn_sync(conn);
	if (conn->broken)
		xvsock_conn_close(vsk);
}

static void conn_event_work(struct work_struct *work)
{
	struct xvsock_conn *conn = container_of(work, struct xvsock_conn, event_work);
	struct sock *sk = xvsock_conn_hold_sk(conn);

	if (sk) {
		lock_sock(sk);
		conn_bring_events(conn, sk);
		release_sock(sk);
		sock_put(sk);
	} else if (conn->plain) {
		xvsock_plain_event(conn);
	}
	xvsock_conn_put(conn);
}

void xvsock_conn_event(struct xvsock_conn *conn)
{
	struct sock *sk = xvsock_conn_hold_sk(conn);
	bool owned;

	if (!sk)
		return;
	local_bh_disable();
	bh_lock_sock(sk);
	owned = sock_owned_by_user(sk);
	if (!owned)
		conn_bring_events(conn, sk);
	bh_unlock_sock(sk);
	local_bh_enable();
	if (owned)
		xvsock_conn_queue_event(conn);
	sock_put(sk);
}

void xvsock_conn_shutdown(struct xvsock_conn *conn, int mode)
{
	u8 live = conn->live;

	if (!conn->attached)
		return;
	if (mode & SEND_SHUTDOWN)
		live |= XVSOCK_LIVE_NO_SEND;
	if (mode & RCV_SHUTDOWN)
		live |= XVSOCK_LIVE_NO_RECV;
	conn_set_live(conn, live);
}

void xvsock_conn_close(struct vsock_sock *vsk)
{
	struct xvsock_conn *conn = vsk->trans;

	if (!conn)
		return;
	trace_xvsock_conn(conn, XVSOCK_TRACE_CLOSED, conn->broken);
	xvsock_tap_state(conn, true, false);
	vsk->trans = NULL;
	conn->attached = false;
	conn_set_live(conn, conn->broken ? XVSOCK_LIVE_RESET : VCHAN_CLOSED);
	/* Freeing interrupts and unmapping sleep for long; the user need not. */
	queue_work(xvsock_wq, &conn->close_work); /* takes over the socket's reference */
}

void xvsock_conn_abandon(struct xvsock_conn *conn)
{
	conn_set_live(conn, VCHAN_CLOSED);
	xvsock_conn_get(conn);
	if (WARN_ON_ONCE(!queue_work(xvsock_wq, &conn->close_work)))
		xvsock_conn_put(conn);
}

/*
 * From here on nothing is begun for this connection. True if it was never
 * announced to the peer; its place on to_request is gone then.
 */
static bool conn_begin_closing(struct xvsock_conn *conn)
{
	bool listed, withdrawn;

	spin_lock(&conn->peer->lock);
	conn->closing = true;
	withdrawn = conn->initiator && !conn->requested;
	if (withdrawn)
		conn->let_go = true;
	/* What still has to be said: how it ends, and the RESPONSE that goes before that. */
	conn->owes &= XVSOCK_OWES_LIVE | (conn->initiator ? 0 : XVSOCK_OWES_RESPONSE);
	listed = !list_empty(&conn->to_send) && !conn->owes;
	if (listed)
		list_del_init(&conn->to_send);
	spin_unlock(&conn->peer->lock);
	return listed;
}

void xvsock_conn_stop(struct xvsock_conn *conn)
{
	if (conn_begin_closing(conn))
		xvsock_conn_put(conn); /* the list's */
	if (cancel_work_sync(&conn->event_work))
		xvsock_conn_put(conn); /* that work's */
	if (cancel_work_sync(&conn->growth_work))
		xvsock_conn_put(conn); /* that work's */
	if (conn->plain && cancel_work_sync(&conn->plain->connect_work))
		xvsock_conn_put(conn); /* that work's */
}

static void conn_close_work(struct work_struct *work)
{
	struct xvsock_conn *conn = container_of(work, struct xvsock_conn, close_work);
	struct xvsock_peer *peer = conn->peer;
	bool end;

	/*
	 * The vchan stays for now: while our REQUEST is unanswered, the peer
	 * may still bind to the port, so the port must stay ours.
	 */
	conn->peer->path->part(conn);
	xvsock_conn_stop(conn);
	if (conn->sk)
		sock_put(conn->sk);

	spin_lock(&peer->lock);
	conn->closed = true;
	end = conn->let_go;
	spin_unlock(&peer->lock);

	if (conn->plain) {
		xvsock_plain_end(conn);
	} else if (conn->initiator) {
		if (end)
			xvsock_conn_end_initiated(conn);
	} else {
		xvsock_conn_end_accepted(conn);
		spin_lock(&peer->lock);
		if (peer->up)
			xvsock_conn_owe(conn, XVSOCK_OWES_RESET);
		spin_unlock(&peer->lock);
		xvsock_control_flush(peer);
	}
	xvsock_conn_put(conn); /* the socket's, or xvsock_conn_abandon()'s */
}

void xvsock_conn_link_lost(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	bool end = false;

	WRITE_ONCE(conn->link_lost, true);
	if (conn->initiator) {
		/* Nobody will answer now. A plain one that is closed has let go already. */
		spin_lock(&peer->lock);
		end = conn->closed && !conn->let_go;
		conn->let_go = true;
		spin_unlock(&peer->lock);
	}
	if (end)
		xvsock_conn_end_initiated(conn);
	else
		xvsock_conn_queue_event(conn);
}

void xvsock_conn_forbid(struct xvsock_conn *conn)
{
	WRITE_ONCE(conn->forbidden, true);
	xvsock_conn_queue_event(conn);
}
