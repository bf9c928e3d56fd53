// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages over the control vchan.
 *
 * Received by control_work, which the event channel queues. Sent by whoever
 * holds peer->lock. Neither side can block the other for good: an incoming
 * message is always taken out of its ring, because RESPONSE and RESET need no
 * answer and requests go to a queue as long as the window that bounds them;
 * answers that find no room wait on a list that their connections are part of.
 * So nothing is allocated, and nothing grows, on a peer's word.
 */
#include <linux/slab.h>
#include <net/sock.h>
#include <vchan/notify.h>

#include "connection.h"
#include "control.h"

/* Messages handled before control_work lets others run. */
#define CONTROL_BATCH 64

#define MESSAGE_SIZE ((u32)sizeof(struct xvsock_message))

static void control_broken(struct xvsock_peer *peer, const char *what)
{
	bool first;

	spin_lock(&peer->lock);
	first = !peer->broken;
	peer->broken = true;
	spin_unlock(&peer->lock);
	if (!first)
		return;
	xvsock_peer_violation(peer, what);
	peer->on_broken(peer);
}

/* -- sending; peer->lock held -------------------------------------------- */

/*
 * Whether a message fits. If not, the peer is asked to kick when one does. A
 * corrupt index is left to the receiving side to find and act on.
 */
static bool control_has_room(struct xvsock_control *control)
{
	u32 space;

	vchan_writer_space(&control->tx, &space);
	if (space >= MESSAGE_SIZE)
		return true;
	vchan_notify_request(control->asked_of_peer, VCHAN_NOTIFY_READ);
	vchan_writer_space(&control->tx, &space);
	return space >= MESSAGE_SIZE;
}

static void control_write(struct xvsock_control *control, const struct xvsock_message *msg)
{
	struct vchan_span span = vchan_span_at(&control->tx, 0, MESSAGE_SIZE, control->tx.size);

	memcpy(control->tx_ring + span.offset, msg, MESSAGE_SIZE);
	vchan_writer_advance(&control->tx, MESSAGE_SIZE);
}

static void control_write_request(struct xvsock_peer *peer, struct xvsock_conn *conn)
{
	struct xvsock_message msg = {
		.op = XVSOCK_OP_REQUEST,
		.version = XVSOCK_PROTOCOL_VERSION,
		.type = SOCK_STREAM,
		.id = conn->id,
		.src_port = conn->src_port,
		.dst_port = conn->dst_port,
		.ring_ref = conn->shared.refs[0],
		.event_channel = conn->event.port,
		.left_order = ilog2(conn->rx.end.size),
		.right_order = ilog2(conn->tx.end.size),
	};

	conn->requested = true;
	peer->unanswered++;
	control_write(&peer->control, &msg);
}

static void control_write_answer(struct xvsock_peer *peer, u8 op, u32 id, u32 reason)
{
	struct xvsock_message msg = {
		.op = op,
		.version = XVSOCK_PROTOCOL_VERSION,
		.id = id,
		.reason = reason,
	};

	control_write(&peer->control, &msg);
}

/* Sends one message of the first connection that has something to say; false if none can. */
static bool control_send_one(struct xvsock_peer *peer)
{
	struct xvsock_conn *conn;

	conn = list_first_entry_or_null(&peer->to_answer, struct xvsock_conn, to_send);
	if (conn) {
		if (!control_has_room(&peer->control))
			return false;
		/* RESPONSE first: a RESET alone would read as a refusal. */
		if (conn->owes_response) {
			control_write_answer(peer, XVSOCK_OP_RESPONSE, conn->id, 0);
			conn->owes_response = false;
		} else {
			control_write_answer(peer, XVSOCK_OP_RESET, conn->id, XVSOCK_REASON_NONE);
			conn->owes_reset = false;
		}
		if (conn->owes_reset)
			return true;
	} else {
		conn = list_first_entry_or_null(&peer->to_request, struct xvsock_conn, to_send);
		if (!conn || peer->unanswered >= XVSOCK_REQUEST_WINDOW ||
		    !control_has_room(&peer->control))
			return false;
		control_write_request(peer, conn);
	}
	list_del_init(&conn->to_send);
	xvsock_conn_put(conn); /* the list's; the peer is not freed by it, its caller holds it */
	return true;
}

void xvsock_control_flush(struct xvsock_peer *peer)
{
	bool sent = false;

	spin_lock(&peer->lock);
	if (peer->up) {
		while (control_send_one(peer))
			sent = true;
		if (sent && vchan_notify_take(peer->control.asked_of_us, VCHAN_NOTIFY_WRITE))
			xvsock_event_kick(&peer->control.event);
	}
	spin_unlock(&peer->lock);
}

/* Refuses a request that has become no connection. False if there is no room yet. */
static bool control_refuse(struct xvsock_peer *peer, u32 id, u32 reason)
{
	bool sent;

	spin_lock(&peer->lock);
	sent = control_has_room(&peer->control);
	if (sent) {
		control_write_answer(peer, XVSOCK_OP_RESET, id, reason);
		if (vchan_notify_take(peer->control.asked_of_us, VCHAN_NOTIFY_WRITE))
			xvsock_event_kick(&peer->control.event);
	}
	spin_unlock(&peer->lock);
	return sent;
}

/* -- receiving; control_work only ---------------------------------------- */

/* Takes one message out of the ring. 1: done, 0: there is none, -EPROTO: the ring is corrupt. */
static int control_read(struct xvsock_control *control, struct xvsock_message *msg)
{
	struct vchan_span span;
	u32 avail, *to = (u32 *)msg;
	const u32 *from;
	unsigned int i;

	if (!vchan_reader_avail(&control->rx, &avail))
		return -EPROTO;
	if (avail < MESSAGE_SIZE)
		return 0;

	/* Each word is read once: from here on only the copy counts. */
	span = vchan_span_at(&control->rx, 0, MESSAGE_SIZE, control->rx.size);
	from = (const u32 *)(control->rx_ring + span.offset);
	for (i = 0; i < MESSAGE_SIZE / sizeof(u32); i++)
		to[i] = READ_ONCE(from[i]);
	vchan_reader_advance(&control->rx, MESSAGE_SIZE);
	if (vchan_notify_take(control->asked_of_us, VCHAN_NOTIFY_READ))
		xvsock_event_kick(&control->event);
	return 1;
}

static struct xvsock_conn *control_find_initiated(struct xvsock_peer *peer, u32 id)
{
	struct xvsock_conn *conn;

	xa_lock(&peer->initiated);
	conn = xa_load(&peer->initiated, id);
	if (conn)
		xvsock_conn_get(conn);
	xa_unlock(&peer->initiated);
	return conn;
}

static void control_dispatch(struct xvsock_peer *peer, const struct xvsock_message *msg)
{
	struct xvsock_conn *conn;
	unsigned int last;

	if (msg->version != XVSOCK_PROTOCOL_VERSION) {
		control_broken(peer, "a message of an unknown version");
		return;
	}
	switch (msg->op) {
	case XVSOCK_OP_REQUEST:
		if (peer->requests_count == XVSOCK_REQUEST_WINDOW) {
			control_broken(peer, "more requests than the window allows");
			return;
		}
		last = (peer->requests_first + peer->requests_count++) % XVSOCK_REQUEST_WINDOW;
		peer->requests[last] = *msg;
		break;
	case XVSOCK_OP_RESPONSE:
	case XVSOCK_OP_RESET:
		conn = control_find_initiated(peer, msg->id);
		if (!conn) {
			xvsock_peer_violation(peer, "an answer to no request");
			return;
		}
		xvsock_conn_answered(conn, msg);
		xvsock_conn_put(conn);
		break;
	default:
		control_broken(peer, "an unknown message");
	}
}

/* Answers what is queued, as long as refusals find room. */
static void control_serve(struct xvsock_peer *peer)
{
	while (peer->requests_count) {
		struct xvsock_message *msg = &peer->requests[peer->requests_first];

		/* A refusal that had to wait is kept as the RESET that it will be. */
		if (msg->op == XVSOCK_OP_REQUEST) {
			msg->reason = xvsock_conn_accept(peer, msg);
			if (msg->reason)
				msg->op = XVSOCK_OP_RESET;
		}
		if (msg->op == XVSOCK_OP_RESET && !control_refuse(peer, msg->id, msg->reason))
			return;
		peer->requests_first = (peer->requests_first + 1) % XVSOCK_REQUEST_WINDOW;
		peer->requests_count--;
	}
}

static void control_work(struct work_struct *work)
{
	struct xvsock_peer *peer = container_of(work, struct xvsock_peer, control_work);
	struct xvsock_control *control = &peer->control;
	unsigned int handled = 0;
	struct xvsock_message msg;
	u32 avail;
	int more;

	for (;;) {
		while ((more = control_read(control, &msg)) > 0 && handled++ < CONTROL_BATCH)
			control_dispatch(peer, &msg);
		control_serve(peer);
		xvsock_control_flush(peer);

		if (more < 0)
			control_broken(peer, "an impossible control ring index");
		if (READ_ONCE(peer->broken))
			return; /* no EOI: the event channel is about to be closed */
		if (more > 0) {
			/* The next one is dispatched here; the rest gets its turn. */
			control_dispatch(peer, &msg);
			queue_work(xvsock_wq, work);
			return;
		}

		vchan_notify_request(control->asked_of_peer, VCHAN_NOTIFY_WRITE);
		if (vchan_reader_avail(&control->rx, &avail) && avail < MESSAGE_SIZE)
			break;
	}
	xen_irq_lateeoi(control->event.irq, handled ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

static irqreturn_t control_interrupt(int irq, void *data)
{
	struct xvsock_peer *peer = data;

	/* EOI comes from control_work, so a storm waits for its work to be done. */
	queue_work(xvsock_wq, &peer->control_work);
	return IRQ_HANDLED;
}

/* -- coming and going ---------------------------------------------------- */

static void control_init(struct xvsock_peer *peer, bool server)
{
	struct xvsock_control *control = &peer->control;
	struct vchan_page *page = xvsock_page(&control->shared, 0);
	u8 *left = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_LEFT_ORDER);
	u8 *right = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_RIGHT_ORDER);

	BUILD_BUG_ON((1u << XVSOCK_CONTROL_LEFT_ORDER) % sizeof(struct xvsock_message));
	BUILD_BUG_ON((1u << XVSOCK_CONTROL_RIGHT_ORDER) % sizeof(struct xvsock_message));

	control->server = server;
	control->rx_ring = server ? left : right;
	control->tx_ring = server ? right : left;
	control->asked_of_us = server ? &page->srv_notify : &page->cli_notify;
	control->asked_of_peer = server ? &page->cli_notify : &page->srv_notify;
	if (server) {
		vchan_end_init(&control->rx, &page->left, XVSOCK_CONTROL_LEFT_ORDER);
		vchan_end_init(&control->tx, &page->right, XVSOCK_CONTROL_RIGHT_ORDER);
	} else {
		vchan_end_init(&control->tx, &page->left, XVSOCK_CONTROL_LEFT_ORDER);
		vchan_end_init(&control->rx, &page->right, XVSOCK_CONTROL_RIGHT_ORDER);
	}
	INIT_WORK(&peer->control_work, control_work);
}

/* From now on messages may be sent. */
static void control_open(struct xvsock_peer *peer)
{
	spin_lock(&peer->lock);
	peer->up = true;
	spin_unlock(&peer->lock);
}

int xvsock_control_offer(struct xvsock_peer *peer)
{
	struct xvsock_control *control = &peer->control;
	struct vchan_page *page;
	int err;

	err = xvsock_pages_grant(&control->shared, 1, peer->domid, false);
	if (err)
		return err;
	page = xvsock_page(&control->shared, 0);
	page->left_order = XVSOCK_CONTROL_LEFT_ORDER;
	page->right_order = XVSOCK_CONTROL_RIGHT_ORDER;
	page->cli_live = VCHAN_WAITING;
	page->srv_live = VCHAN_OPEN;
	page->cli_notify = VCHAN_NOTIFY_WRITE;
	page->srv_notify = VCHAN_NOTIFY_WRITE;
	control_init(peer, true);

	err = xvsock_event_alloc(&control->event, peer->domid, control_interrupt,
				 "xvsock-control", peer);
	if (err) {
		xvsock_pages_revoke(&control->shared);
		return err;
	}
	control_open(peer);
	return 0;
}

bool xvsock_control_taken(struct xvsock_peer *peer)
{
	const struct vchan_page *page = xvsock_page(&peer->control.shared, 0);

	return vchan_load_acquire(&page->cli_live) != VCHAN_WAITING;
}

int xvsock_control_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port)
{
	struct xvsock_control *control = &peer->control;
	struct vchan_page *page;
	int err;

	err = xvsock_pages_map(&control->shared, &ref, 1, peer->domid, false);
	if (err)
		return err;
	page = xvsock_page(&control->shared, 0);
	vchan_store_release(&page->cli_live, VCHAN_OPEN);
	control_init(peer, false);

	err = xvsock_event_bind(&control->event, peer->domid, port, control_interrupt,
				"xvsock-control", peer);
	if (err) {
		xvsock_pages_unmap(&control->shared);
		return err;
	}
	control_open(peer);
	/* What the frontend sent before the port was bound came without an event. */
	queue_work(xvsock_wq, &peer->control_work);
	return 0;
}

void xvsock_control_close(struct xvsock_peer *peer)
{
	struct xvsock_control *control = &peer->control;

	if (!control->event.irq)
		return;
	/* The work uses the irq for its EOI, so the handler stops first, then the work. */
	disable_irq(control->event.irq);
	cancel_work_sync(&peer->control_work);
	xvsock_event_close(&control->event);

	if (control->server)
		xvsock_pages_revoke(&control->shared);
	else
		xvsock_pages_unmap(&control->shared);
}
