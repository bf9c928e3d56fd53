// SPDX-License-Identifier: GPL-2.0-only
/* The callbacks of struct vsock_transport. The core holds lock_sock around those with a socket. */
#include <linux/module.h>
#include <net/sock.h>
#include <xen/xen.h>

#include "compat.h"
#include "connection.h"
#include "transport.h"

static u32 local_cid;

u32 xvsock_local_cid(void)
{
	return READ_ONCE(local_cid);
}

void xvsock_set_local_cid(u32 cid)
{
	WRITE_ONCE(local_cid, cid);
}

static int transport_init(struct vsock_sock *vsk, struct vsock_sock *parent)
{
	vsk->trans = NULL;
	return 0;
}

static void transport_destruct(struct vsock_sock *vsk)
{
	/* release() has parted the socket from its connection. */
	WARN_ON_ONCE(vsk->trans);
}

static void transport_release(struct vsock_sock *vsk)
{
	xvsock_conn_close(vsk);
	vsock_remove_sock(vsk);
}

static int transport_connect(struct vsock_sock *vsk)
{
	struct sock *sk = sk_vsock(vsk);
	struct xvsock_peer *peer;
	int err;

	/* What an earlier connect() of this socket, which failed, has left behind. */
	xvsock_conn_close(vsk);
	vsk->peer_shutdown = 0;
	sock_reset_flag(sk, SOCK_DONE);
	sk->sk_err = 0;

	peer = xvsock_peer_find(vsk->remote_addr.svm_cid);
	if (!peer)
		return -EHOSTUNREACH;
	err = xvsock_conn_connect(vsk, peer);
	xvsock_peer_put(peer);
	return err;
}

/* connect() gave up: timeout or signal. */
static int transport_cancel_pkt(struct vsock_sock *vsk)
{
	xvsock_conn_close(vsk);
	return 0;
}

static int transport_shutdown(struct vsock_sock *vsk, int mode)
{
	if (vsk->trans)
		xvsock_conn_shutdown(xvsock_conn_of(vsk), mode);
	return 0;
}

static bool transport_stream_allow(XVSOCK_ALLOW_VSK u32 cid, u32 port)
{
	return cid >= VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

static ssize_t transport_stream_dequeue(struct vsock_sock *vsk, struct msghdr *msg, size_t len,
					int flags)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	return conn ? conn->peer->path->dequeue(conn, msg, len, flags) : 0;
}

static ssize_t transport_stream_enqueue(struct vsock_sock *vsk, struct msghdr *msg, size_t len)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	return conn ? conn->peer->path->enqueue(conn, msg, len) : -ENOTCONN;
}

static s64 transport_stream_has_data(struct vsock_sock *vsk)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	return conn ? conn->peer->path->avail(conn, 1) : 0;
}

static s64 transport_stream_has_space(struct vsock_sock *vsk)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	return conn ? conn->peer->path->space(conn) : 0;
}

static u64 transport_stream_rcvhiwat(struct vsock_sock *vsk)
{
	/* recv() takes the data as it comes; a request longer than the ring is no error. */
	return U64_MAX;
}

static bool transport_stream_is_active(struct vsock_sock *vsk)
{
	return vsk->trans && sk_vsock(vsk)->sk_state == TCP_ESTABLISHED;
}

static int transport_notify_poll_in(struct vsock_sock *vsk, size_t target, bool *ready)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	*ready = conn && conn->peer->path->ready(conn, target);
	return 0;
}

static int transport_notify_poll_out(struct vsock_sock *vsk, size_t target, bool *ready)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	/* send() does not block where it fails, either. */
	*ready = !conn || !conn->attached || (vsk->peer_shutdown & RCV_SHUTDOWN) ||
		 conn->peer->path->space(conn);
	return 0;
}

static void transport_notify_buffer_size(struct vsock_sock *vsk, u64 *bytes)
{
	if (vsk->trans)
		xvsock_conn_set_limit(xvsock_conn_of(vsk), *bytes);
}

static int transport_notify_recv(struct vsock_sock *vsk, size_t target,
				 struct vsock_transport_recv_notify_data *data)
{
	return 0;
}

static int transport_notify_recv_pre_block(struct vsock_sock *vsk, size_t target,
					   struct vsock_transport_recv_notify_data *data)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	if (conn)
		conn->peer->path->spin_for_data(conn);
	return 0;
}

static int transport_notify_recv_post(struct vsock_sock *vsk, size_t target, ssize_t copied,
				      bool consumed, struct vsock_transport_recv_notify_data *data)
{
	return 0;
}

static int transport_notify_send(struct vsock_sock *vsk,
				 struct vsock_transport_send_notify_data *data)
{
	return 0;
}

static int transport_notify_send_pre_block(struct vsock_sock *vsk,
					   struct vsock_transport_send_notify_data *data)
{
	struct xvsock_conn *conn = xvsock_conn_of(vsk);

	if (conn)
		conn->peer->path->spin_for_space(conn);
	return 0;
}

static int transport_notify_send_post(struct vsock_sock *vsk, ssize_t written,
				      struct vsock_transport_send_notify_data *data)
{
	return 0;
}

#ifdef XVSOCK_HAVE_UNSENT_BYTES
static ssize_t transport_unsent_bytes(struct vsock_sock *vsk)
{
	return 0; /* what is in the ring is the peer's to read: it is sent */
}
#endif

#ifdef XVSOCK_HAVE_HAS_REMOTE_CID
static bool transport_has_remote_cid(struct vsock_sock *vsk, u32 cid)
{
	return xvsock_peer_exists(cid);
}
#endif

static struct vsock_transport xvsock_transport = {
	.module = THIS_MODULE,

	.init = transport_init,
	.destruct = transport_destruct,
	.release = transport_release,
	.connect = transport_connect,
	.cancel_pkt = transport_cancel_pkt,
	.shutdown = transport_shutdown,

	.stream_dequeue = transport_stream_dequeue,
	.stream_enqueue = transport_stream_enqueue,
	.stream_has_data = transport_stream_has_data,
	.stream_has_space = transport_stream_has_space,
	.stream_rcvhiwat = transport_stream_rcvhiwat,
	.stream_is_active = transport_stream_is_active,
	.stream_allow = transport_stream_allow,

	.notify_poll_in = transport_notify_poll_in,
	.notify_poll_out = transport_notify_poll_out,
	.notify_recv_init = transport_notify_recv,
	.notify_recv_pre_block = transport_notify_recv_pre_block,
	.notify_recv_pre_dequeue = transport_notify_recv,
	.notify_recv_post_dequeue = transport_notify_recv_post,
	.notify_send_init = transport_notify_send,
	.notify_send_pre_block = transport_notify_send_pre_block,
	.notify_send_pre_enqueue = transport_notify_send,
	.notify_send_post_enqueue = transport_notify_send_post,

	.notify_buffer_size = transport_notify_buffer_size,

	.get_local_cid = xvsock_local_cid,
#ifdef XVSOCK_HAVE_UNSENT_BYTES
	.unsent_bytes = transport_unsent_bytes,
#endif
#ifdef XVSOCK_HAVE_HAS_REMOTE_CID
	.has_remote_cid = transport_has_remote_cid,
#endif
};

bool xvsock_is_ours(const struct vsock_sock *vsk)
{
	return vsk->transport == &xvsock_transport;
}

int xvsock_transport_register(void)
{
	return vsock_core_register(&xvsock_transport, xen_initial_domain() ?
				   VSOCK_TRANSPORT_F_H2G : VSOCK_TRANSPORT_F_G2H);
}

void xvsock_transport_unregister(void)
{
	vsock_core_unregister(&xvsock_transport);
}
