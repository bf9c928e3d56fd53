// SPDX-License-Identifier: GPL-2.0-only
/* The side that is connected to: it looks for a listener, maps, and makes the new socket. */
#include <net/sock.h>

#include "compat.h"
#include "connection.h"
#include "policy.h"
#include "trace.h"
#include "transport.h"

int xvsock_conn_attach_vchan(struct xvsock_conn *conn, const struct xvsock_message *request,
			     u64 buffer_size)
{
	if (!conn->vchan) {
		struct xvsock_vchan *vchan = xvsock_vchan_attach(conn->peer->domid,
								 request->ring_ref,
								 request->event_channel);

		if (IS_ERR(vchan))
			return PTR_ERR(vchan);
		conn->vchan = vchan;
	} else if (conn->vchan->server_port != request->event_channel) {
		return -EINVAL;
	}
	xvsock_conn_point_at_page(conn, XVSOCK_LEFT_ORDER, XVSOCK_RIGHT_ORDER);
	xvsock_vchan_use(conn->vchan, conn);
	return 0;
}

/* The connection is done with its vchan, if it has one: that is kept, or taken apart. */
static void conn_leave_vchan(struct xvsock_conn *conn, bool keep)
{
	struct xvsock_vchan *vchan = conn->vchan;
	struct xvsock_peer *peer = conn->peer;

	if (vchan)
		xvsock_vchan_part(vchan);
	spin_lock(&peer->lock);
	if (vchan && keep && peer->up && xvsock_vchan_may_keep(peer)) {
		conn->kept = vchan->ref;
		xvsock_vchan_rest(peer, vchan);
		vchan = NULL;
	} else {
		peer->accepted_count--;
	}
	spin_unlock(&peer->lock);
	if (vchan)
		xvsock_vchan_end(vchan);
}

/* Takes a place in the table, and the vchan that the request names if we keep that. */
static enum xvsock_reason conn_enter_accepted(struct xvsock_conn *conn, grant_ref_t ref)
{
	struct xvsock_peer *peer = conn->peer;
	unsigned int max;
	bool fits;
	int err;

	spin_lock(&peer->lock);
	/* More may be kept than a limit that was lowered allows. */
	max = xvsock_policy_max_connections(peer);
	fits = peer->accepted_count - peer->kept_count < max && xvsock_domain_enter(false);
	if (fits)
		conn->vchan = xvsock_vchan_take_kept(peer, ref);
	if (fits && !conn->vchan) {
		fits = peer->accepted_count < max;
		peer->accepted_count += fits;
		if (!fits)
			xvsock_domain_leave(false);
	}
	spin_unlock(&peer->lock);
	if (!fits)
		return XVSOCK_REASON_LIMIT;

	err = xa_insert(&peer->accepted, conn->id, xvsock_conn_get(conn), GFP_KERNEL);
	if (!err)
		return 0;
	xvsock_conn_put(conn);
	conn_leave_vchan(conn, true);
	xvsock_domain_leave(false);
	return err == -EBUSY ? XVSOCK_REASON_INVALID : XVSOCK_REASON_NOMEM;
}

void xvsock_conn_end_accepted(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;

	trace_xvsock_conn(conn, XVSOCK_TRACE_ENDED, 0);
	xvsock_conn_release_rings(conn);
	conn_leave_vchan(conn, !READ_ONCE(conn->violated));

	/* In one step, so that stat.c counts it once. */
	spin_lock(&peer->lock);
	xa_erase(&peer->accepted, conn->id);
	xvsock_peer_give_back(peer, false, conn->ring_pages);
	xvsock_peer_count(peer, &conn->counters);
	spin_unlock(&peer->lock);
	xvsock_domain_leave(false);
	xvsock_conn_put(conn); /* the table's */
}

/* Whether dom0 lets the peer connect to that port. peer->lock held. */
static bool conn_is_allowed(struct xvsock_peer *peer, u32 port)
{
	if (xvsock_policy_accepts(peer, port))
		return true;
	peer->totals.denied++;
	trace_xvsock_denied(peer->cid, port);
	return false;
}

/* The new socket of an accepted connection; the listener is locked. */
static enum xvsock_reason conn_make_child(struct xvsock_conn *conn, struct sock *listener,
					  struct xvsock_served *served)
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
	vsock_addr_init(&vchild->local_addr, xvsock_peer_own_cid(peer), conn->dst_port);
	vsock_addr_init(&vchild->remote_addr, peer->cid, conn->src_port);
	/* Other transports may be loaded; the socket must come to this one. */
	if (vsock_assign_transport(vchild, vsock_sk(listener)) || !xvsock_is_ours(vchild)) {
		release_sock(child);
		sock_put(child);
		return XVSOCK_REASON_REFUSED;
	}

	spin_lock(&peer->lock);
	/* Asked once more, when it is in the table: see policy.c. */
	up = peer->up && conn_is_allowed(peer, conn->dst_port);
	if (up) {
		sock_hold(child); /* put in conn_close_work() */
		vchild->trans = xvsock_conn_get(conn); /* put in conn_close_work() */
		WRITE_ONCE(conn->sk, child);
		conn->served = served;
		if (served)
			xvsock_conn_owe(conn, XVSOCK_OWES_RESPONSE);
		peer->totals.connected++;
	}
	spin_unlock(&peer->lock);
	if (!up) {
		/* Whoever ends the peer's connections may have looked at this one already. */
		release_sock(child);
		sock_put(child);
		return XVSOCK_REASON_REFUSED;
	}
	trace_xvsock_conn(conn, XVSOCK_TRACE_ESTABLISHED, 0);
	xvsock_tap_state(conn, false, true);
	xvsock_tap_state(conn, true, true);
	child->sk_state = TCP_ESTABLISHED;
	xvsock_conn_set_limit(conn, vchild->buffer_size);

	vsock_insert_connected(vchild);
	vsock_enqueue_accept(listener, child);
	xvsock_acceptq_added(listener);
	/*
	 * What happened while there was no socket to tell. The barrier
	 * pairs with the event of the peer's kick: either the interrupt
	 * handler sees conn->sk, or this sees the live byte. Likewise event_work, by
	 * peer->lock, and the flags that were set before it was queued.
	 */
	smp_mb();
	xvsock_conn_sync(conn);
	release_sock(child);

	listener->sk_data_ready(listener);
	return 0;
}

enum xvsock_reason xvsock_conn_give_socket(struct xvsock_conn *conn, struct sock *listener,
					   struct xvsock_served *served)
{
	enum xvsock_reason reason;

	lock_sock(listener);
	reason = conn_make_child(conn, listener, served);
	release_sock(listener);
	return reason;
}

struct sock *xvsock_conn_find_listener(const struct xvsock_peer *peer, u32 port)
{
	/* A listener may be bound to what was our CID before another link came. */
	u32 cids[] = { xvsock_peer_own_cid(peer), xvsock_local_cid() };
	struct sockaddr_vm addr;
	struct sock *listener;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cids); i++) {
		vsock_addr_init(&addr, cids[i], port);
		listener = vsock_find_bound_socket(&addr);
		if (!listener)
			continue;
		if (READ_ONCE(listener->sk_state) == TCP_LISTEN && !sk_acceptq_is_full(listener))
			return listener;
		sock_put(listener);
	}
	return NULL;
}

enum xvsock_reason xvsock_conn_accept(struct xvsock_peer *peer, struct xvsock_served *served)
{
	const struct xvsock_message *request = &served->msg;
	enum xvsock_reason reason;
	struct xvsock_conn *conn;
	struct sock *listener;
	bool allowed;
	int err;

	/* Before anything is mapped: a stranger's knock must stay cheap. */
	spin_lock(&peer->lock);
	allowed = conn_is_allowed(peer, request->dst_port);
	spin_unlock(&peer->lock);
	listener = allowed ? xvsock_conn_find_listener(peer, request->dst_port) : NULL;
	if (!listener)
		return XVSOCK_REASON_REFUSED;

	reason = XVSOCK_REASON_NOMEM;
	conn = xvsock_conn_create(peer, false);
	if (!conn)
		goto put_listener;
	conn->id = request->id;
	conn->src_port = request->src_port;
	conn->dst_port = request->dst_port;

	reason = conn_enter_accepted(conn, request->ring_ref);
	if (reason)
		goto put_conn;
	trace_xvsock_conn(conn, XVSOCK_TRACE_REQUESTED, 0);

	err = peer->path->attach(conn, request, READ_ONCE(vsock_sk(listener)->buffer_size));
	if (err) {
		/* -ENOSPC: we are out of event channels, or of Argo's rings */
		reason = err == -ENOMEM || err == -ENOSPC ? XVSOCK_REASON_NOMEM :
							    XVSOCK_REASON_INVALID;
		goto end;
	}
	reason = XVSOCK_REASON_REFUSED;
	if (!(vchan_load_acquire(conn->peer_live) & VCHAN_OPEN))
		goto end; /* the initiator has given up meanwhile */
	vchan_store_release(conn->our_live, VCHAN_OPEN);
	conn->attached = true;

	reason = xvsock_conn_give_socket(conn, listener, served);
	if (!reason)
		goto put_conn;
end:
	/* The peer may have sent GROW for it already. */
	xvsock_conn_stop(conn);
	xvsock_conn_end_accepted(conn);
put_conn:
	xvsock_conn_put(conn); /* ours */
put_listener:
	sock_put(listener);
	return reason;
}
