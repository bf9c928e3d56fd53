// SPDX-License-Identifier: GPL-2.0-only
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "argo_path.h"
#include "compat.h"
#include "connection.h"
#include "control.h"

#define CONTROL_PORT 1
#define CONTROL_SIZE (PAGE_SIZE - sizeof(struct xen_argo_ring))

#define TYPE_CONTROL 1
#define TYPE_DATA 2

/* A longer message would gain little, keep Xen longer, and need a larger buffer. */
#define CHUNK_MAX SZ_64K

/* Fewer bytes are copied sooner than their pages are looked at. */
#define DIRECT_MIN PAGE_SIZE

static struct xvsock_peer *argo_peer_of(struct xvsock_argo_ring *ring)
{
	return container_of(ring, struct xvsock_peer, argo_control);
}

/* -- the control channel ------------------------------------------------- */

static bool argo_control_has_room(struct xvsock_peer *peer)
{
	u32 most;

	return xvsock_argo_has_room(&peer->argo_control, CONTROL_PORT, XVSOCK_MESSAGE_SIZE, &most);
}

static void argo_control_write(struct xvsock_peer *peer, const struct xvsock_message *msg)
{
	/* There was room, and nobody else sends there. If there is no ring, the link is ending. */
	xvsock_argo_send(&peer->argo_control, CONTROL_PORT, TYPE_CONTROL, msg, sizeof(*msg));
}

static void argo_control_written(struct xvsock_peer *peer)
{
	/* Xen has told it. */
}

static void argo_control_heard(struct xvsock_argo_ring *ring, bool data, bool room)
{
	queue_work(xvsock_control_wq, &argo_peer_of(ring)->control_work);
}

/* Takes one message. 1: done, 0: there is none, -EPROTO: it is no message of ours. */
static int argo_control_read(struct xvsock_argo_ring *ring, struct xvsock_message *msg)
{
	struct xen_argo_header header;
	u32 length;

	if (!xvsock_argo_ring_used(ring))
		return 0;
	header = xvsock_argo_ring_header(ring, 0);
	if (header.type != TYPE_CONTROL || header.length != XEN_ARGO_SLOT + sizeof(*msg))
		return -EPROTO;
	/* Two slots, of which the ring's end may part the second from the first. */
	memcpy(msg, xvsock_argo_ring_at(ring, XEN_ARGO_SLOT, XEN_ARGO_SLOT, &length),
	       XEN_ARGO_SLOT);
	memcpy((u8 *)msg + XEN_ARGO_SLOT,
	       xvsock_argo_ring_at(ring, 2 * XEN_ARGO_SLOT, XEN_ARGO_SLOT, &length),
	       XEN_ARGO_SLOT);
	static_assert(sizeof(*msg) == 2 * XEN_ARGO_SLOT);
	xvsock_argo_ring_advance(ring, xvsock_argo_taken(sizeof(*msg)));
	return 1;
}

static void argo_control_work(struct work_struct *work)
{
	struct xvsock_peer *peer = container_of(work, struct xvsock_peer, control_work);
	unsigned int handled = 0;
	struct xvsock_message msg;
	int more;

	while ((more = argo_control_read(&peer->argo_control, &msg)) > 0) {
		xvsock_control_dispatch(peer, &msg);
		if (READ_ONCE(peer->broken) || ++handled == XVSOCK_CONTROL_BATCH)
			break;
	}
	xvsock_control_flush(peer);
	if (more < 0)
		xvsock_control_broken(peer, "a control message of a strange form");
	else if (handled == XVSOCK_CONTROL_BATCH)
		queue_work(xvsock_control_wq, work); /* the rest gets its turn */
}

static int argo_control_open(struct xvsock_peer *peer)
{
	struct xvsock_argo_ring *ring = &peer->argo_control;
	int err;

	ring->heard = argo_control_heard;
	err = xvsock_argo_ring_create(ring, peer->domid, CONTROL_PORT, CONTROL_SIZE);
	if (err)
		return err;
	xvsock_control_open(peer);
	/* What has come before it could be acted on. */
	queue_work(xvsock_control_wq, &peer->control_work);
	return 0;
}

static int argo_control_offer(struct xvsock_peer *peer)
{
	peer->offer = get_random_u32() | 1; /* it tells one offer from another */
	return argo_control_open(peer);
}

static int argo_control_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port)
{
	return argo_control_open(peer);
}

static void argo_control_take(struct xvsock_peer *peer)
{
	/* No page says so. */
}

static bool argo_control_taken(struct xvsock_peer *peer)
{
	/* A backend that comes anew takes what the frontend has made. */
	return false;
}

static void argo_control_close(struct xvsock_peer *peer, struct xvsock_pages *held)
{
	*held = (struct xvsock_pages){};
	if (!peer->argo_control.size)
		return;
	/*
	 * The handler first, so that it queues no more. The work reads the
	 * memory, so that goes last; who sends holds peer->lock and has found the
	 * peer up, and this one is not.
	 */
	xvsock_argo_ring_mute(&peer->argo_control);
	cancel_work_sync(&peer->control_work);
	xvsock_argo_ring_destroy(&peer->argo_control);
}

/* -- a connection: coming, going, and what its ends say ------------------- */

static void argo_heard(struct xvsock_argo_ring *ring, bool data, bool room)
{
	struct xvsock_conn *conn = container_of(ring, struct xvsock_argo_conn, ring)->conn;
	struct sock *sk = READ_ONCE(conn->sk); /* NULL until conn_make_child() */

	conn->counters.events++;
	if (sk && data)
		sk->sk_data_ready(sk);
	if (sk && room)
		sk->sk_write_space(sk);
}

/* The longest message to a ring of so many bytes: a quarter of them at most. */
static u32 argo_chunk(u32 size)
{
	return min_t(u32, rounddown_pow_of_two(size / 4), CHUNK_MAX);
}

static int argo_begin(struct xvsock_conn *conn, u64 buffer_size)
{
	struct xvsock_argo_conn *argo = kzalloc(sizeof(*argo), GFP_KERNEL_ACCOUNT);
	u32 size;
	int err;

	if (!argo)
		return -ENOMEM;
	size = clamp_t(u64, buffer_size, 1u << XVSOCK_LARGE_ORDER_MIN,
		       1u << XVSOCK_LARGE_ORDER_MAX);
	size = round_up(size, XEN_ARGO_SLOT);
	/* As many bytes fit in long messages: for their headers, and a slot that stays free. */
	size += XEN_ARGO_SLOT * (DIV_ROUND_UP(size, argo_chunk(size)) + 1);
	argo->conn = conn;
	argo->our_live = VCHAN_OPEN;
	argo->peer_live = VCHAN_OPEN;
	argo->to_port = 2 * conn->id + conn->initiator;
	argo->ring.heard = argo_heard;
	conn->argo = argo; /* freed with the connection */
	conn->our_live = &argo->our_live;
	conn->peer_live = &argo->peer_live;
	err = xvsock_argo_ring_create(&argo->ring, conn->peer->domid,
				      2 * conn->id + !conn->initiator, size);
	conn->rx.end.size = argo->ring.size;
	return err;
}

static int argo_attach(struct xvsock_conn *conn, const struct xvsock_message *request,
		       u64 buffer_size)
{
	if (request->id > XVSOCK_ID_MAX || request->ring_ref || request->event_channel)
		return -EINVAL;
	return argo_begin(conn, buffer_size);
}

static void argo_part(struct xvsock_conn *conn)
{
	if (conn->argo)
		xvsock_argo_ring_destroy(&conn->argo->ring);
}

void xvsock_argo_release(struct xvsock_conn *conn)
{
	argo_part(conn);
	kvfree(conn->argo->buffer);
	conn->argo->buffer = NULL;
}

static void argo_live_changed(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;

	spin_lock(&peer->lock);
	/* Before the peer has accepted it has no connection that this could be about. */
	if (peer->up && conn->accepted && !conn->let_go)
		xvsock_conn_owe(conn, XVSOCK_OWES_LIVE);
	spin_unlock(&peer->lock);
	xvsock_control_flush(peer);
}

void xvsock_argo_accepted(struct xvsock_conn *conn)
{
	if (READ_ONCE(conn->argo->our_live) != VCHAN_OPEN && !conn->let_go)
		xvsock_conn_owe(conn, XVSOCK_OWES_LIVE);
}

void xvsock_argo_fill_live(const struct xvsock_conn *conn, struct xvsock_message *msg)
{
	msg->op = conn->initiator ? XVSOCK_OP_LIVE_INITIATOR : XVSOCK_OP_LIVE_ACCEPTOR;
	msg->reason = READ_ONCE(conn->argo->our_live);
}

void xvsock_argo_live_message(struct xvsock_conn *conn, const struct xvsock_message *msg)
{
	if (conn->live_changes > XVSOCK_LIVE_CHANGES)
		return; /* it is being broken */
	if (conn->live_changes++ == XVSOCK_LIVE_CHANGES) {
		xvsock_conn_violation(conn, "a live byte without end");
		return;
	}
	/*
	 * What the peer sent before is in our ring: Xen had put it there before this message.
	 * Pairs with the load-acquire in xvsock_conn_sync().
	 */
	vchan_store_release(&conn->argo->peer_live, msg->reason);
	xvsock_conn_event(conn);
}

static void argo_set_limit(struct xvsock_conn *conn, u64 bytes)
{
	/* The ring is as large as the socket's buffer was when it was connected. */
}

/* -- data; lock_sock held ------------------------------------------------- */

/* Counts what has come. False if that breaks a rule. */
static bool argo_scan(struct xvsock_conn *conn)
{
	struct xvsock_argo_conn *argo = conn->argo;
	struct xvsock_argo_ring *ring = &argo->ring;
	u32 tx = argo->frozen ? argo->scanned : xvsock_argo_ring_end(ring);

	while (argo->scanned != tx) {
		struct xen_argo_header header = xvsock_argo_ring_header_at(ring, argo->scanned);

		/* Of Xen's word, only the type is the peer's. */
		if (header.type != TYPE_DATA || header.length <= XEN_ARGO_SLOT) {
			xvsock_peer_violation(conn->peer, "a message that is no data");
			xvsock_conn_break(conn, -ECONNRESET);
			return false;
		}
		argo->unread += header.length - XEN_ARGO_SLOT;
		argo->scanned = xvsock_argo_ring_after(ring, argo->scanned,
						       round_up(header.length, XEN_ARGO_SLOT));
	}
	return true;
}

/* LIVE came after the data that was sent before it: see xvsock_argo_live_message(). */
static void argo_freeze(struct xvsock_conn *conn)
{
	argo_scan(conn);
	conn->argo->frozen = true;
}

static size_t argo_avail(struct xvsock_conn *conn, size_t target)
{
	return xvsock_conn_usable(conn) && argo_scan(conn) ? conn->argo->unread : 0;
}

/* argo.h says why half a ring is always enough. */
static bool argo_ready(struct xvsock_conn *conn, size_t target)
{
	size_t avail = argo_avail(conn, target);

	return avail >= target ||
	       (avail && xvsock_argo_ring_used(&conn->argo->ring) >= conn->argo->ring.size / 2);
}

static ssize_t argo_dequeue(struct xvsock_conn *conn, struct msghdr *msg, size_t len, int flags)
{
	struct xvsock_argo_conn *argo = conn->argo;
	struct xvsock_argo_ring *ring = &argo->ring;
	u32 ahead = 0, want, done = 0, left;

	if (!xvsock_conn_usable(conn))
		return 0;
	if (!argo_scan(conn))
		return -ECONNRESET;

	left = argo->left;
	want = min_t(size_t, len, argo->unread);
	while (done < want) {
		size_t copied;
		u32 length;
		void *from;

		if (!left) {
			left = xvsock_argo_ring_header(ring, ahead).length - XEN_ARGO_SLOT;
			ahead += XEN_ARGO_SLOT;
		}
		from = xvsock_argo_ring_at(ring, ahead, min(want - done, left), &length);
		copied = copy_to_iter(from, length, &msg->msg_iter);
		if (!(flags & MSG_PEEK))
			xvsock_tap_data(conn, false, from, copied);
		done += copied;
		ahead += copied;
		left -= copied;
		if (!left)
			ahead = round_up(ring->rx + ahead, XEN_ARGO_SLOT) - ring->rx;
		if (copied < length) {
			/* A bad pointer: what did not arrive stays in the ring. */
			if (!done)
				return -EFAULT;
			break;
		}
	}
	if (flags & MSG_PEEK)
		return done;

	xvsock_argo_ring_advance(ring, ahead);
	argo->left = left;
	argo->unread -= done;
	conn->counters.rx_bytes += done;
	conn->counters.rx_messages++;
	return done;
}

/* Looks how long messages may be, and has a buffer for one. */
static int argo_prepare_sending(struct xvsock_argo_conn *argo)
{
	u32 most;

	if (argo->buffer)
		return 0;
	xvsock_argo_has_room(&argo->ring, argo->to_port, 1, &most);
	if (!most)
		return -ECONNREFUSED; /* the peer has closed, and that will be seen presently */
	argo->chunk = argo_chunk(most);
	argo->buffer = kvmalloc(argo->chunk, GFP_KERNEL_ACCOUNT);
	argo->conn->tx.end.size = most;
	return argo->buffer ? 0 : -ENOMEM;
}

static size_t argo_space(struct xvsock_conn *conn)
{
	struct xvsock_argo_conn *argo = conn->argo;
	bool waited;
	u32 most;

	if (!xvsock_conn_usable(conn))
		return 0;
	if (argo->room > XEN_ARGO_SLOT)
		return argo->room - XEN_ARGO_SLOT;
	if (argo_prepare_sending(argo))
		return 0;
	waited = READ_ONCE(argo->ring.waiting);
	if (!xvsock_argo_has_room(&argo->ring, argo->to_port, argo->chunk, &most))
		return 0;
	/* Another thread, whom Xen will not tell any more. */
	if (waited)
		conn->sk->sk_write_space(conn->sk);
	argo->room = xvsock_argo_taken(argo->chunk);
	return argo->chunk;
}

/* What was sent, up to `want` bytes; -EFAULT: none of them can be read; other errors are Xen's. */
static ssize_t argo_send_copied(struct xvsock_conn *conn, struct iov_iter *from, size_t want)
{
	struct xvsock_argo_conn *argo = conn->argo;
	size_t copied = copy_from_iter(argo->buffer, want, from);
	int err;

	if (!copied)
		return -EFAULT;
	err = xvsock_argo_send(&argo->ring, argo->to_port, TYPE_DATA, argo->buffer, copied);
	if (err) {
		iov_iter_revert(from, copied);
		return err;
	}
	xvsock_tap_data(conn, true, argo->buffer, copied);
	return copied;
}

/*
 * The same, but Xen takes the bytes from the user's own pages. 0 where that cannot be, or would
 * not be worth while.
 *
 * Xen reads what the kernel could read at these addresses, so they must be the user's: the
 * kernel has checked that when it made the iov_iter, and access_ok() does again. Xen faults nothing
 * in. That is done before; a page that has gone again meanwhile fails the message as a whole.
 */
static ssize_t argo_send_direct(struct xvsock_conn *conn, struct iov_iter *from, size_t want)
{
	struct xvsock_argo_conn *argo = conn->argo;
	struct xen_argo_iov pieces[XEN_ARGO_PIECES];
	struct iov_iter rest = *from;
	unsigned int count = 0;
	size_t length = 0;
	int err;

	if (want < DIRECT_MIN || !user_backed_iter(from))
		return 0;
	want -= fault_in_iov_iter_readable(from, want);
	while (length < want && count < XEN_ARGO_PIECES) {
		struct iovec piece = xvsock_user_piece(&rest);

		piece.iov_len = min(piece.iov_len, want - length);
		if (!piece.iov_len || !access_ok(piece.iov_base, piece.iov_len))
			break;
		pieces[count++] = (struct xen_argo_iov){
			.address = (unsigned long)piece.iov_base,
			.length = piece.iov_len,
		};
		length += piece.iov_len;
		iov_iter_advance(&rest, piece.iov_len);
	}
	/* A long message that is copied once more is better than many short ones. */
	if (length < min_t(size_t, want, argo->chunk / 4) || !length)
		return 0;
	err = xvsock_argo_sendv(&argo->ring, argo->to_port, TYPE_DATA, pieces, count);
	if (err)
		return err == -EFAULT ? 0 : err;
	xvsock_tap_user(conn, *from, length);
	*from = rest;
	return length;
}

static ssize_t argo_enqueue(struct xvsock_conn *conn, struct msghdr *msg, size_t len)
{
	struct xvsock_argo_conn *argo = conn->argo;
	ssize_t sent = 0;
	size_t done = 0;
	int err;

	/* A broken connection has set sk_err, which the core returns when nothing was written. */
	if (!xvsock_conn_usable(conn))
		return 0;
	err = argo_prepare_sending(argo);
	if (err)
		return err == -ENOMEM ? err : 0;

	while (done < len) {
		size_t want = min_t(size_t, len - done, argo->chunk);

		sent = argo_send_direct(conn, &msg->msg_iter, want);
		if (!sent)
			sent = argo_send_copied(conn, &msg->msg_iter, want);
		if (sent < 0)
			break;
		argo->room -= min(argo->room, xvsock_argo_taken(sent));
		conn->counters.kicks++;
		done += sent;
	}
	/* A bad pointer: what comes before it was sent, nothing is lost. */
	if (sent == -EFAULT && !done)
		return sent;
	/* Full, or the peer has closed; whoever waits for space is told. */
	if (sent < 0 && sent != -EFAULT)
		argo->room = 0;
	conn->counters.tx_bytes += done;
	conn->counters.tx_messages++;
	return done;
}

static void argo_spin_for_data(struct xvsock_conn *conn)
{
	struct xvsock_argo_conn *argo = conn->argo;
	u32 ns = conn->attached ? xvsock_spin_time_ns(conn) : 0;

	if (!ns)
		return;
	xvsock_spin_adapt(conn, xvsock_spin_while(conn, &argo->ring.memory->tx, argo->scanned, ns));
	if (argo_avail(conn, 1))
		conn->sk->sk_data_ready(conn->sk);
}

static void argo_spin_for_space(struct xvsock_conn *conn)
{
	struct xvsock_argo_conn *argo = conn->argo;
	u32 ns = conn->attached ? xvsock_spin_time_ns(conn) : 0;

	/* The other domain's index cannot be seen from here: it is the handler that hears. */
	if (ns && READ_ONCE(argo->ring.waiting))
		xvsock_spin_adapt(conn, xvsock_spin_while(conn, &argo->ring.waiting, 1, ns));
}

const struct xvsock_path xvsock_argo_path = {
	.name = "argo",

	.control_offer = argo_control_offer,
	.control_attach = argo_control_attach,
	.control_take = argo_control_take,
	.control_taken = argo_control_taken,
	.control_close = argo_control_close,
	.control_work = argo_control_work,
	.control_has_room = argo_control_has_room,
	.control_write = argo_control_write,
	.control_written = argo_control_written,

	.prepare = argo_begin,
	.attach = argo_attach,
	.part = argo_part,
	.live_changed = argo_live_changed,
	.freeze = argo_freeze,
	.set_limit = argo_set_limit,

	.enqueue = argo_enqueue,
	.dequeue = argo_dequeue,
	.avail = argo_avail,
	.space = argo_space,
	.ready = argo_ready,

	.spin_for_data = argo_spin_for_data,
	.spin_for_space = argo_spin_for_space,
};
