// SPDX-License-Identifier: GPL-2.0-only
/* The side that connects: it allocates and grants, asks, and takes the answer. */
#include <net/sock.h>

#include "argo_path.h"
#include "connection.h"
#include "control.h"
#include "plain.h"
#include "policy.h"
#include "trace.h"

int xvsock_conn_prepare_vchan(struct xvsock_conn *conn, u64 buffer_size)
{
	struct vchan_page *page;

	if (!conn->vchan) {
		struct xvsock_vchan *vchan = xvsock_vchan_offer(conn->peer->domid);

		if (IS_ERR(vchan))
			return PTR_ERR(vchan);
		conn->vchan = vchan;
	}
	xvsock_conn_point_at_page(conn, XVSOCK_LEFT_ORDER, XVSOCK_RIGHT_ORDER);
	page = conn->page;
	/*
	 * Nothing that the last connection left. An acceptor that keeps the
	 * vchan does not look at it before REQUEST has come; what another
	 * stores here meanwhile is no worse than what it may store later.
	 */
	memset(page, 0, VCHAN_OFFSET_SMALL);
	page->left_order = XVSOCK_LEFT_ORDER;
	page->right_order = XVSOCK_RIGHT_ORDER;
	page->cli_live = VCHAN_WAITING;
	page->srv_live = VCHAN_OPEN;
	*conn->asked_of_us = VCHAN_NOTIFY_WRITE;
	*conn->asked_of_peer = VCHAN_NOTIFY_WRITE;
	conn->rx.share->limit = min_t(u64, buffer_size, U32_MAX);
	return 0;
}

/* Takes a place in the peer's table, which makes the id the connection's. */
static int conn_enter_initiated(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	unsigned int max;
	bool fits;
	int err;

	spin_lock(&peer->lock);
	max = xvsock_policy_max_connections(peer);
	fits = peer->initiated_count - peer->offered_count < max && xvsock_domain_enter(true);
	if (fits)
		conn->vchan = xvsock_vchan_take_offered(peer);
	if (fits && !conn->vchan) {
		fits = peer->initiated_count < max;
		peer->initiated_count += fits;
		if (!fits)
			xvsock_domain_leave(true);
	}
	spin_unlock(&peer->lock);
	if (!fits)
		return -ENOBUFS;

	err = xa_alloc_cyclic(&peer->initiated, &conn->id, xvsock_conn_get(conn),
			      XA_LIMIT(1, XVSOCK_ID_MAX), &peer->next_id, GFP_KERNEL);
	if (err < 0) {
		xvsock_conn_put(conn);
		spin_lock(&peer->lock);
		if (conn->vchan && peer->up) {
			/* The peer keeps it, too, until it is told to release it. */
			xvsock_vchan_rest(peer, conn->vchan);
			conn->vchan = NULL;
		} else {
			peer->initiated_count--;
		}
		spin_unlock(&peer->lock);
		if (conn->vchan)
			xvsock_vchan_end(conn->vchan);
		xvsock_domain_leave(true);
		return err;
	}
	return 0;
}

void xvsock_conn_end_initiated(struct xvsock_conn *conn)
{
	struct xvsock_vchan *vchan = conn->vchan;
	struct xvsock_peer *peer = conn->peer;
	unsigned int held;
	bool listed;

	trace_xvsock_conn(conn, XVSOCK_TRACE_ENDED, 0);
	held = xvsock_conn_release_rings(conn);
	if (vchan)
		xvsock_vchan_part(vchan);
	if (vchan && !conn->kept) {
		held += xvsock_vchan_end(vchan);
		vchan = NULL;
	}

	/* In one step, so that stat.c counts it once. */
	spin_lock(&peer->lock);
	xa_erase(&peer->initiated, conn->id);
	listed = !list_empty(&conn->to_send); /* what it would still say, nobody waits for */
	if (listed)
		list_del_init(&conn->to_send);
	if (vchan && peer->up) {
		xvsock_vchan_rest(peer, vchan);
		vchan = NULL;
	} else if (!held) {
		/* What a peer does not give back stays on its account as long as the link lasts. */
		peer->initiated_count--;
	}
	xvsock_peer_give_back(peer, true, conn->ring_pages - min(conn->ring_pages, held));
	xvsock_peer_count(peer, &conn->counters);
	spin_unlock(&peer->lock);
	xvsock_domain_leave(true);
	if (vchan)
		xvsock_vchan_end(vchan);
	if (listed)
		xvsock_conn_put(conn); /* the list's */
	xvsock_conn_put(conn); /* the table's */
}

int xvsock_conn_connect(struct vsock_sock *vsk, struct xvsock_peer *peer)
{
	struct sock *sk = sk_vsock(vsk);
	struct xvsock_conn *conn;
	int err;

	if (peer->plain)
		return xvsock_plain_connect(vsk, peer);
	conn = xvsock_conn_create(peer, true);
	if (!conn)
		return -ENOMEM;
	conn->src_port = vsk->local_addr.svm_port;
	conn->dst_port = vsk->remote_addr.svm_port;

	err = conn_enter_initiated(conn);
	if (err)
		goto put;
	err = peer->path->prepare(conn, vsk->buffer_size);
	if (err)
		goto leave;

	conn->sk = sk;
	if (conn->vchan)
		xvsock_vchan_use(conn->vchan, conn);
	conn->attached = true;

	trace_xvsock_conn(conn, XVSOCK_TRACE_REQUESTED, 0);
	xvsock_tap_state(conn, true, true);
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
	conn->closing = true;
	conn->closed = true;
	conn->let_go = true;
	spin_unlock(&peer->lock);
	xvsock_conn_end_initiated(conn);
put:
	xvsock_conn_put(conn); /* ours */
	return err;
}

static void conn_connected(struct xvsock_conn *conn, struct sock *sk)
{
	if (conn->plain)
		xvsock_plain_attach(conn);
	trace_xvsock_conn(conn, XVSOCK_TRACE_ESTABLISHED, 0);
	xvsock_tap_state(conn, false, true);
	sk->sk_state = TCP_ESTABLISHED;
	if (sk->sk_socket)
		sk->sk_socket->state = SS_CONNECTED;
	vsock_insert_connected(vsock_sk(sk));
	xvsock_conn_sync(conn); /* the peer may have shut down already */
	sk->sk_state_change(sk);
}

static void conn_connect_failed(struct xvsock_conn *conn, struct sock *sk, int err)
{
	trace_xvsock_conn(conn, XVSOCK_TRACE_REFUSED, -err);
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

void xvsock_conn_sync_connecting(struct xvsock_conn *conn, struct sock *sk)
{
	bool accepted, refused;

	spin_lock(&conn->peer->lock);
	accepted = conn->accepted;
	refused = conn->answered && !accepted;
	spin_unlock(&conn->peer->lock);

	if (READ_ONCE(conn->violated))
		conn_connect_failed(conn, sk, -EPROTO);
	else if (accepted)
		conn_connected(conn, sk);
	else if (refused)
		conn_connect_failed(conn, sk, conn_refusal_error(conn->refusal));
	else if (READ_ONCE(conn->link_lost) || READ_ONCE(conn->forbidden))
		conn_connect_failed(conn, sk, -ECONNRESET);
}

void xvsock_conn_answered(struct xvsock_conn *conn, const struct xvsock_message *msg)
{
	bool reset = msg->op == XVSOCK_OP_RESET;
	struct xvsock_peer *peer = conn->peer;
	bool valid, first, end = false, strange = false;

	spin_lock(&peer->lock);
	first = !conn->answered;
	valid = conn->requested && !conn->let_go && (first || reset);
	if (valid) {
		conn->answered = true;
		peer->unanswered -= first;
		if (reset) {
			conn->refusal = msg->reason;
			conn->let_go = true;
			/* Who keeps something else has let go all the same, or is to blame. */
			strange = msg->ring_ref &&
				  (!conn->vchan || msg->ring_ref != conn->vchan->ref);
			conn->kept = strange ? 0 : msg->ring_ref;
			end = conn->closed;
			peer->totals.refused += first;
		} else {
			conn->accepted = true;
			peer->totals.connected++;
			if (conn->argo)
				xvsock_argo_accepted(conn);
		}
	}
	spin_unlock(&peer->lock);

	if (!valid) {
		xvsock_peer_violation(peer, "an answer that was not due");
		return;
	}
	if (strange)
		xvsock_peer_violation(peer, "a page that is not the connection's");
	if (end)
		xvsock_conn_end_initiated(conn);
	else
		xvsock_conn_event(conn);
}
