// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two halves of a peer link's xenbus device.
 *
 *   frontend                            backend
 *   Initialising                        InitWait, having written max-version
 *   on InitWait: grants the control
 *   page, writes ring-ref,
 *   event-channel and version,
 *   Initialised                         on Initialised: attaches, Connected
 *   on Connected: Connected
 *
 * Either half may go away and come back on its own (its module is unloaded,
 * its domain is restored), and a watch only ever shows the latest state. So a
 * half that meets a state which does not continue its own begins anew: the
 * frontend whenever the backend is in InitWait, the backend whenever the
 * frontend is Initialising. xenbus_switch_state() writes only what it takes for
 * a change, so whoever begins anew goes through his first state again.
 *
 * What the other half writes is untrusted and read once.
 */
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "control.h"
#include "link.h"
#include "plain.h"
#include "policy.h"
#include "trace.h"

/*
 * Control pages that a backend may have mapped beside the one in use. It lets go
 * of an old one when it hears that the link has ended, so there is mostly none; a
 * hostile one could collect grants of ours.
 */
#define LINK_HELD_PAGES 16

/* After what passes, like a lack of memory, it is tried again. */
#define LINK_RETRY HZ

/*
 * How often a half may begin anew in LINK_RETRY. Each time costs it a page and about
 * 27 requests to xenstored, and the peer that causes it a single write. The requests: two
 * or three changes of its state are 4 each, the policy 10, and 5 to 7 the rest.
 */
#define LINK_BEGINNINGS 10

struct xvsock_link {
	struct xenbus_device *dev;
	bool frontend;
	struct mutex lock; /* serialises coming up and going down; protects what follows */
	bool suspended; /* the domain is about to be saved, or the link is removed: stay down */
	struct ratelimit_state beginnings;
	struct xvsock_peer *peer; /* NULL while down */
	grant_ref_t ring_ref; /* backend: the frontend's offer that we took */
	unsigned int held_count;
	struct xvsock_pages held[LINK_HELD_PAGES]; /* frontend: what the backend still maps */
	void (*changed)(struct xenbus_device *dev, enum xenbus_state state);
	struct xenbus_watch policy_watch; /* not of a plain one: its state says when to look */
	struct work_struct broken_work;
	struct delayed_work retry_work;
};

static void link_down(struct xvsock_link *link)
{
	struct xvsock_pages held;

	lockdep_assert_held(&link->lock);
	if (!link->peer)
		return;
	xvsock_peer_down(link->peer, &held);
	link->peer = NULL;
	if (held.count) /* front_connect() has left a place for it */
		link->held[link->held_count++] = held;
}

/* Takes back the control pages that the backend has let go of meanwhile. */
static void link_revoke_held(struct xvsock_link *link)
{
	unsigned int i = 0;

	lockdep_assert_held(&link->lock);
	while (i < link->held_count) {
		if (xvsock_pages_try_revoke(&link->held[i]))
			link->held[i] = link->held[--link->held_count];
		else
			i++;
	}
}

/*
 * What is missing or no number reads as 0, which is no state (Unknown) and no version.
 * -ENOMEM is told from that: it says nothing about the peer.
 */
static int link_read(const char *path, const char *key, unsigned int *value)
{
	int err = xenbus_scanf(XBT_NIL, path, key, "%u", value);

	if (err == -ENOMEM)
		return err;
	if (err != 1)
		*value = 0;
	return 0;
}

/* Acts on the state that the other half is in now. */
static void link_look(struct xvsock_link *link)
{
	unsigned int state;

	if (link_read(link->dev->otherend, "state", &state))
		queue_delayed_work(xvsock_control_wq, &link->retry_work, LINK_RETRY);
	else
		link->changed(link->dev, state);
}

static int link_switch(struct xvsock_link *link, enum xenbus_state state)
{
	if (link->dev->state != state)
		trace_xvsock_link(link->dev->otherend_id, link->frontend, state);
	return xenbus_switch_state(link->dev, state);
}

/* The peer broke the control protocol: the link ends until dom0 or the peer renews it. */
static void link_broken_work(struct work_struct *work)
{
	struct xvsock_link *link = container_of(work, struct xvsock_link, broken_work);

	mutex_lock(&link->lock);
	if (link->peer && !link->suspended && READ_ONCE(link->peer->broken)) {
		link_down(link);
		link_switch(link, XenbusStateClosed);
	}
	mutex_unlock(&link->lock);
}

static void link_on_broken(struct xvsock_peer *peer)
{
	struct xvsock_link *link = peer->link;

	queue_work(xvsock_control_wq, &link->broken_work);
}

/* The peer can cause some of these at will, so they must not fill the log. */
static void link_error(struct xvsock_link *link, int err, const char *what)
{
	if (err != -EEXIST) /* xvsock_peer_claim() says more about that */
		dev_warn_ratelimited(&link->dev->dev, "%s failed: %d\n", what, err);
	if (xvsock_link_error_passes(err))
		queue_delayed_work(xvsock_control_wq, &link->retry_work, LINK_RETRY);
	else
		link_switch(link, XenbusStateClosed);
}

static void link_renew_policy(struct xvsock_link *link)
{
	int err;

	mutex_lock(&link->lock);
	err = link->peer ? xvsock_policy_renew(link->dev, link->peer) : 0;
	if (err && !xvsock_link_error_passes(err))
		link_down(link);
	if (err)
		link_error(link, err, "reading what dom0 has changed");
	mutex_unlock(&link->lock);
}

static void link_policy_changed(struct xenbus_watch *watch, const char *path, const char *token)
{
	link_renew_policy(container_of(watch, struct xvsock_link, policy_watch));
}

/*
 * Begun with the first state of the other half, and not by probe: there are kernels whose
 * xenbus does not call remove when its own watch of that state fails after probe, and nobody
 * would end this one.
 */
static bool link_watch_policy(struct xvsock_link *link)
{
	int err;

	lockdep_assert_held(&link->lock);
	if (link->policy_watch.node)
		return true;
	err = xvsock_policy_watch(&link->policy_watch, link->dev, link_policy_changed);
	if (err)
		link_error(link, err, "watching what dom0 changes");
	return !err;
}

static void link_retry_work(struct work_struct *work)
{
	struct xvsock_link *link = container_of(to_delayed_work(work), struct xvsock_link,
						retry_work);

	link_renew_policy(link);
	link_look(link);
}

/* Whether to begin anew now; otherwise the other half is looked at again later. */
static bool link_may_begin(struct xvsock_link *link)
{
	lockdep_assert_held(&link->lock);
	if (__ratelimit(&link->beginnings))
		return true;
	queue_delayed_work(xvsock_control_wq, &link->retry_work, LINK_RETRY);
	return false;
}

/*
 * `version` is that of the link; 0 for a plain one. The peer has its CIDs before it can send
 * anything. The caller takes the link down after an error.
 */
static int link_create_peer(struct xvsock_link *link, unsigned int version)
{
	struct xvsock_policy *policy = xvsock_policy_read(link->dev, version > 0);
	struct xvsock_peer *peer;

	if (IS_ERR(policy))
		return PTR_ERR(policy);
	peer = xvsock_peer_create(link->dev->otherend_id, policy);
	if (!peer) {
		kfree(policy);
		return -ENOMEM;
	}
	peer->on_broken = link_on_broken;
	peer->link = link;
	if (version >= XVSOCK_LINK_VERSION_WIDE)
		peer->layout = VCHAN_LAYOUT_WIDE;
	link->peer = peer;
	return xvsock_peer_claim(peer);
}

static struct xvsock_link *link_create(struct xenbus_device *dev, bool frontend,
				       void (*changed)(struct xenbus_device *dev,
						       enum xenbus_state state))
{
	struct xvsock_link *link = kzalloc(sizeof(*link), GFP_KERNEL);

	if (!link)
		return NULL;
	link->dev = dev;
	link->frontend = frontend;
	link->changed = changed;
	mutex_init(&link->lock);
	ratelimit_state_init(&link->beginnings, LINK_RETRY, LINK_BEGINNINGS);
	ratelimit_set_flags(&link->beginnings, RATELIMIT_MSG_ON_RELEASE);
	INIT_WORK(&link->broken_work, link_broken_work);
	INIT_DELAYED_WORK(&link->retry_work, link_retry_work);
	dev_set_drvdata(&dev->dev, link);
	xvsock_policy_expect_cid(dev);
	return link;
}

/*
 * Says Closed, instead of xenbus, which would not look first: when the link has gone, dom0 may
 * have made it anew meanwhile, and xenbus takes only a half in Initialising for a new one. No peer
 * needs to hear that a half which is Initialising is none any more.
 */
static void link_leave(struct xenbus_device *dev)
{
	struct xenbus_transaction xbt;
	unsigned int state;
	bool ours;
	int err;

	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			return;
		ours = xenbus_scanf(xbt, dev->nodename, "state", "%u", &state) == 1 &&
		       state != XenbusStateInitialising &&
		       !xenbus_printf(xbt, dev->nodename, "state", "%d", XenbusStateClosed);
		err = xenbus_transaction_end(xbt, !ours);
	} while (err == -EAGAIN);
	/* The device may get a driver again, whose first state is a change then. */
	if (ours && !err)
		dev->state = XenbusStateClosed;
}

static void link_remove(struct xenbus_device *dev)
{
	struct xvsock_link *link = dev_get_drvdata(&dev->dev);

	/* xenbus has stopped the other watch. No work brings it up again, or begins this one. */
	mutex_lock(&link->lock);
	link->suspended = true;
	mutex_unlock(&link->lock);
	xvsock_policy_unwatch(&link->policy_watch);
	cancel_delayed_work_sync(&link->retry_work);
	mutex_lock(&link->lock);
	link_down(link);
	while (link->held_count) /* the kernel keeps trying */
		xvsock_pages_revoke(&link->held[--link->held_count]);
	mutex_unlock(&link->lock);
	cancel_work_sync(&link->broken_work);
	cancel_delayed_work_sync(&link->retry_work);
	link_leave(dev);
	dev_set_drvdata(&dev->dev, NULL);
	kfree(link);
}

/* -- frontend ------------------------------------------------------------ */

int xvsock_link_publish(const char *path, grant_ref_t ref, evtchn_port_t port,
			unsigned int version)
{
	struct xenbus_transaction xbt;
	int err;

	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			return err;
		err = xenbus_printf(xbt, path, "ring-ref", "%u", ref);
		if (!err)
			err = xenbus_printf(xbt, path, "event-channel", "%u", port);
		if (!err && version)
			err = xenbus_printf(xbt, path, "version", "%u", version);
		if (!err && version)
			err = xenbus_printf(xbt, path, "data-path", "%s", xvsock_path->name);
		if (err) {
			xenbus_transaction_end(xbt, 1);
			return err;
		}
		err = xenbus_transaction_end(xbt, 0);
	} while (err == -EAGAIN);
	return err;
}

static void front_connect(struct xvsock_link *link)
{
	struct xenbus_device *dev = link->dev;
	struct xvsock_peer *peer;
	unsigned int version;
	int err = link_read(dev->otherend, "max-version", &version);

	if (!err && version < 1)
		err = -EPROTO;
	if (err) {
		link_error(link, err, "reading the backend's max-version");
		return;
	}
	version = min_t(unsigned int, version, XVSOCK_LINK_VERSION);
	if (link->held_count == LINK_HELD_PAGES) {
		link_error(link, -EPERM, "the backend keeps our pages mapped, a new offer");
		return;
	}

	/* So that Initialised is a change, which the backend is told of. */
	link_switch(link, XenbusStateInitialising);
	err = link_create_peer(link, version);
	if (err) {
		link_down(link);
		link_error(link, err, "reading what dom0 says of the link");
		return;
	}
	peer = link->peer;
	err = peer->path->control_offer(peer);
	if (err) {
		link_down(link);
		link_error(link, err, "making a control page");
		return;
	}
	err = xvsock_link_publish(dev->nodename, peer->offer, peer->control.event.port, version);
	if (err) {
		link_down(link);
		link_error(link, err, "writing the control page to xenstore");
		return;
	}
	link_switch(link, XenbusStateInitialised);
}

static void front_changed(struct xenbus_device *dev, enum xenbus_state backend)
{
	struct xvsock_link *link = dev_get_drvdata(&dev->dev);
	unsigned int now;
	int err;

	mutex_lock(&link->lock);
	link_revoke_held(link);
	if (link->suspended || !link_watch_policy(link))
		goto unlock;
	switch (backend) {
	case XenbusStateInitWait:
		/*
		 * Either it is about to see our offer, or it has forgotten one
		 * that it took. It says so after it has written Connected, so
		 * if it has taken ours, InitWait is only news once it is read
		 * again after that.
		 */
		if (dev->state == XenbusStateInitialised && link->peer) {
			if (!link->peer->path->control_taken(link->peer))
				break;
			err = link_read(dev->otherend, "state", &now);
			if (err)
				link_error(link, err, "reading the backend's state");
			if (err || now != XenbusStateInitWait)
				break;
		}
		link_down(link);
		if (link_may_begin(link))
			front_connect(link);
		break;
	case XenbusStateConnected:
		if (dev->state != XenbusStateInitialised || !link->peer)
			break;
		xvsock_peer_up(link->peer);
		link_switch(link, XenbusStateConnected);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
	case XenbusStateUnknown:
		link_down(link);
		/* In Initialising this is what an earlier backend left; a new one may come. */
		if (dev->state != XenbusStateInitialising)
			link_switch(link, XenbusStateClosed);
		break;
	default:
		break;
	}
unlock:
	mutex_unlock(&link->lock);
}

static int front_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct xvsock_link *link = link_create(dev, true, front_changed);

	if (!link)
		return -ENOMEM;
	link_switch(link, XenbusStateInitialising);
	return 0;
}

/* -- backend ------------------------------------------------------------- */

/* Whether the frontend has chosen our data path; one that says nothing knows only vchan. */
static int back_compare_path(struct xvsock_link *link)
{
	char *theirs = xenbus_read(XBT_NIL, link->dev->otherend, "data-path", NULL);
	const char *name = IS_ERR(theirs) ? xvsock_vchan_path.name : theirs;
	int err = 0;

	if (PTR_ERR_OR_ZERO(theirs) == -ENOMEM)
		return -ENOMEM;
	if (strcmp(name, xvsock_path->name)) {
		dev_warn_ratelimited(&link->dev->dev,
				     "domain %u uses the data path '%.16s', this one '%s': load xen_vsock with the same data_path in both\n",
				     link->dev->otherend_id, name, xvsock_path->name);
		err = -EPROTO;
	}
	if (!IS_ERR(theirs))
		kfree(theirs);
	return err;
}

static void back_connect(struct xvsock_link *link)
{
	struct xenbus_device *dev = link->dev;
	unsigned int ref, port, version;
	struct xvsock_peer *peer;
	int err;

	err = xenbus_gather(XBT_NIL, dev->otherend, "ring-ref", "%u", &ref, "event-channel", "%u",
			    &port, "version", "%u", &version, NULL);
	if (err) {
		link_error(link, err, "reading ring-ref, event-channel and version");
		return;
	}
	if (version < 1 || version > XVSOCK_LINK_VERSION) {
		link_error(link, -EPROTO, "agreeing on a protocol version");
		return;
	}
	err = back_compare_path(link);
	if (err) {
		link_error(link, err, "agreeing on a data path");
		return;
	}
	if (link->peer && link->ring_ref == ref)
		return; /* the same offer, seen again */
	link_down(link);
	if (!link_may_begin(link))
		return;

	err = link_create_peer(link, version);
	if (err) {
		link_down(link);
		link_error(link, err, "reading what dom0 says of the link");
		return;
	}
	peer = link->peer;
	err = peer->path->control_attach(peer, ref, port);
	if (err) {
		link_down(link);
		link_error(link, err, "attaching to the control page");
		return;
	}
	link->ring_ref = ref;
	xvsock_peer_up(peer);
	link_switch(link, XenbusStateConnected);
	peer->path->control_take(peer); /* after Connected: see front_changed() */
}

/* A link that dom0 has made anew in place has neither our key nor our state. */
static int back_wait(struct xvsock_link *link)
{
	struct xenbus_device *dev = link->dev;
	int err = xenbus_printf(XBT_NIL, dev->nodename, "max-version", "%u",
				XVSOCK_LINK_VERSION);
	unsigned int state;

	if (!err)
		err = link_read(dev->nodename, "state", &state);
	if (err)
		return err;
	if (dev->state == XenbusStateInitWait && state == XenbusStateInitialising)
		return xenbus_printf(XBT_NIL, dev->nodename, "state", "%d", XenbusStateInitWait);
	return link_switch(link, XenbusStateInitWait);
}

static void back_changed(struct xenbus_device *dev, enum xenbus_state frontend)
{
	struct xvsock_link *link = dev_get_drvdata(&dev->dev);
	int err;

	mutex_lock(&link->lock);
	if (link->suspended || !link_watch_policy(link))
		goto unlock;
	switch (frontend) {
	case XenbusStateInitialising:
		link_down(link);
		err = link_may_begin(link) ? back_wait(link) : 0;
		if (err)
			link_error(link, err, "writing to xenstore");
		break;
	case XenbusStateInitialised:
		if (dev->state == XenbusStateInitWait || dev->state == XenbusStateConnected)
			back_connect(link);
		break;
	case XenbusStateClosing:
	case XenbusStateClosed:
	case XenbusStateUnknown:
		link_down(link);
		/* In InitWait this is what an earlier frontend left; a new one may come. */
		if (dev->state != XenbusStateInitWait)
			link_switch(link, XenbusStateClosed);
		break;
	default:
		break;
	}
unlock:
	mutex_unlock(&link->lock);
}

static int back_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct xvsock_link *link = link_create(dev, false, back_changed);
	int err;

	if (!link)
		return -ENOMEM;
	err = back_wait(link);
	if (err)
		kfree(link);
	return err;
}

/* -- to a domain without the module: plain.h -------------------------------- */

/*
 * dom0 writes both halves. The one that xenbus takes for the backend's says
 * Connected, and says it again when the ports have changed; it goes with the
 * other domain.
 */

static int plain_open(struct xvsock_link *link)
{
	struct xvsock_plain_ports connect, accept;
	unsigned int state;
	int err;

	err = xvsock_plain_read_ports(link->dev, "connect", &connect);
	if (!err)
		err = xvsock_plain_read_ports(link->dev, "accept", &accept);
	if (!err)
		err = link_read(link->dev->nodename, "state", &state);
	if (err)
		return err;
	if (link->peer && state != XenbusStateConnected) {
		/* dom0 has removed the link and made it anew, before we saw it. */
		link_down(link);
		link_switch(link, XenbusStateInitialising);
	}
	if (link->peer) {
		err = xvsock_policy_renew(link->dev, link->peer);
		if (!err)
			xvsock_plain_set_ports(link->peer, &connect, &accept);
		return err;
	}
	err = link_create_peer(link, 0);
	if (!err)
		err = xvsock_plain_init(link->peer);
	if (err) {
		link_down(link);
		return err;
	}
	xvsock_plain_set_ports(link->peer, &connect, &accept);
	xvsock_plain_open(link->peer);
	return 0;
}

static void plain_changed(struct xenbus_device *dev, enum xenbus_state dom0)
{
	struct xvsock_link *link = dev_get_drvdata(&dev->dev);
	int err = 0;

	mutex_lock(&link->lock);
	if (link->suspended)
		goto unlock;
	if (dom0 == XenbusStateConnected) {
		err = plain_open(link);
		if (!err)
			link_switch(link, XenbusStateConnected);
	} else {
		link_down(link);
		if (dev->state != XenbusStateInitialising)
			link_switch(link, XenbusStateClosed);
	}
	if (err && !xvsock_link_error_passes(err))
		link_down(link);
	if (err)
		link_error(link, err, "a link to a domain without the module");
unlock:
	mutex_unlock(&link->lock);
}

static int plain_probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct xvsock_link *link = link_create(dev, true, plain_changed);

	if (!link)
		return -ENOMEM;
	link_switch(link, XenbusStateInitialising);
	return 0;
}

/* ------------------------------------------------------------------------ */

static const struct xenbus_device_id link_ids[] = { { "vsock" }, { "" } };
MODULE_ALIAS("xen:vsock");
MODULE_ALIAS("xen-backend:vsock");

static const struct xenbus_device_id plain_ids[] = { { "vchan" }, { "" } };
MODULE_ALIAS("xen:vchan");

static struct xenbus_driver front_driver = {
	.name = "xvsock-front",
	.ids = link_ids,
	.probe = front_probe,
	.remove = link_remove,
	.otherend_changed = front_changed,
	.not_essential = true, /* booting does not wait for peers */
	.allow_rebind = true, /* link_leave() */
};

static struct xenbus_driver back_driver = {
	.name = "xvsock-back",
	.ids = link_ids,
	.probe = back_probe,
	.remove = link_remove,
	.otherend_changed = back_changed,
	.allow_rebind = true,
};

static struct xenbus_driver plain_driver = {
	.name = "xvsock-plain",
	.ids = plain_ids,
	.probe = plain_probe,
	.remove = link_remove,
	.otherend_changed = plain_changed,
	.not_essential = true,
	.allow_rebind = true,
};

/*
 * Registered without an owner: xenbus takes a reference on a driver's owner
 * for every bound device, so the module could never be unloaded while a link
 * exists. It needs no such protection, because unregistering unbinds every
 * device before it returns; sockets hold references through the vsock core.
 */
int xvsock_link_register(void)
{
	int err = __xenbus_register_frontend(&front_driver, NULL, KBUILD_MODNAME);

	if (err)
		return err;
	err = __xenbus_register_backend(&back_driver, NULL, KBUILD_MODNAME);
	if (err)
		goto unregister_front;
	err = __xenbus_register_frontend(&plain_driver, NULL, KBUILD_MODNAME);
	if (err)
		goto unregister_back;
	return 0;

unregister_back:
	xenbus_unregister_driver(&back_driver);
unregister_front:
	xenbus_unregister_driver(&front_driver);
	return err;
}

void xvsock_link_unregister(void)
{
	xenbus_unregister_driver(&plain_driver);
	xenbus_unregister_driver(&back_driver);
	xenbus_unregister_driver(&front_driver);
}

/* -- suspend ------------------------------------------------------------- */

/*
 * Both are called with the device locked, so that it is not removed meanwhile.
 * The peer sees the first state of a link that begins anew, and lets go of the
 * old one.
 */
static void link_suspend(struct xvsock_link *link)
{
	mutex_lock(&link->lock);
	link->suspended = true;
	link_down(link);
	if (link->frontend)
		link_switch(link, XenbusStateInitialising);
	else
		back_wait(link);
	mutex_unlock(&link->lock);
}

static void link_resume(struct xvsock_link *link)
{
	mutex_lock(&link->lock);
	link->suspended = false;
	mutex_unlock(&link->lock);
	/* In a domain that was restored its nodes may be gone; then xenbus removes it soon. */
	link_look(link);
}

static int link_call(struct device *dev, void *call)
{
	struct xvsock_link *link;

	device_lock(dev);
	link = dev_get_drvdata(dev);
	if (link)
		((void (*)(struct xvsock_link *link))call)(link);
	device_unlock(dev);
	return 0;
}

/* The drivers are registered as long as this can be called. */
static void link_for_each(void (*call)(struct xvsock_link *link))
{
	WARN_ON(driver_for_each_device(&front_driver.driver, NULL, call, link_call));
	WARN_ON(driver_for_each_device(&back_driver.driver, NULL, call, link_call));
	WARN_ON(driver_for_each_device(&plain_driver.driver, NULL, call, link_call));
}

void xvsock_link_suspend(void)
{
	WRITE_ONCE(xvsock_suspending, true);
	link_for_each(link_suspend);
	/* First the works that part sockets from connections, then those that unmap. */
	flush_workqueue(xvsock_wq);
	flush_workqueue(xvsock_wq);
}

void xvsock_link_resume(void)
{
	WRITE_ONCE(xvsock_suspending, false);
	link_for_each(link_resume);
}

struct link_node {
	struct list_head list;
	char name[];
};

static void link_forget(struct xenbus_driver *driver, struct list_head *nodes)
{
	struct link_node *node;
	struct device *dev;

	while ((dev = driver_find_next_device(&driver->driver, NULL))) {
		const char *name = to_xenbus_device(dev)->nodename;

		/* A name lost here would be a link lost until dom0 makes it anew. */
		node = kmalloc(struct_size(node, name, strlen(name) + 1),
			       GFP_KERNEL | __GFP_NOFAIL);
		strcpy(node->name, name);
		list_add_tail(&node->list, nodes);
		device_unregister(dev);
		put_device(dev);
	}
}

void xvsock_link_renew(void)
{
	struct link_node *node, *next;
	LIST_HEAD(nodes);

	link_forget(&front_driver, &nodes);
	link_forget(&back_driver, &nodes);
	link_forget(&plain_driver, &nodes);
	WRITE_ONCE(xvsock_suspending, false);

	list_for_each_entry_safe(node, next, &nodes, list) {
		/* xenbus looks for devices where something changes. */
		if (xenbus_exists(XBT_NIL, node->name, "state"))
			xenbus_printf(XBT_NIL, node->name, "state", "%d",
				      XenbusStateInitialising);
		kfree(node);
	}
}
