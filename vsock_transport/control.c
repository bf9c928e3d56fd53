// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages over the control vchan.
 *
 * Received by control_work, which the event channel queues. Sent by whoever
 * holds peer->lock. Neither side can block the other for good: an incoming
 * message is always taken out of its ring, because RESPONSE and RESET need no
 * answer and requests go to as many places as the window allows; answers that
 * find no room wait in those places or on a list that their connections are
 * part of. So nothing is allocated, and nothing grows, on a peer's word.
 *
 * control_work never waits for a socket: what has to is a work of its own.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <vchan/notify.h>

#include "argo_path.h"
#include "connection.h"
#include "control.h"
#include "trace.h"

/* Messages handled before control_work lets others run. */
#define CONTROL_BATCH 64

#define MESSAGE_SIZE XVSOCK_MESSAGE_SIZE

/* message.h knows no header of the kernel's. */
static_assert(XVSOCK_TYPE_STREAM == SOCK_STREAM);
static_assert(XVSOCK_PORT_ANY == VMADDR_PORT_ANY);

void xvsock_control_broken(struct xvsock_peer *peer, const char *what)
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
 * corrupt index is left to control_work to find and act on.
 */
bool xvsock_control_vchan_has_room(struct xvsock_peer *peer)
{
	struct xvsock_control *control = &peer->control;
	u32 space;

	vchan_writer_space(&control->tx, &space);
	if (space >= MESSAGE_SIZE)
		return true;
	vchan_notify_request(control->asked_of_peer, VCHAN_NOTIFY_READ);
	vchan_writer_space(&control->tx, &space);
	return space >= MESSAGE_SIZE;
}

void xvsock_control_vchan_write(struct xvsock_peer *peer, const struct xvsock_message *msg)
{
	struct xvsock_control *control = &peer->control;
	struct vchan_span span = vchan_span_at(&control->tx, 0, MESSAGE_SIZE, control->tx.size);

	memcpy(control->tx_ring + span.offset, msg, MESSAGE_SIZE);
	vchan_writer_advance(&control->tx, MESSAGE_SIZE);
}

void xvsock_control_vchan_written(struct xvsock_peer *peer)
{
	if (vchan_notify_take(peer->control.asked_of_us, VCHAN_NOTIFY_WRITE))
		xvsock_event_kick(&peer->control.event);
}

static bool control_has_room(struct xvsock_peer *peer)
{
	return peer->path->control_has_room(peer);
}

static void control_write(struct xvsock_peer *peer, const struct xvsock_message *msg)
{
	trace_xvsock_control(peer->cid, true, msg);
	peer->path->control_write(peer, msg);
}

static void control_write_request(struct xvsock_peer *peer, struct xvsock_conn *conn)
{
	struct xvsock_message msg = {
		.op = XVSOCK_OP_REQUEST,
		.version = XVSOCK_PROTOCOL_VERSION,
		.type = XVSOCK_TYPE_STREAM,
		.id = conn->id,
		.src_port = conn->src_port,
		.dst_port = conn->dst_port,
		.ring_ref = conn->vchan ? conn->vchan->ref : 0,
		.event_channel = conn->vchan ? conn->vchan->server_port : 0,
		.left_order = XVSOCK_LEFT_ORDER,
		.right_order = XVSOCK_RIGHT_ORDER,
	};

	conn->requested = true;
	peer->unanswered++;
	control_write(peer, &msg);
}

static void control_write_refusal(struct xvsock_peer *peer, const struct xvsock_message *request)
{
	struct xvsock_message msg = {
		.op = XVSOCK_OP_RESET,
		.version = XVSOCK_PROTOCOL_VERSION,
		.id = request->id,
		.reason = request->reason,
	};

	if (xvsock_vchan_is_kept(peer, request->ring_ref))
		msg.ring_ref = request->ring_ref;
	peer->totals.refused++;
	control_write(peer, &msg);
}

/* Refuses a request that has become no connection, if one waits for that. */
static bool control_send_refusal(struct xvsock_peer *peer)
{
	struct xvsock_served *served;

	for (served = peer->served; served < peer->served + XVSOCK_REQUEST_WINDOW; served++) {
		if (!served->refused)
			continue;
		if (!control_has_room(peer))
			return false;
		control_write_refusal(peer, &served->msg);
		served->refused = false;
		served->busy = false;
		return true;
	}
	return false;
}

/* Writes the first of the messages that the connection owes. */
static void control_write_owed(struct xvsock_peer *peer, struct xvsock_conn *conn)
{
	u16 owed = conn->owes & -conn->owes;
	struct xvsock_message msg = {
		.version = XVSOCK_PROTOCOL_VERSION,
		.id = conn->id,
	};

	switch (owed) {
	case XVSOCK_OWES_RESPONSE:
		msg.op = XVSOCK_OP_RESPONSE;
		conn->served->busy = false;
		break;
	case XVSOCK_OWES_LIVE:
		xvsock_argo_fill_live(conn, &msg);
		break;
	case XVSOCK_OWES_RESET:
		msg.op = XVSOCK_OP_RESET;
		msg.ring_ref = conn->kept;
		break;
	default:
		xvsock_growth_fill(conn, owed, &msg);
	}
	conn->owes -= owed;
	control_write(peer, &msg);
}

/* The peer is to let go of a vchan, or we have. */
static void control_write_release(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	struct xvsock_message msg = {
		.op = vchan->server ? XVSOCK_OP_RELEASE : XVSOCK_OP_RELEASED,
		.version = XVSOCK_PROTOCOL_VERSION,
		.ring_ref = vchan->ref,
	};

	control_write(peer, &msg);
	xvsock_vchan_told(peer, vchan);
}

/* Sends one message of the first that has something to say; false if none can. */
static bool control_send_one(struct xvsock_peer *peer)
{
	struct xvsock_vchan *vchan;
	struct xvsock_conn *conn;

	if (control_send_refusal(peer))
		return true;

	vchan = xvsock_vchan_to_tell(peer);
	if (vchan && control_has_room(peer)) {
		control_write_release(peer, vchan);
		return true;
	}

	conn = list_first_entry_or_null(&peer->to_tell, struct xvsock_conn, to_send);
	if (conn) {
		if (!control_has_room(peer))
			return false;
		control_write_owed(peer, conn);
		if (conn->owes)
			return true;
	} else {
		conn = list_first_entry_or_null(&peer->to_request, struct xvsock_conn, to_send);
		if (!conn || peer->unanswered >= XVSOCK_REQUEST_WINDOW ||
		    !control_has_room(peer))
			return false;
		control_write_request(peer, conn);
	}
	list_del_init(&conn->to_send);
	xvsock_conn_put(conn); /* the list's; the peer is not freed by it, its caller holds it */
	return true;
}

bool xvsock_control_flush(struct xvsock_peer *peer)
{
	bool sent = false;

	spin_lock(&peer->lock);
	if (peer->up) {
		while (control_send_one(peer))
			sent = true;
		if (sent)
			peer->path->control_written(peer);
	}
	spin_unlock(&peer->lock);
	return sent;
}

/* -- receiving; control_work only ---------------------------------------- */

/* Takes one message out of the ring. 1: done, 0: there is none, -EPROTO: the ring is corrupt. */
static int control_read(struct xvsock_control *control, struct xvsock_message *msg)
{
	bool taken;

	if (!xvsock_message_take(&control->rx, control->rx_ring, msg, &taken))
		return -EPROTO;
	if (!taken)
		return 0;
	if (vchan_notify_take(control->asked_of_us, VCHAN_NOTIFY_READ))
		xvsock_event_kick(&control->event);
	return 1;
}

/* The connection of this table with this id, referenced, or NULL. */
static struct xvsock_conn *control_find(struct xarray *table, u32 id)
{
	struct xvsock_conn *conn;

	xa_lock(table);
	conn = xa_load(table, id);
	if (conn)
		xvsock_conn_get(conn);
	xa_unlock(table);
	return conn;
}

static void control_serve_work(struct work_struct *work)
{
	struct xvsock_served *served = container_of(work, struct xvsock_served, work);
	struct xvsock_peer *peer = served->peer;
	enum xvsock_reason reason = xvsock_conn_accept(peer, served);

	/*
	 * The place is busy until the answer is written. With RESPONSE that may
	 * have been, so that it serves another request by now.
	 */
	if (reason) {
		spin_lock(&peer->lock);
		served->msg.reason = reason;
		served->refused = true;
		spin_unlock(&peer->lock);
	}
	xvsock_control_flush(peer);
	xvsock_peer_put(peer); /* control_serve()'s */
}

/* False if the peer has more requests on the way than it may. Refuses a malformed one at once. */
static bool control_serve(struct xvsock_peer *peer, const struct xvsock_message *msg,
			  bool malformed)
{
	struct xvsock_served *served, *end = peer->served + XVSOCK_REQUEST_WINDOW;

	spin_lock(&peer->lock);
	for (served = peer->served; served < end && served->busy; served++)
		;
	if (served < end)
		served->busy = true;
	spin_unlock(&peer->lock);
	if (served == end)
		return false;

	served->msg = *msg;
	if (malformed) {
		xvsock_peer_violation(peer, "a malformed request");
		spin_lock(&peer->lock);
		served->msg.reason = XVSOCK_REASON_INVALID;
		served->refused = true; /* sent by the flush after this batch */
		spin_unlock(&peer->lock);
		return true;
	}
	xvsock_peer_get(peer); /* put in control_serve_work() */
	queue_work(xvsock_wq, &served->work);
	return true;
}

static void control_release(struct xvsock_peer *peer, const struct xvsock_message *msg, bool good)
{
	/* RELEASED answers ours, RELEASE is about one of the peer's. */
	bool ours = msg->op == XVSOCK_OP_RELEASED;

	spin_lock(&peer->lock);
	good = good && xvsock_vchan_released(peer, ours, msg->ring_ref);
	spin_unlock(&peer->lock);
	if (!good)
		xvsock_peer_violation(peer, "a release that was not due");
}

/* Whether the path of this link has a use for it. */
static bool control_op_known(const struct xvsock_peer *peer, u8 op)
{
	bool argo = peer->path == &xvsock_argo_path;

	switch (op) {
	case XVSOCK_OP_REQUEST:
	case XVSOCK_OP_RESPONSE:
	case XVSOCK_OP_RESET:
		return true;
	case XVSOCK_OP_LIVE_INITIATOR:
	case XVSOCK_OP_LIVE_ACCEPTOR:
		return argo;
	default:
		return !argo;
	}
}

void xvsock_control_dispatch(struct xvsock_peer *peer, const struct xvsock_message *msg)
{
	enum xvsock_verdict verdict = xvsock_message_judge(msg);
	struct xvsock_conn *conn;

	trace_xvsock_control(peer->cid, false, msg);
	if (verdict == XVSOCK_VERDICT_VERSION) {
		xvsock_control_broken(peer, "a message of an unknown version");
		return;
	}
	if (verdict == XVSOCK_VERDICT_OP || !control_op_known(peer, msg->op)) {
		xvsock_control_broken(peer, "an unknown message");
		return;
	}

	switch (msg->op) {
	case XVSOCK_OP_REQUEST:
		if (!control_serve(peer, msg, verdict == XVSOCK_VERDICT_REFUSE))
			xvsock_control_broken(peer, "more requests than the window allows");
		return;
	case XVSOCK_OP_RELEASE:
	case XVSOCK_OP_RELEASED:
		control_release(peer, msg, verdict == XVSOCK_VERDICT_GOOD);
		return;
	case XVSOCK_OP_GROW:
	case XVSOCK_OP_LIVE_INITIATOR:
		/* It may have crossed the RESET of a connection that is gone. */
		conn = control_find(&peer->accepted, msg->id);
		if (!conn)
			return;
		break;
	default:
		conn = control_find(&peer->initiated, msg->id);
		if (!conn) {
			xvsock_peer_violation(peer, "an answer to no request");
			return;
		}
	}

	if (verdict == XVSOCK_VERDICT_BREAK)
		xvsock_conn_violation(conn, "a malformed message");
	else if (msg->op == XVSOCK_OP_RESPONSE || msg->op == XVSOCK_OP_RESET)
		xvsock_conn_answered(conn, msg);
	else if (conn->argo)
		xvsock_argo_live_message(conn, msg);
	else
		xvsock_growth_message(conn, msg);
	xvsock_conn_put(conn);
}

/* Whether the peer has taken something since the last look; breaks on an impossible index. */
static bool control_tx_moved(struct xvsock_peer *peer)
{
	u32 cons = READ_ONCE(peer->control.tx.shared->cons);
	bool moved = cons != peer->seen_cons;
	bool valid;
	u32 space;

	peer->seen_cons = cons;
	spin_lock(&peer->lock);
	valid = vchan_writer_space(&peer->control.tx, &space);
	spin_unlock(&peer->lock);
	if (!valid)
		xvsock_control_broken(peer, "an impossible control ring index");
	return moved;
}

static void control_work(struct work_struct *work)
{
	struct xvsock_peer *peer = container_of(work, struct xvsock_peer, control_work);
	struct xvsock_control *control = &peer->control;
	bool moved = control_tx_moved(peer);
	unsigned int handled = 0;
	struct xvsock_message msg;
	u32 avail;
	int more;

	do {
		while ((more = control_read(control, &msg)) > 0) {
			xvsock_control_dispatch(peer, &msg);
			if (READ_ONCE(peer->broken) || ++handled == CONTROL_BATCH)
				break;
		}
		xvsock_control_flush(peer);

		if (more < 0)
			xvsock_control_broken(peer, "an impossible control ring index");
		if (READ_ONCE(peer->broken))
			return; /* no EOI: the event channel is about to be closed */
		if (handled >= CONTROL_BATCH) {
			queue_work(xvsock_control_wq, work); /* the rest gets its turn */
			return;
		}
		vchan_notify_request(control->asked_of_peer, VCHAN_NOTIFY_WRITE);
	} while (!vchan_reader_avail(&control->rx, &avail) || avail >= MESSAGE_SIZE);

	xen_irq_lateeoi(control->event.irq, handled || moved ? 0 : XEN_EOI_FLAG_SPURIOUS);
}

static irqreturn_t control_interrupt(int irq, void *data)
{
	struct xvsock_peer *peer = data;

	/* The first event may come before xvsock_event_alloc() has stored this. */
	peer->control.event.irq = irq;
	/* EOI comes from control_work, so a storm waits for its work to be done. */
	queue_work(xvsock_control_wq, &peer->control_work);
	return IRQ_HANDLED;
}

/* -- coming and going ---------------------------------------------------- */

static void control_layout(struct xvsock_peer *peer, bool server)
{
	struct xvsock_control *control = &peer->control;
	struct vchan_page *page = xvsock_page(&control->shared, 0);
	u8 *left = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_LEFT_ORDER);
	u8 *right = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_RIGHT_ORDER);

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
}

void xvsock_control_init(struct xvsock_peer *peer)
{
	unsigned int i;

	INIT_WORK(&peer->control_work, peer->path == &xvsock_argo_path ? xvsock_argo_control_work :
							 control_work);
	for (i = 0; i < XVSOCK_REQUEST_WINDOW; i++) {
		peer->served[i].peer = peer;
		INIT_WORK(&peer->served[i].work, control_serve_work);
	}
}

void xvsock_control_open(struct xvsock_peer *peer)
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

	if (peer->path == &xvsock_argo_path) {
		/* It tells one offer from another. */
		peer->offer = get_random_u32() | 1;
		return xvsock_argo_control_open(peer);
	}

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
	control_layout(peer, true);
	peer->offer = control->shared.refs[0];

	err = xvsock_event_alloc(&control->event, peer->domid, control_interrupt,
				 "xvsock-control", peer);
	if (err) {
		xvsock_pages_revoke(&control->shared);
		return err;
	}
	xvsock_control_open(peer);
	return 0;
}

void xvsock_control_take(struct xvsock_peer *peer)
{
	struct vchan_page *page;

	if (peer->path == &xvsock_argo_path)
		return;
	page = xvsock_page(&peer->control.shared, 0);
	vchan_store_release(&page->cli_live, VCHAN_OPEN);
}

bool xvsock_control_taken(struct xvsock_peer *peer)
{
	const struct vchan_page *page;

	/* A backend that comes anew takes what the frontend has made. */
	if (peer->path == &xvsock_argo_path)
		return false;
	page = xvsock_page(&peer->control.shared, 0);
	return vchan_load_acquire(&page->cli_live) != VCHAN_WAITING;
}

int xvsock_control_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port)
{
	struct xvsock_control *control = &peer->control;
	int err;

	if (peer->path == &xvsock_argo_path)
		return xvsock_argo_control_open(peer);
	err = xvsock_pages_map(&control->shared, &ref, 1, peer->domid, false);
	if (err)
		return err;
	control_layout(peer, false);

	err = xvsock_event_bind(&control->event, peer->domid, port, control_interrupt,
				"xvsock-control", peer);
	if (err) {
		xvsock_pages_unmap(&control->shared);
		return err;
	}
	xvsock_control_open(peer);
	/* What the frontend sent before the port was bound came without an event. */
	queue_work(xvsock_control_wq, &peer->control_work);
	return 0;
}

void xvsock_control_close(struct xvsock_peer *peer, struct xvsock_pages *held)
{
	struct xvsock_control *control = &peer->control;

	*held = (struct xvsock_pages){};
	if (peer->argo_control.size) {
		xvsock_argo_control_close(peer);
		return;
	}
	if (!control->event.irq)
		return;
	/* The work uses the irq for its EOI, so the handler stops first, then the work. */
	disable_irq(control->event.irq);
	cancel_work_sync(&peer->control_work);
	xvsock_event_close(&control->event);

	if (!control->server)
		xvsock_pages_unmap(&control->shared);
	else if (!xvsock_pages_try_revoke(&control->shared))
		swap(*held, control->shared);
}
