// SPDX-License-Identifier: GPL-2.0-only
/* The control channel over shared memory: a vchan in one page. */
#include <vchan/notify.h>

#include "control.h"

#define MESSAGE_SIZE XVSOCK_MESSAGE_SIZE

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

/* -- receiving; the work only ---------------------------------------------- */

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

/* Whether the peer has taken something since the last look; breaks on an impossible index. */
static bool control_tx_moved(struct xvsock_peer *peer)
{
	u32 cons = READ_ONCE(*peer->control.tx.at.cons);
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

void xvsock_control_vchan_work(struct work_struct *work)
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
			if (READ_ONCE(peer->broken) || ++handled == XVSOCK_CONTROL_BATCH)
				break;
		}
		xvsock_control_flush(peer);

		if (more < 0)
			xvsock_control_broken(peer, "an impossible control ring index");
		if (READ_ONCE(peer->broken))
			return; /* no EOI: the event channel is about to be closed */
		if (handled >= XVSOCK_CONTROL_BATCH) {
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
	struct vchan_words words = vchan_words_of(page, VCHAN_LAYOUT_XEN);
	u8 *left = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_LEFT_ORDER);
	u8 *right = (u8 *)page + vchan_inpage_offset(XVSOCK_CONTROL_RIGHT_ORDER);

	control->server = server;
	control->rx_ring = server ? left : right;
	control->tx_ring = server ? right : left;
	control->asked_of_us = server ? words.srv_notify : words.cli_notify;
	control->asked_of_peer = server ? words.cli_notify : words.srv_notify;
	if (server) {
		vchan_end_init(&control->rx, words.left, XVSOCK_CONTROL_LEFT_ORDER);
		vchan_end_init(&control->tx, words.right, XVSOCK_CONTROL_RIGHT_ORDER);
	} else {
		vchan_end_init(&control->tx, words.left, XVSOCK_CONTROL_LEFT_ORDER);
		vchan_end_init(&control->rx, words.right, XVSOCK_CONTROL_RIGHT_ORDER);
	}
}

int xvsock_control_vchan_offer(struct xvsock_peer *peer)
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

void xvsock_control_vchan_take(struct xvsock_peer *peer)
{
	struct vchan_page *page = xvsock_page(&peer->control.shared, 0);

	vchan_store_release(&page->cli_live, VCHAN_OPEN);
}

bool xvsock_control_vchan_taken(struct xvsock_peer *peer)
{
	const struct vchan_page *page = xvsock_page(&peer->control.shared, 0);

	return vchan_load_acquire(&page->cli_live) != VCHAN_WAITING;
}

int xvsock_control_vchan_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port)
{
	struct xvsock_control *control = &peer->control;
	int err;

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

void xvsock_control_vchan_close(struct xvsock_peer *peer, struct xvsock_pages *held)
{
	struct xvsock_control *control = &peer->control;

	*held = (struct xvsock_pages){};
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
