// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes between the user's iovec and the rings: one copy on either side, no
 * buffer in between, and a kick only when the peer has asked for one.
 *
 * Everything but the interrupt handler runs under lock_sock, which is what
 * makes this side the single writer of tx and the single reader of rx.
 *
 * When the peer is asked for a kick (vchan/notify.h has the proof that none
 * is lost): whenever less than what was wanted is there, and whenever a read
 * empties the ring. The second is for edge-triggered epoll, whose user may
 * take a short read for the end of the data and not come back for -EAGAIN.
 * A short write needs no such care: the core only returns one after space was
 * found to be 0.
 *
 * A long transfer is published in parts, for a peer that looks by itself. One
 * that sleeps is kicked when all of it is there.
 */
#include <linux/uio.h>
#include <net/sock.h>

#include "connection.h"
#include "control.h"

static void kick_if_asked(struct xvsock_conn *conn, u8 bit)
{
	if (vchan_notify_take(conn->asked_of_us, bit)) {
		conn->counters.kicks++;
		xvsock_vchan_kick(conn->vchan);
	}
}

/* The indices are the peer's to corrupt; what it gets is the end of the connection. */
static bool data_refuse(struct xvsock_conn *conn, const char *what)
{
	xvsock_peer_violation(conn->peer, what);
	xvsock_conn_break(conn, -ECONNRESET);
	return false;
}

static bool rx_avail(struct xvsock_conn *conn, u32 *avail)
{
	struct xvsock_ring *rx = &conn->rx;
	bool valid = vchan_reader_avail(&rx->end, avail);

	/* After prod: growth.c says why. */
	if (unlikely(!rx->large)) {
		if (!xvsock_growth_follow(conn))
			return data_refuse(conn, "a move to a ring that is not there");
		if (rx->large)
			valid = vchan_reader_avail(&rx->end, avail);
	}
	return likely(valid) || data_refuse(conn, "an impossible producer index");
}

/* More than there ever is, so that the reader's index is looked at. */
#define ALL U32_MAX

/* The room there is. The reader's index is only looked at if less than `want` was seen before. */
static bool tx_space(struct xvsock_conn *conn, u32 want, u32 *space)
{
	struct xvsock_ring *tx = &conn->tx;
	u32 limit, closed;

	if (unlikely(!tx->large))
		xvsock_growth_move(conn);
	/*
	 * The reader would have no more unread, and our socket no more on its way, than
	 * this; the rest of the ring is closed to us. A limit that lies only costs the
	 * reader data.
	 */
	limit = min_t(u64, READ_ONCE(tx->share->limit), vsock_sk(conn->sk)->buffer_size);
	limit = max_t(u32, limit, XVSOCK_LIMIT_MIN);
	closed = tx->end.size - min(limit, tx->end.size);
	want = min_t(u64, (u64)want + closed, ALL);
	if (unlikely(!vchan_writer_space_for(&tx->end, want, space)))
		return data_refuse(conn, "an impossible consumer index");
	*space -= min(*space, closed);
	return true;
}

/*
 * The most that a reader can find in its ring, if it waits long enough: of
 * `target`, what the socket would have unread at most. Who wants more than the
 * small ring holds, gets a large one, unless that is refused.
 */
static u32 rx_target(struct xvsock_conn *conn, size_t target)
{
	struct xvsock_ring *rx = &conn->rx;
	u64 most;

	if (target <= rx->small_size)
		return target;
	most = max_t(u64, vsock_sk(conn->sk)->buffer_size, XVSOCK_LIMIT_MIN);
	if (!rx->large)
		xvsock_growth_ask(conn, rx);
	if (rx->large)
		most = min_t(u64, most, rx->end.size);
	else if (READ_ONCE(rx->growth) == XVSOCK_GROWTH_NONE)
		most = rx->small_size;
	else
		most = min_t(u64, most, 1u << READ_ONCE(rx->order));
	return min_t(u64, target, most);
}

/*
 * A writer that waits for room is kicked when half the ring is free, not for
 * every byte that we take: that keeps the two sides from waking each other in
 * turn. It is not forgotten: whoever has taken less than half of a full ring
 * and then waits for more is about to see xvsock_vchan_avail() do this too.
 */
static void kick_waiting_writer(struct xvsock_conn *conn, u32 filled)
{
	if (filled <= conn->rx.end.size / 2)
		kick_if_asked(conn, VCHAN_NOTIFY_READ);
}

size_t xvsock_vchan_avail(struct xvsock_conn *conn, size_t target)
{
	u32 avail;

	if (!xvsock_conn_usable(conn) || !rx_avail(conn, &avail))
		return 0;
	if (avail >= target)
		return avail;
	target = rx_target(conn, target);

	vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
	if (!rx_avail(conn, &avail))
		return 0;
	if (avail < target)
		kick_if_asked(conn, VCHAN_NOTIFY_READ);
	return avail;
}

static bool vchan_ready(struct xvsock_conn *conn, size_t target)
{
	size_t avail = xvsock_vchan_avail(conn, target);

	return avail >= target || (conn->attached && avail >= rx_target(conn, target));
}

size_t xvsock_vchan_space(struct xvsock_conn *conn)
{
	u32 space;

	if (!xvsock_conn_usable(conn) || !tx_space(conn, 1, &space))
		return 0;
	if (space)
		return space;

	if (!conn->tx.large)
		xvsock_growth_ask(conn, &conn->tx);
	vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_READ);
	if (!tx_space(conn, ALL, &space))
		return 0;
	return space;
}

static ssize_t vchan_enqueue(struct xvsock_conn *conn, struct msghdr *msg, size_t len)
{
	struct xvsock_ring *tx = &conn->tx;
	u32 space, want, done = 0;

	/* A broken connection has set sk_err, which the core returns when nothing was written. */
	if (!xvsock_conn_usable(conn) || !tx_space(conn, min_t(size_t, len, ALL), &space))
		return 0;
	if (unlikely(len > space && !tx->large))
		xvsock_growth_ask(conn, tx);

	want = min_t(size_t, len, space);
	while (done < want) {
		u32 length, part = min(want - done, vchan_part_bytes(&tx->end));
		void *to = xvsock_ring_piece(tx, 0, part, &length);
		size_t copied = copy_from_iter(to, length, &msg->msg_iter);

		xvsock_tap_data(conn, true, to, copied);
		vchan_writer_advance(&tx->end, copied);
		done += copied;
		if (copied < length) {
			/* A bad pointer: what was read before it is sent, nothing is lost. */
			if (!done)
				return -EFAULT;
			break;
		}
	}
	kick_if_asked(conn, VCHAN_NOTIFY_WRITE);
	conn->counters.tx_bytes += done;
	conn->counters.tx_messages++;
	return done;
}

static ssize_t vchan_dequeue(struct xvsock_conn *conn, struct msghdr *msg, size_t len, int flags)
{
	struct xvsock_ring *rx = &conn->rx;
	bool peek = flags & MSG_PEEK;
	u32 avail, want, done = 0;

	if (!xvsock_conn_usable(conn))
		return 0;
	if (!rx_avail(conn, &avail))
		return -ECONNRESET;

	want = min_t(size_t, len, avail);
	while (done < want) {
		u32 length, part = min(want - done, vchan_part_bytes(&rx->end));
		void *from = xvsock_ring_piece(rx, peek ? done : 0, part, &length);
		size_t copied = copy_to_iter(from, length, &msg->msg_iter);

		if (!peek) {
			xvsock_tap_data(conn, false, from, copied);
			vchan_reader_advance(&rx->end, copied);
		}
		done += copied;
		if (copied < length) {
			/* A bad pointer: what did not arrive stays in the ring. */
			if (!done)
				return -EFAULT;
			break;
		}
	}
	if (peek)
		return done;

	if (unlikely(rx->draining))
		rx->draining = rx->moved_at - rx->end.index - 1 < rx->small_size;
	conn->counters.rx_bytes += done;
	conn->counters.rx_messages++;
	kick_waiting_writer(conn, avail - done);
	if (done == avail) {
		vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
		/* What came before the request was visible came without a kick. */
		if (rx_avail(conn, &avail) && avail)
			conn->sk->sk_data_ready(conn->sk);
	}
	return done;
}

/* The peer's live byte has changed. Returns whether that may go on. */
static bool data_live_changed(struct xvsock_conn *conn)
{
	if (conn->live_changes > XVSOCK_LIVE_CHANGES)
		return false;
	if (conn->live_changes++ < XVSOCK_LIVE_CHANGES)
		xvsock_conn_queue_event(conn);
	else
		xvsock_conn_violation(conn, "a live byte without end");
	return true;
}

irqreturn_t xvsock_data_interrupt(int irq, void *data)
{
	struct xvsock_conn *conn = data;
	struct sock *sk = READ_ONCE(conn->sk); /* NULL until conn_make_child() */
	unsigned int eoi_flags = XEN_EOI_FLAG_SPURIOUS;
	/* A client that has come to nobody yet has nothing else to say. */
	bool moved, wake, heard = sk || !conn->plain;
	const u32 *prod_at = READ_ONCE(conn->rx.end.at.prod); /* or vchan_freeze()'s */
	u32 prod, cons;
	u8 live;

	/*
	 * Compared, never used: an event without any change came for nothing,
	 * and late EOI slows down a peer that sends many of them.
	 */
	live = vchan_load_acquire(conn->peer_live);
	prod = vchan_load_acquire(prod_at);
	cons = vchan_load_acquire(conn->tx.end.at.cons);

	if (live != conn->seen_live) {
		eoi_flags = 0;
		/* Else conn_make_child() looks itself, or the next event does. */
		if (sk || conn->plain) {
			conn->seen_live = live;
			if (!data_live_changed(conn))
				eoi_flags = XEN_EOI_FLAG_SPURIOUS;
		}
	}
	wake = vchan_notify_ends_wait(conn->asked_of_peer, VCHAN_NOTIFY_WRITE, prod,
				      &conn->seen_prod, &moved);
	if (moved && heard)
		eoi_flags = 0;
	if (wake && sk)
		sk->sk_data_ready(sk);
	wake = vchan_notify_ends_wait(conn->asked_of_peer, VCHAN_NOTIFY_READ, cons,
				      &conn->seen_cons, &moved);
	if (moved && heard)
		eoi_flags = 0;
	if (wake && sk)
		sk->sk_write_space(sk);
	conn->counters.events++;
	conn->counters.spurious += eoi_flags == XEN_EOI_FLAG_SPURIOUS;
	xen_irq_lateeoi(irq, eoi_flags);
	return IRQ_HANDLED;
}

static void vchan_part(struct xvsock_conn *conn)
{
	if (conn->vchan)
		xvsock_vchan_part(conn->vchan);
}

static void vchan_live_changed(struct xvsock_conn *conn)
{
	/* A peer that has closed gets no more from its socket: RESET is all it waits for. */
	if (vchan_load_acquire(conn->peer_live) == VCHAN_CLOSED)
		return;
	/* Not asked for, so always kicked: it happens at most four times. */
	conn->counters.kicks++;
	xvsock_vchan_kick(conn->vchan);
}

/*
 * Called after the live byte was seen, so prod has all that was sent before it. The interrupt
 * handler reads one place or the other, and only compares.
 */
static void vchan_freeze(struct xvsock_conn *conn)
{
	struct xvsock_ring *rx = &conn->rx;

	rx->last_prod = vchan_load_acquire(rx->end.at.prod);
	WRITE_ONCE(rx->end.at.prod, &rx->last_prod);
}

static void vchan_set_limit(struct xvsock_conn *conn, u64 bytes)
{
	WRITE_ONCE(conn->rx.share->limit, min_t(u64, bytes, U32_MAX));
	/* A writer that was held back by the old one looks again; the barrier is in there. */
	kick_if_asked(conn, VCHAN_NOTIFY_READ);
}

const struct xvsock_path xvsock_vchan_path = {
	.name = "vchan",
	.shares_pages = true,

	.control_offer = xvsock_control_vchan_offer,
	.control_attach = xvsock_control_vchan_attach,
	.control_take = xvsock_control_vchan_take,
	.control_taken = xvsock_control_vchan_taken,
	.control_close = xvsock_control_vchan_close,
	.control_work = xvsock_control_vchan_work,
	.control_has_room = xvsock_control_vchan_has_room,
	.control_write = xvsock_control_vchan_write,
	.control_written = xvsock_control_vchan_written,

	.prepare = xvsock_conn_prepare_vchan,
	.attach = xvsock_conn_attach_vchan,
	.part = vchan_part,
	.live_changed = vchan_live_changed,
	.freeze = vchan_freeze,
	.set_limit = vchan_set_limit,

	.enqueue = vchan_enqueue,
	.dequeue = vchan_dequeue,
	.avail = xvsock_vchan_avail,
	.space = xvsock_vchan_space,
	.ready = vchan_ready,

	.spin_for_data = xvsock_vchan_spin_for_data,
	.spin_for_space = xvsock_vchan_spin_for_space,
};
