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
 */
#include <linux/uio.h>
#include <net/sock.h>

#include "connection.h"

/* The ring's memory from this offset on, contiguous to the end of its page. */
static void *ring_at(const struct xvsock_ring *ring, u32 offset)
{
	if (ring->inpage)
		return ring->inpage + offset;
	return xvsock_page(&ring->pages, offset >> VCHAN_PAGE_SHIFT) +
	       (offset & (VCHAN_PAGE_SIZE - 1));
}

static void kick_if_asked(struct xvsock_conn *conn, u8 bit)
{
	if (vchan_notify_take(conn->asked_of_us, bit))
		xvsock_event_kick(&conn->event);
}

/* The indices are the peer's to corrupt; what it gets is the end of the connection. */
static bool rx_avail(struct xvsock_conn *conn, u32 *avail)
{
	if (likely(vchan_reader_avail(&conn->rx.end, avail)))
		return true;
	xvsock_peer_violation(conn->peer, "an impossible producer index");
	xvsock_conn_break(conn, -ECONNRESET);
	return false;
}

static bool tx_space(struct xvsock_conn *conn, u32 *space)
{
	if (likely(vchan_writer_space(&conn->tx.end, space)))
		return true;
	xvsock_peer_violation(conn->peer, "an impossible consumer index");
	xvsock_conn_break(conn, -ECONNRESET);
	return false;
}

/*
 * A writer that waits for room is kicked when half the ring is free, not for
 * every byte that we take: that keeps the two sides from waking each other in
 * turn. It is not forgotten: whoever has taken less than half of a full ring
 * and then waits for more is about to see xvsock_data_avail() do this too.
 */
static void kick_waiting_writer(struct xvsock_conn *conn, u32 filled)
{
	if (filled <= conn->rx.end.size / 2)
		kick_if_asked(conn, VCHAN_NOTIFY_READ);
}

size_t xvsock_data_avail(struct xvsock_conn *conn, size_t target)
{
	u32 avail;

	if (!conn->attached || !rx_avail(conn, &avail))
		return 0;
	target = min_t(size_t, target, conn->rx.end.size);
	if (avail >= target)
		return avail;

	vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
	if (!rx_avail(conn, &avail))
		return 0;
	if (avail < target)
		kick_if_asked(conn, VCHAN_NOTIFY_READ);
	return avail;
}

size_t xvsock_data_space(struct xvsock_conn *conn, size_t target)
{
	u32 space;

	if (!conn->attached || !tx_space(conn, &space))
		return 0;
	target = min_t(size_t, target, conn->tx.end.size);
	if (space >= target)
		return space;

	vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_READ);
	if (!tx_space(conn, &space))
		return 0;
	return space;
}

ssize_t xvsock_data_enqueue(struct xvsock_conn *conn, struct msghdr *msg, size_t len)
{
	struct xvsock_ring *tx = &conn->tx;
	u32 space, want, done = 0;

	/* A broken connection has set sk_err, which the core returns when nothing was written. */
	if (!conn->attached || !tx_space(conn, &space))
		return 0;

	want = min_t(size_t, len, space);
	while (done < want) {
		struct vchan_span span = vchan_span_at(&tx->end, done, want - done,
						       VCHAN_PAGE_SIZE);
		size_t copied = copy_from_iter(ring_at(tx, span.offset), span.length,
					       &msg->msg_iter);

		done += copied;
		if (copied < span.length) {
			/* A bad pointer: what was read before it is sent, nothing is lost. */
			if (!done)
				return -EFAULT;
			break;
		}
	}
	vchan_writer_advance(&tx->end, done);
	kick_if_asked(conn, VCHAN_NOTIFY_WRITE);
	return done;
}

ssize_t xvsock_data_dequeue(struct xvsock_conn *conn, struct msghdr *msg, size_t len, int flags)
{
	struct xvsock_ring *rx = &conn->rx;
	u32 avail, want, done = 0;

	if (!conn->attached)
		return 0;
	if (!rx_avail(conn, &avail))
		return -ECONNRESET;

	want = min_t(size_t, len, avail);
	while (done < want) {
		struct vchan_span span = vchan_span_at(&rx->end, done, want - done,
						       VCHAN_PAGE_SIZE);
		size_t copied = copy_to_iter(ring_at(rx, span.offset), span.length,
					     &msg->msg_iter);

		done += copied;
		if (copied < span.length) {
			/* A bad pointer: what did not arrive stays in the ring. */
			if (!done)
				return -EFAULT;
			break;
		}
	}
	if (flags & MSG_PEEK)
		return done;

	vchan_reader_advance(&rx->end, done);
	kick_waiting_writer(conn, avail - done);
	if (done == avail) {
		vchan_notify_request(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
		/* What came before the request was visible came without a kick. */
		if (rx_avail(conn, &avail) && avail)
			conn->sk->sk_data_ready(conn->sk);
	}
	return done;
}

irqreturn_t xvsock_data_interrupt(int irq, void *data)
{
	struct xvsock_conn *conn = data;
	struct sock *sk = READ_ONCE(conn->sk); /* NULL until conn_make_child() */
	unsigned int eoi_flags = XEN_EOI_FLAG_SPURIOUS;
	bool moved, wake;
	u32 prod, cons;
	u8 live;

	/*
	 * Compared, never used: an event without any change came for nothing,
	 * and late EOI slows down a peer that sends many of them.
	 */
	live = vchan_load_acquire(conn->peer_live);
	prod = vchan_load_acquire(&conn->rx.end.shared->prod);
	cons = vchan_load_acquire(&conn->tx.end.shared->cons);

	if (live != conn->seen_live) {
		eoi_flags = 0;
		if (sk) { /* else conn_make_child() looks itself, or the next event does */
			conn->seen_live = live;
			xvsock_conn_queue_event(conn);
		}
	}
	wake = vchan_notify_ends_wait(conn->asked_of_peer, VCHAN_NOTIFY_WRITE, prod,
				      &conn->seen_prod, &moved);
	if (moved)
		eoi_flags = 0;
	if (wake && sk)
		sk->sk_data_ready(sk);
	wake = vchan_notify_ends_wait(conn->asked_of_peer, VCHAN_NOTIFY_READ, cons,
				      &conn->seen_cons, &moved);
	if (moved)
		eoi_flags = 0;
	if (wake && sk)
		sk->sk_write_space(sk);
	xen_irq_lateeoi(irq, eoi_flags);
	return IRQ_HANDLED;
}
