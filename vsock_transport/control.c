// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is said over the control channel. The path (path.h) has the channel itself.
 *
 * Received by control_work, which the path's interrupt queues. Sent by whoever
 * holds peer->lock. Neither side can block the other for good: an incoming
 * message is always taken out of its ring, because RESPONSE and RESET need no
 * answer and requests go to as many places as the window allows; answers that
 * find no room wait in those places or on a list that their connections are
 * part of. So nothing is allocated, and nothing grows, on a peer's word.
 *
 * control_work never waits for a socket: what has to is a work of its own.
 */
#include <linux/slab.h>
#include <net/sock.h>

#include "argo_path.h"
#include "connection.h"
#include "control.h"
#include "trace.h"

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
	switch (op) {
	case XVSOCK_OP_REQUEST:
	case XVSOCK_OP_RESPONSE:
	case XVSOCK_OP_RESET:
		return true;
	case XVSOCK_OP_LIVE_INITIATOR:
	case XVSOCK_OP_LIVE_ACCEPTOR:
		return !peer->path->shares_pages;
	default:
		return peer->path->shares_pages;
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

/* -- coming and going ---------------------------------------------------- */

void xvsock_control_init(struct xvsock_peer *peer)
{
	unsigned int i;

	INIT_WORK(&peer->control_work, peer->path->control_work);
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
