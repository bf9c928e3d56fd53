// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spinning before blocking. To sleep and be woken across domains takes two
 * passes through the hypervisor's scheduler, an event and an interrupt: many
 * times what a peer that is running needs to answer. So a blocking call first
 * looks for itself, and asks the peer for no kick meanwhile.
 *
 * How long, adapts to the connection: a look that finds something doubles the
 * next one's time, up to spin_us; one in vain halves it. Below SPIN_MIN_NS it
 * is not worth while, and the call sleeps at once, except every SPIN_RETRY-th
 * time, to find out whether the peer has become faster. So an idle connection,
 * or one whose peer has no processor to run on, costs next to nothing.
 *
 * A look ends early when another task wants the processor, at a signal, and
 * when the peer closes.
 */
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <net/sock.h>

#include "connection.h"
#include "limits.h"

#define SPIN_MIN_NS 1000
#define SPIN_RETRY 32
#define SPIN_LOOKS 64
#define SPIN_MAX_US 1000

static u32 spin_limit_ns(void)
{
	return min_t(u32, READ_ONCE(xvsock_spin_us), SPIN_MAX_US) * NSEC_PER_USEC;
}

/* How long to look this time; 0 for not at all. */
u32 xvsock_spin_time_ns(struct xvsock_conn *conn)
{
	u32 limit = spin_limit_ns();

	if (conn->spin_ns < SPIN_MIN_NS && ++conn->sleeps >= SPIN_RETRY) {
		conn->sleeps = 0;
		conn->spin_ns = limit / 4;
	}
	return conn->spin_ns < SPIN_MIN_NS ? 0 : min(conn->spin_ns, limit);
}

void xvsock_spin_adapt(struct xvsock_conn *conn, bool found)
{
	conn->spin_ns = found ? min(2 * conn->spin_ns, spin_limit_ns()) : conn->spin_ns / 2;
	conn->counters.spins++;
	conn->counters.spins_won += found;
}

/*
 * Until the peer moves its index away from this value, for at most `ns`, or a
 * little more: where a hypervisor emulates the clock, reading it takes longer
 * than many a look is worth, so that is done once in SPIN_LOOKS only.
 */
bool xvsock_spin_while(struct xvsock_conn *conn, const u32 *index, u32 value, u32 ns)
{
	u8 live = READ_ONCE(*conn->peer_live);
	u64 now, end = 0;
	unsigned int i;

	for (;;) {
		for (i = 0; i < SPIN_LOOKS; i++) {
			if (READ_ONCE(*index) != value)
				return true;
			cpu_relax();
		}
		if (READ_ONCE(*conn->peer_live) != live || need_resched() ||
		    signal_pending(current))
			return false;
		now = ktime_get_ns();
		if (!end)
			end = now + ns;
		else if (now >= end)
			return false;
	}
}

/*
 * In both, the index is only a hint: xvsock_vchan_avail() and _space() read it
 * again, check it, and ask for the kick again if there still is nothing. What
 * there is, all waiters are told of, as the kick would have done: the caller
 * is one of them.
 */

void xvsock_vchan_spin_for_data(struct xvsock_conn *conn)
{
	const struct vchan_end *rx = &conn->rx.end;
	u32 ns = conn->attached ? xvsock_spin_time_ns(conn) : 0;
	bool found;

	if (!ns)
		return;
	vchan_notify_withdraw(conn->asked_of_peer, VCHAN_NOTIFY_WRITE);
	found = xvsock_spin_while(conn, rx->at.prod, rx->index, ns);
	xvsock_spin_adapt(conn, found);
	if (xvsock_vchan_avail(conn, 1))
		conn->sk->sk_data_ready(conn->sk);
}

void xvsock_vchan_spin_for_space(struct xvsock_conn *conn)
{
	u32 ns = conn->attached ? xvsock_spin_time_ns(conn) : 0;
	const u32 *cons = conn->tx.end.at.cons;
	u32 seen;

	if (!ns)
		return;
	/* Before the last look for room: whatever moves it after that, the spin sees. */
	seen = READ_ONCE(*cons);
	if (!xvsock_vchan_space(conn)) {
		vchan_notify_withdraw(conn->asked_of_peer, VCHAN_NOTIFY_READ);
		xvsock_spin_adapt(conn, xvsock_spin_while(conn, cons, seen, ns));
	}
	if (xvsock_vchan_space(conn))
		conn->sk->sk_write_space(conn->sk);
}
