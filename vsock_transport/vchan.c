// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "connection.h"
#include "control.h"
#include "limits.h"
#include "vchan.h"

/* How long one waits for the next connection. */
#define VCHAN_IDLE HZ

static irqreturn_t vchan_interrupt(int irq, void *data)
{
	struct xvsock_vchan *vchan = data;
	/* Pairs with the store-release in xvsock_vchan_use(). */
	struct xvsock_conn *conn = smp_load_acquire(&vchan->conn);

	if (conn)
		return xvsock_data_interrupt(irq, conn);
	/* Both sides kick when they close, and one of them is the second. */
	xen_irq_lateeoi(irq, READ_ONCE(vchan->last_kick) ? 0 : XEN_EOI_FLAG_SPURIOUS);
	WRITE_ONCE(vchan->last_kick, false);
	return IRQ_HANDLED;
}

struct xvsock_vchan *xvsock_vchan_offer(domid_t domid)
{
	struct xvsock_vchan *vchan = kzalloc(sizeof(*vchan), GFP_KERNEL_ACCOUNT);
	int err;

	if (!vchan)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&vchan->node);
	vchan->server = true;
	err = xvsock_pages_grant(&vchan->shared, 1, domid, false);
	if (!err)
		err = xvsock_event_alloc(&vchan->event, domid, vchan_interrupt, "xvsock", vchan);
	if (err) {
		xvsock_vchan_end(vchan);
		return ERR_PTR(err);
	}
	vchan->ref = vchan->shared.refs[0];
	vchan->server_port = vchan->event.port;
	return vchan;
}

struct xvsock_vchan *xvsock_vchan_attach(domid_t domid, grant_ref_t ref, evtchn_port_t port)
{
	struct xvsock_vchan *vchan = kzalloc(sizeof(*vchan), GFP_KERNEL);
	int err;

	if (!vchan)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&vchan->node);
	vchan->ref = ref;
	vchan->server_port = port;
	err = xvsock_pages_map(&vchan->shared, &ref, 1, domid, false);
	if (!err)
		err = xvsock_event_bind(&vchan->event, domid, port, vchan_interrupt, "xvsock",
					vchan);
	if (err) {
		xvsock_vchan_end(vchan);
		return ERR_PTR(err);
	}
	return vchan;
}

unsigned int xvsock_vchan_end(struct xvsock_vchan *vchan)
{
	unsigned int held = 0;

	/* First the event channel, whose handler looks at the page. */
	xvsock_event_close(&vchan->event);
	if (vchan->server)
		held = xvsock_pages_revoke(&vchan->shared);
	else
		xvsock_pages_unmap(&vchan->shared);
	kfree(vchan);
	return held;
}

void xvsock_vchan_use(struct xvsock_vchan *vchan, struct xvsock_conn *conn)
{
	/* The handler finds a connection that points at the page. */
	smp_store_release(&vchan->conn, conn);
}

void xvsock_vchan_part(struct xvsock_vchan *vchan)
{
	if (!vchan->conn)
		return;
	WRITE_ONCE(vchan->last_kick, true);
	WRITE_ONCE(vchan->conn, NULL);
	/* A handler that began before that may still use it. */
	synchronize_irq(vchan->event.irq);
}

/* -- of a peer ------------------------------------------------------------ */

static struct list_head *vchan_list(struct xvsock_peer *peer, bool server)
{
	return server ? &peer->offered : &peer->kept;
}

/* Of one that the peer wanted back there is only something to tell: it is on no account. */
static bool vchan_counts(const struct xvsock_vchan *vchan)
{
	return vchan->server || vchan->state != XVSOCK_VCHAN_TELL;
}

static unsigned int *vchan_count(struct xvsock_peer *peer, bool server)
{
	return server ? &peer->offered_count : &peer->kept_count;
}

static void vchan_enlist(struct xvsock_peer *peer, struct xvsock_vchan *vchan,
			 enum xvsock_vchan_state state)
{
	lockdep_assert_held(&peer->lock);
	vchan->state = state;
	list_add(&vchan->node, vchan_list(peer, vchan->server));
	*vchan_count(peer, vchan->server) += vchan_counts(vchan);
}

static void vchan_delist(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	lockdep_assert_held(&peer->lock);
	list_del_init(&vchan->node);
	*vchan_count(peer, vchan->server) -= vchan_counts(vchan);
}

/* The latest with this state and, unless 0, this page. */
static struct xvsock_vchan *vchan_find(struct xvsock_peer *peer, bool server,
				       enum xvsock_vchan_state state, grant_ref_t ref)
{
	struct xvsock_vchan *vchan;

	lockdep_assert_held(&peer->lock);
	list_for_each_entry(vchan, vchan_list(peer, server), node)
		if (vchan->state == state && (!ref || vchan->ref == ref))
			return vchan;
	return NULL;
}

static struct xvsock_vchan *vchan_take(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	if (vchan) {
		vchan_delist(peer, vchan);
		vchan->state = XVSOCK_VCHAN_USED;
	}
	return vchan;
}

struct xvsock_vchan *xvsock_vchan_take_offered(struct xvsock_peer *peer)
{
	return vchan_take(peer, vchan_find(peer, true, XVSOCK_VCHAN_IDLE, 0));
}

struct xvsock_vchan *xvsock_vchan_take_kept(struct xvsock_peer *peer, grant_ref_t ref)
{
	return ref ? vchan_take(peer, vchan_find(peer, false, XVSOCK_VCHAN_IDLE, ref)) : NULL;
}

bool xvsock_vchan_is_kept(struct xvsock_peer *peer, grant_ref_t ref)
{
	return ref && vchan_find(peer, false, XVSOCK_VCHAN_IDLE, ref);
}

bool xvsock_vchan_may_keep(const struct xvsock_peer *peer)
{
	return peer->kept_count < READ_ONCE(xvsock_max_idle);
}

/* Has vchan_work run in `delay` jiffies, or when it is to run anyway if that is sooner. */
static void vchan_queue_work(struct xvsock_peer *peer, unsigned long delay)
{
	lockdep_assert_held(&peer->lock);
	/* xvsock_vchan_end_all() comes after the peer has gone down. */
	if (!peer->up)
		return;
	if (delay)
		queue_delayed_work(xvsock_wq, &peer->vchan_work, delay);
	else
		mod_delayed_work(xvsock_wq, &peer->vchan_work, 0);
}

void xvsock_vchan_rest(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	vchan->since = jiffies;
	vchan_enlist(peer, vchan, XVSOCK_VCHAN_IDLE);
	/* How long the peer has its own rest, it says itself. */
	if (vchan->server)
		vchan_queue_work(peer, peer->offered_count > READ_ONCE(xvsock_max_idle) ?
				       0 : VCHAN_IDLE);
}

bool xvsock_vchan_released(struct xvsock_peer *peer, bool server, grant_ref_t ref)
{
	struct xvsock_vchan *vchan = vchan_find(peer, server, server ? XVSOCK_VCHAN_ASKED :
								       XVSOCK_VCHAN_IDLE, ref);

	if (!vchan)
		return false;
	vchan->state = XVSOCK_VCHAN_ENDING;
	vchan_queue_work(peer, 0);
	return true;
}

struct xvsock_vchan *xvsock_vchan_to_tell(struct xvsock_peer *peer)
{
	struct xvsock_vchan *vchan;

	if (!peer->vchans_to_tell)
		return NULL;
	vchan = vchan_find(peer, true, XVSOCK_VCHAN_TELL, 0);
	return vchan ? vchan : vchan_find(peer, false, XVSOCK_VCHAN_TELL, 0);
}

void xvsock_vchan_told(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	peer->vchans_to_tell--;
	if (vchan->server) {
		vchan->state = XVSOCK_VCHAN_ASKED;
		return;
	}
	vchan_delist(peer, vchan);
	kfree(vchan);
}

/* ------------------------------------------------------------------------ */

/* Of those that rest, has the peer release what is too many or too old. True if some are left. */
static bool vchan_expire(struct xvsock_peer *peer)
{
	unsigned int most = READ_ONCE(xvsock_max_idle), idle = 0;
	struct xvsock_vchan *vchan;

	list_for_each_entry(vchan, &peer->offered, node) { /* the latest first */
		if (vchan->state != XVSOCK_VCHAN_IDLE)
			continue;
		if (idle < most && time_before(jiffies, vchan->since + VCHAN_IDLE)) {
			idle++;
			continue;
		}
		vchan->state = XVSOCK_VCHAN_TELL;
		peer->vchans_to_tell++;
	}
	return idle;
}

/* One to take apart, that is on no list then, or NULL. It is still on the peer's account. */
static struct xvsock_vchan *vchan_next_ending(struct xvsock_peer *peer)
{
	struct xvsock_vchan *vchan = vchan_find(peer, true, XVSOCK_VCHAN_ENDING, 0);

	if (!vchan)
		vchan = vchan_find(peer, false, XVSOCK_VCHAN_ENDING, 0);
	if (vchan)
		vchan_delist(peer, vchan);
	return vchan;
}

/* The peer has let go of it. */
static void vchan_end_offered(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	unsigned int held = xvsock_vchan_end(vchan);

	spin_lock(&peer->lock);
	if (!held)
		peer->initiated_count--;
	spin_unlock(&peer->lock);
}

/* The peer wants it back. What is left of it is what is to be told. */
static void vchan_end_kept(struct xvsock_peer *peer, struct xvsock_vchan *vchan)
{
	xvsock_event_close(&vchan->event);
	xvsock_pages_unmap(&vchan->shared);

	spin_lock(&peer->lock);
	peer->accepted_count--;
	if (peer->up) {
		vchan_enlist(peer, vchan, XVSOCK_VCHAN_TELL);
		peer->vchans_to_tell++;
		vchan = NULL;
	}
	spin_unlock(&peer->lock);
	kfree(vchan);
}

static void vchan_work(struct work_struct *work)
{
	struct xvsock_peer *peer = container_of(to_delayed_work(work), struct xvsock_peer,
						vchan_work);
	struct xvsock_vchan *vchan;

	spin_lock(&peer->lock);
	if (vchan_expire(peer))
		vchan_queue_work(peer, VCHAN_IDLE / 2);
	while ((vchan = vchan_next_ending(peer))) {
		spin_unlock(&peer->lock);
		if (vchan->server)
			vchan_end_offered(peer, vchan);
		else
			vchan_end_kept(peer, vchan);
		spin_lock(&peer->lock);
	}
	spin_unlock(&peer->lock);
	xvsock_control_flush(peer);
}

void xvsock_vchan_init(struct xvsock_peer *peer)
{
	INIT_LIST_HEAD(&peer->offered);
	INIT_LIST_HEAD(&peer->kept);
	INIT_DELAYED_WORK(&peer->vchan_work, vchan_work);
}

void xvsock_vchan_end_all(struct xvsock_peer *peer)
{
	struct xvsock_vchan *vchan, *next;
	LIST_HEAD(all);

	cancel_delayed_work_sync(&peer->vchan_work); /* not queued again: the peer is down */
	spin_lock(&peer->lock);
	list_splice_init(&peer->offered, &all);
	list_splice_init(&peer->kept, &all);
	peer->offered_count = 0;
	peer->kept_count = 0;
	peer->vchans_to_tell = 0;
	spin_unlock(&peer->lock);
	list_for_each_entry_safe(vchan, next, &all, node)
		xvsock_vchan_end(vchan);
}
