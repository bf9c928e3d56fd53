// SPDX-License-Identifier: GPL-2.0-only
/* The life of a connection; connection.h says who holds what and in which order it ends. */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "compat.h"
#include "connection.h"
#include "control.h"
#include "limits.h"
#include "transport.h"

/* One connection takes at most this part of what is left of the page budget. */
#define BUDGET_SHARE 16

static void conn_event_work(struct work_struct *work);
static void conn_close_work(struct work_struct *work);

static struct xvsock_conn *conn_create(struct xvsock_peer *peer, bool initiator)
{
	struct xvsock_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT);

	if (!conn)
		return NULL;
	kref_init(&conn->ref);
	conn->peer = xvsock_peer_get(peer);
	conn->initiator = initiator;
	conn->live = VCHAN_OPEN;
	conn->seen_live = VCHAN_WAITING;
	conn->sleeps = U8_MAX - 1; /* the first wait is worth a look */
	INIT_LIST_HEAD(&conn->to_send);
	INIT_WORK(&conn->event_work, conn_event_work);
	INIT_WORK(&conn->close_work, conn_close_work);
	return conn;
}

static void conn_free(struct kref *ref)
{
	struct xvsock_conn *conn = container_of(ref, struct xvsock_conn, ref);

	xvsock_peer_put(conn->peer);
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

/* Points a ring's end at its indices and its memory. */
static void ring_init(struct xvsock_conn *conn, struct xvsock_ring *ring,
		      struct vchan_indices *indices, unsigned int order)
{
	u32 inpage = vchan_inpage_offset(order);

	vchan_end_init(&ring->end, indices, order);
	ring->inpage = inpage ? (u8 *)conn->page + inpage : NULL;
}

/* The initiator is the vchan's server: it reads left and writes right. */
static void conn_point_at_page(struct xvsock_conn *conn, unsigned int left, unsigned int right)
{
	struct vchan_page *page = xvsock_page(&conn->shared, 0);

	conn->page = page;
	if (conn->initiator) {
		conn->our_live = &page->srv_live;
		conn->peer_live = &page->cli_live;
		conn->asked_of_us = &page->srv_notify;
		conn->asked_of_peer = &page->cli_notify;
		ring_init(conn, &conn->rx, &page->left, left);
		ring_init(conn, &conn->tx, &page->right, right);
	} else {
		conn->our_live = &page->cli_live;
		conn->peer_live = &page->srv_live;
		conn->asked_of_us = &page->cli_notify;
		conn->asked_of_peer = &page->srv_notify;
		ring_init(conn, &conn->tx, &page->left, left);
		ring_init(conn, &conn->rx, &page->right, right);
	}
}

/*
 * Tells the peer. Everything written to the rings before is visible to
 * whoever sees this value: pairs with the load-acquire in xvsock_conn_sync().
 */
static void conn_set_live(struct xvsock_conn *conn, u8 live)
{
	if (!conn->page || conn->live == live)
		return;
	conn->live = live;
	vchan_store_release(conn->our_live, live);
	/* Not asked for, so always kicked: it happens at most four times. */
	xvsock_event_kick(&conn->event);
}

/*
 * Gives the pages back: revokes the initiator's, unmaps the acceptor's. Returns
 * how many of the initiator's the peer still maps.
 */
static unsigned int conn_release_pages(struct xvsock_conn *conn)
{
	unsigned int held = 0;

	conn->page = NULL;
	if (conn->initiator) {
		held += xvsock_pages_revoke(&conn->tx.pages);
		held += xvsock_pages_revoke(&conn->rx.pages);
		held += xvsock_pages_revoke(&conn->shared);
	} else {
		xvsock_pages_unmap(&conn->tx.pages);
		xvsock_pages_unmap(&conn->rx.pages);
		xvsock_pages_unmap(&conn->shared);
	}
	return held;
}

static unsigned int conn_ring_pages(const struct xvsock_conn *conn)
{
	return conn->tx.pages.count + conn->rx.pages.count;
}

/* -- the initiator ------------------------------------------------------- */

/*
 * The order of both rings: what SO_VM_SOCKETS_BUFFER_SIZE asks for, but less
 * as the peer's budget runs out, so that the many still get something: beyond
 * the budget a connection lives in its shared page alone. Takes the pages out
 * of the budget.
 */
static unsigned int conn_choose_order(struct xvsock_peer *peer, u64 buffer_size)
{
	u64 wanted = clamp_t(u64, buffer_size, VCHAN_PAGE_SIZE, 1u << VCHAN_ORDER_MAX);
	unsigned int order = ilog2(roundup_pow_of_two((unsigned long)wanted));
	unsigned int left;

	spin_lock(&peer->lock);
	left = xvsock_max_ring_pages - min(xvsock_max_ring_pages, peer->granted_pages);
	while (order >= VCHAN_PAGE_SHIFT && 2 * vchan_ring_pages(order) > left / BUDGET_SHARE)
		order--;
	peer->granted_pages += 2 * vchan_ring_pages(order);
	spin_unlock(&peer->lock);
	return order;
}

static int conn_grant_rings(struct xvsock_conn *conn, unsigned int order)
{
	domid_t domid = conn->peer->domid;
	unsigned int pages = vchan_ring_pages(order);
	int err;

	err = xvsock_pages_grant(&conn->rx.pages, pages, domid, false);
	if (err)
		return err;
	/* The acceptor only reads what we send. */
	err = xvsock_pages_grant(&conn->tx.pages, pages, domid, true);
	if (err)
		xvsock_pages_revoke(&conn->rx.pages);
	return err;
}

static int conn_grant(struct xvsock_conn *conn, u64 buffer_size)
{
	struct xvsock_peer *peer = conn->peer;
	unsigned int left, right, order, i;
	struct vchan_page *page;
	unsigned int reserved;
	int err;

	err = xvsock_pages_grant(&conn->shared, 1, peer->domid, false);
	if (err)
		return err;

	order = conn_choose_order(peer, buffer_size);
	reserved = 2 * vchan_ring_pages(order);
	/* Short of memory or of grants, smaller rings are better than none. */
	while (order >= VCHAN_PAGE_SHIFT && conn_grant_rings(conn, order))
		order--;
	spin_lock(&peer->lock);
	peer->granted_pages -= reserved - conn_ring_pages(conn);
	spin_unlock(&peer->lock);

	left = order < VCHAN_PAGE_SHIFT ? VCHAN_ORDER_SMALL : order;
	right = order < VCHAN_PAGE_SHIFT ? VCHAN_ORDER_LARGE : order;

	conn_point_at_page(conn, left, right);
	page = conn->page;
	page->left_order = left;
	page->right_order = right;
	page->cli_live = VCHAN_WAITING;
	page->srv_live = VCHAN_OPEN;
	page->cli_notify = VCHAN_NOTIFY_WRITE;
	page->srv_notify = VCHAN_NOTIFY_WRITE;
	for (i = 0; i < conn->rx.pages.count; i++)
		page->grants[i] = conn->rx.pages.refs[i];
	for (i = 0; i < conn->tx.pages.count; i++)
		page->grants[conn->rx.pages.count + i] = conn->tx.pages.refs[i];
	return 0;
}

/* Takes a place in the peer's table, which makes the id the connection's. */
static int conn_enter_initiated(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	int err = 0;

	spin_lock(&peer->lock);
	if (peer->initiated_count >= xvsock_max_connections)
		err = -ENOBUFS;
	else
		peer->initiated_count++;
	spin_unlock(&peer->lock);
	if (err)
		return err;

	err = xa_alloc_cyclic(&peer->initiated, &conn->id, xvsock_conn_get(conn), xa_limit_32b,
			      &peer->next_id, GFP_KERNEL);
	if (err < 0) {
		xvsock_conn_put(conn);
		spin_lock(&peer->lock);
		peer->initiated_count--;
		spin_unlock(&peer->lock);
		return err;
	}
	return 0;
}

/* The end of an initiator's connection: nobody maps its pages, or nobody ever will. */
static void conn_end_initiated(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	unsigned int pages = conn_ring_pages(conn);
	unsigned int held;

	xvsock_event_close(&conn->event);
	held = conn_release_pages(conn);

	xa_erase(&peer->initiated, conn->id);
	spin_lock(&peer->lock);
	/* What a peer does not give back stays on its account as long as the link lasts. */
	if (!held)
		peer->initiated_count--;
	peer->granted_pages -= pages - min(pages, held);
	spin_unlock(&peer->lock);
	xvsock_conn_put(conn); /* the table's */
}

int xvsock_conn_connect(struct vsock_sock *vsk, struct xvsock_peer *peer)
{
	struct xvsock_conn *conn = conn_create(peer, true);
	struct sock *sk = sk_vsock(vsk);
	int err;

	if (!conn)
		return -ENOMEM;
	conn->src_port = vsk->local_addr.svm_port;
	conn->dst_port = vsk->remote_addr.svm_port;

	err = conn_enter_initiated(conn);
	if (err)
		goto put;
	err = conn_grant(conn, vsk->buffer_size);
	if (err)
		goto leave;

	conn->sk = sk;
	err = xvsock_event_alloc(&conn->event, peer->domid, xvsock_data_interrupt, "xvsock", conn);
	if (err)
		goto leave;
	conn->attached = true;

	spin_lock(&peer->lock);
	if (peer->up) {
		list_add_tail(&xvsock_conn_get(conn)->to_send, &peer->to_request);
		sock_hold(sk); /* put in conn_close_work() */
		vsk->trans = xvsock_conn_get(conn); /* put in conn_close_work() */
	} else {
		err = -EHOSTUNREACH;
	}
	spin_unlock(&peer->lock);
	if (err)
		goto leave;

	xvsock_conn_put(conn); /* ours */
	xvsock_control_flush(peer);
	return 0;

leave:
	/* The link may be going down this moment: it is not to end this one, too. */
	spin_lock(&peer->lock);
	conn->closed = true;
	conn->let_go = true;
	spin_unlock(&peer->lock);
	conn_end_initiated(conn);
put:
	xvsock_conn_put(conn); /* ours */
	return err;
}

static void conn_connected(struct xvsock_conn *conn, struct sock *sk)
{
	sk->sk_state = TCP_ESTABLISHED;
	if (sk->sk_socket)
		sk->sk_socket->state = SS_CONNECTED;
	vsock_insert_connected(vsock_sk(sk));
	xvsock_conn_sync(conn); /* the peer may have shut down already */
	sk->sk_state_change(sk);
}

static void conn_connect_failed(struct xvsock_conn *conn, struct sock *sk, int err)
{
	conn->attached = false;
	sk->sk_state = TCP_CLOSE;
	if (sk->sk_socket)
		sk->sk_socket->state = SS_UNCONNECTED;
	sk->sk_err = -err;
	sk_error_report(sk);
	xvsock_conn_close(vsock_sk(sk));
}

/* What a connect() that was refused fails with. */
static int conn_refusal_error(u32 reason)
{
	switch (reason) {
	case XVSOCK_REASON_LIMIT:
		return -ENOBUFS;
	case XVSOCK_REASON_INVALID:
		return -EPROTO;
	case XVSOCK_REASON_NOMEM:
		return -ENOMEM;
	default:
		return -ECONNRESET; /* what AF_VSOCK says where TCP says ECONNREFUSED */
	}
}

/* conn->sk, referenced, unless the socket is gone. */
static struct sock *conn_hold_sk(struct xvsock_conn *conn)
{
	struct sock *sk = NULL;

	spin_lock(&conn->peer->lock);
	if (!conn->closed && conn->sk) {
		sk = conn->sk;
		sock_hold(sk);
	}
	spin_unlock(&conn->peer->lock);
	return sk;
}

void xvsock_conn_answered(struct xvsock_conn *conn, const struct xvsock_message *msg)
{
	bool reset = msg->op == XVSOCK_OP_RESET;
	struct xvsock_peer *peer = conn->peer;
	bool valid, first, end = false;

	spin_lock(&peer->lock);
	first = !conn->answered;
	valid = conn->requested && !conn->let_go && (first || reset);
	if (valid) {
		conn->answered = true;
		peer->unanswered -= first;
		if (reset) {
			conn->refusal = msg->reason;
			conn->let_go = true;
			end = conn->closed;
		} else {
			conn->accepted = true;
		}
	}
	spin_unlock(&peer->lock);

	if (!valid) {
		xvsock_peer_violation(peer, "an answer that was not due");
		return;
	}
	if (end)
		conn_end_initiated(conn);
	else
		xvsock_conn_queue_event(conn);
}

/* -- the acceptor -------------------------------------------------------- */

static int conn_map_ring(struct xvsock_conn *conn, struct xvsock_ring *ring, unsigned int first,
			 unsigned int order, bool readonly)
{
	unsigned int i, count = vchan_ring_pages(order);
	grant_ref_t *refs;
	int err;

	if (!count)
		return 0;
	refs = kvmalloc_array(count, sizeof(*refs), GFP_KERNEL);
	if (!refs)
		return -ENOMEM;
	/* Read once; what the initiator writes there later does not matter. */
	for (i = 0; i < count; i++)
		refs[i] = READ_ONCE(conn->page->grants[first + i]);
	err = xvsock_pages_map(&ring->pages, refs, count, conn->peer->domid, readonly);
	kvfree(refs);
	return err;
}

static int conn_map(struct xvsock_conn *conn, const struct xvsock_message *request)
{
	unsigned int left = request->left_order, right = request->right_order;
	grant_ref_t ref = request->ring_ref;
	int err;

	err = xvsock_pages_map(&conn->shared, &ref, 1, conn->peer->domid, false);
	if (err)
		return err;
	conn_point_at_page(conn, left, right);
	err = conn_map_ring(conn, &conn->tx, 0, left, false);
	if (!err)
		err = conn_map_ring(conn, &conn->rx, vchan_ring_pages(left), right, true);
	if (!err)
		err = xvsock_event_bind(&conn->event, conn->peer->domid, request->event_channel,
					xvsock_data_interrupt, "xvsock", conn);
	if (err)
		conn_release_pages(conn);
	return err;
}

/* Takes the place in the table and the share of the budget that the request asks for. */
static enum xvsock_reason conn_enter_accepted(struct xvsock_conn *conn,
					      const struct xvsock_message *request)
{
	unsigned int pages = vchan_ring_pages(request->left_order) +
			     vchan_ring_pages(request->right_order);
	struct xvsock_peer *peer = conn->peer;
	bool fits;
	int err;

	spin_lock(&peer->lock);
	fits = peer->accepted_count < xvsock_max_connections &&
	       peer->mapped_pages + pages <= xvsock_max_ring_pages;
	if (fits) {
		peer->accepted_count++;
		peer->mapped_pages += pages;
	}
	spin_unlock(&peer->lock);
	if (!fits)
		return XVSOCK_REASON_LIMIT;

	err = xa_insert(&peer->accepted, conn->id, xvsock_conn_get(conn), GFP_KERNEL);
	if (!err)
		return 0;
	xvsock_conn_put(conn);
	spin_lock(&peer->lock);
	peer->accepted_count--;
	peer->mapped_pages -= pages;
	spin_unlock(&peer->lock);
	return err == -EBUSY ? XVSOCK_REASON_INVALID : XVSOCK_REASON_NOMEM;
}

/* Unmaps an acceptor's connection and forgets it; RESET may be sent then. */
static void conn_end_accepted(struct xvsock_conn *conn, unsigned int pages)
{
	struct xvsock_peer *peer = conn->peer;

	xvsock_event_close(&conn->event);
	conn_release_pages(conn);

	xa_erase(&peer->accepted, conn->id);
	spin_lock(&peer->lock);
	peer->accepted_count--;
	peer->mapped_pages -= pages;
	spin_unlock(&peer->lock);
	xvsock_conn_put(conn); /* the table's */
}

/* The new socket of an accepted connection; the listener is locked. */
static enum xvsock_reason conn_make_child(struct xvsock_conn *conn, struct sock *listener)
{
	struct xvsock_peer *peer = conn->peer;
	struct vsock_sock *vchild;
	struct sock *child;
	bool up;

	/* A listener that was closed meanwhile still says TCP_LISTEN; its queue is flushed. */
	if (listener->sk_state != TCP_LISTEN || listener->sk_shutdown == SHUTDOWN_MASK ||
	    listener->sk_type != SOCK_STREAM || sk_acceptq_is_full(listener))
		return XVSOCK_REASON_REFUSED;

	child = vsock_create_connected(listener);
	if (!child)
		return XVSOCK_REASON_NOMEM;
	vchild = vsock_sk(child);

	lock_sock_nested(child, SINGLE_DEPTH_NESTING);
	vsock_addr_init(&vchild->local_addr, xvsock_local_cid(), conn->dst_port);
	vsock_addr_init(&vchild->remote_addr, peer->cid, conn->src_port);
	/* Other transports may be loaded; the socket must come to this one. */
	if (vsock_assign_transport(vchild, vsock_sk(listener)) || !xvsock_is_ours(vchild)) {
		release_sock(child);
		sock_put(child);
		return XVSOCK_REASON_REFUSED;
	}

	spin_lock(&peer->lock);
	up = peer->up;
	if (up) {
		sock_hold(child); /* put in conn_close_work() */
		vchild->trans = xvsock_conn_get(conn); /* put in conn_close_work() */
		WRITE_ONCE(conn->sk, child);
		conn->owes_response = true;
		list_add_tail(&xvsock_conn_get(conn)->to_send, &peer->to_answer);
	}
	spin_unlock(&peer->lock);
	if (!up) {
		/* xvsock_peer_down() may have looked at this connection already. */
		release_sock(child);
		sock_put(child);
		return XVSOCK_REASON_REFUSED;
	}
	child->sk_state = TCP_ESTABLISHED;

	vsock_insert_connected(vchild);
	vsock_enqueue_accept(listener, child);
	xvsock_acceptq_added(listener);
	/*
	 * What the peer did while there was no socket to tell. The barrier
	 * pairs with the event of the peer's kick: either the interrupt
	 * handler sees conn->sk, or this sees the live byte.
	 */
	smp_mb();
	xvsock_conn_sync(conn);
	release_sock(child);

	listener->sk_data_ready(listener);
	return 0;
}

static bool conn_request_valid(const struct xvsock_message *request)
{
	return request->id && request->type == SOCK_STREAM &&
	       request->src_port != VMADDR_PORT_ANY && request->dst_port != VMADDR_PORT_ANY &&
	       vchan_orders_valid(request->left_order, request->right_order);
}

enum xvsock_reason xvsock_conn_accept(struct xvsock_peer *peer,
				      const struct xvsock_message *request)
{
	enum xvsock_reason reason;
	struct xvsock_conn *conn;
	struct sockaddr_vm addr;
	struct sock *listener;
	unsigned int pages;
	int err;

	if (!conn_request_valid(request)) {
		xvsock_peer_violation(peer, "a malformed request");
		return XVSOCK_REASON_INVALID;
	}

	/* Before anything is mapped: a stranger's knock must stay cheap. */
	vsock_addr_init(&addr, xvsock_local_cid(), request->dst_port);
	listener = vsock_find_bound_socket(&addr);
	if (!listener)
		return XVSOCK_REASON_REFUSED;
	reason = XVSOCK_REASON_REFUSED;
	if (READ_ONCE(listener->sk_state) != TCP_LISTEN || sk_acceptq_is_full(listener))
		goto put_listener;

	reason = XVSOCK_REASON_NOMEM;
	conn = conn_create(peer, false);
	if (!conn)
		goto put_listener;
	conn->id = request->id;
	conn->src_port = request->src_port;
	conn->dst_port = request->dst_port;

	reason = conn_enter_accepted(conn, request);
	if (reason)
		goto put_conn;
	pages = vchan_ring_pages(request->left_order) + vchan_ring_pages(request->right_order);

	err = conn_map(conn, request);
	if (err) {
		/* -ENOSPC: we are out of event channels */
		reason = err == -ENOMEM || err == -ENOSPC ? XVSOCK_REASON_NOMEM :
							    XVSOCK_REASON_INVALID;
		goto end;
	}
	reason = XVSOCK_REASON_REFUSED;
	if (!(vchan_load_acquire(conn->peer_live) & VCHAN_OPEN))
		goto end; /* the initiator has given up meanwhile */
	vchan_store_release(conn->our_live, VCHAN_OPEN);
	conn->attached = true;

	lock_sock(listener);
	reason = conn_make_child(conn, listener);
	release_sock(listener);
	if (!reason)
		goto put_conn;
end:
	conn_end_accepted(conn, pages);
put_conn:
	xvsock_conn_put(conn); /* ours */
put_listener:
	sock_put(listener);
	return reason;
}

/* -- both ---------------------------------------------------------------- */

/* Wakes everybody who waits on the socket, with the reason in place. */
static void conn_fail_socket(struct xvsock_conn *conn, int err)
{
	struct sock *sk = conn->sk;

	conn->attached = false;
	conn->broken = true;
	vsock_sk(sk)->peer_shutdown = SHUTDOWN_MASK;
	sock_set_flag(sk, SOCK_DONE);
	sk->sk_err = -err;
	sk_error_report(sk);
	sk->sk_state_change(sk);
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

	/*
	 * Pairs with conn_set_live() of the peer: the bytes that it sent
	 * before are in the ring for whoever looks after this.
	 */
	live = vchan_load_acquire(conn->peer_live);
	if (live == VCHAN_CLOSED) {
		shutdown = SHUTDOWN_MASK;
	} else if (conn->link_lost || (live & XVSOCK_LIVE_RESET)) {
		conn_fail_socket(conn, -ECONNRESET);
		return;
	}
	if (live & XVSOCK_LIVE_NO_SEND)
		shutdown |= SEND_SHUTDOWN;
	if (live & XVSOCK_LIVE_NO_RECV)
		shutdown |= RCV_SHUTDOWN;

	if ((vsk->peer_shutdown | shutdown) == vsk->peer_shutdown)
		return;
	vsk->peer_shutdown |= shutdown;
	if (vsk->peer_shutdown == SHUTDOWN_MASK)
		sock_set_flag(sk, SOCK_DONE);
	sk->sk_state_change(sk);
}

/* What has come for a socket that is connecting; nothing counts before the answer. */
static void conn_sync_connecting(struct xvsock_conn *conn, struct sock *sk)
{
	bool accepted, refused;

	spin_lock(&conn->peer->lock);
	accepted = conn->accepted;
	refused = conn->answered && !accepted;
	spin_unlock(&conn->peer->lock);

	if (accepted)
		conn_connected(conn, sk);
	else if (refused)
		conn_connect_failed(conn, sk, conn_refusal_error(conn->refusal));
	else if (READ_ONCE(conn->link_lost))
		conn_connect_failed(conn, sk, -ECONNRESET);
}

static void conn_event_work(struct work_struct *work)
{
	struct xvsock_conn *conn = container_of(work, struct xvsock_conn, event_work);
	struct sock *sk = conn_hold_sk(conn);

	if (sk) {
		lock_sock(sk);
		if (vsock_sk(sk)->trans != conn)
			; /* the socket has gone on without us */
		else if (sk->sk_state == TCP_SYN_SENT)
			conn_sync_connecting(conn, sk);
		else
			xvsock_conn_sync(conn);
		release_sock(sk);
		sock_put(sk);
	}
	xvsock_conn_put(conn);
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
	vsk->trans = NULL;
	conn->attached = false;
	conn_set_live(conn, conn->broken ? XVSOCK_LIVE_RESET : VCHAN_CLOSED);
	/* Freeing interrupts and unmapping sleep for long; the user need not. */
	queue_work(xvsock_wq, &conn->close_work); /* takes over the socket's reference */
}

/* Owes the peer the RESET that gives an accepted connection's grants back to it. */
static void conn_owe_reset(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;

	spin_lock(&peer->lock);
	if (peer->up) {
		conn->owes_reset = true;
		/* If RESPONSE still waits there, RESET goes out right after it. */
		if (list_empty(&conn->to_send))
			list_add_tail(&xvsock_conn_get(conn)->to_send, &peer->to_answer);
	}
	spin_unlock(&peer->lock);
	xvsock_control_flush(peer);
}

static void conn_close_work(struct work_struct *work)
{
	struct xvsock_conn *conn = container_of(work, struct xvsock_conn, close_work);
	struct xvsock_peer *peer = conn->peer;
	unsigned int pages = conn_ring_pages(conn);
	bool end, withdrawn = false;

	/*
	 * Silent, but not unbound yet: while our REQUEST is unanswered, the
	 * peer may still bind to the port, so the port must stay ours.
	 */
	disable_irq(conn->event.irq);

	spin_lock(&peer->lock);
	conn->closed = true;
	if (conn->initiator && !conn->requested && !list_empty(&conn->to_send)) {
		list_del_init(&conn->to_send);
		withdrawn = true;
		conn->let_go = true;
	}
	end = conn->let_go;
	spin_unlock(&peer->lock);

	if (cancel_work_sync(&conn->event_work))
		xvsock_conn_put(conn); /* that work's */
	sock_put(conn->sk);

	if (conn->initiator) {
		if (end)
			conn_end_initiated(conn);
	} else {
		conn_end_accepted(conn, pages);
		conn_owe_reset(conn);
	}
	if (withdrawn)
		xvsock_conn_put(conn); /* the list's */
	xvsock_conn_put(conn); /* the socket's */
}

void xvsock_conn_link_lost(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	bool end = false;

	WRITE_ONCE(conn->link_lost, true);
	if (conn->initiator) {
		/* Nobody will answer now. */
		spin_lock(&peer->lock);
		end = conn->closed && !conn->let_go;
		conn->let_go = true;
		spin_unlock(&peer->lock);
	}
	if (end)
		conn_end_initiated(conn);
	else
		xvsock_conn_queue_event(conn);
}
