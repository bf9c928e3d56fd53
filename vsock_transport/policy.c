// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading dom0's word and holding connections against it.
 *
 * A link's policy is peer->policy, under peer->lock: it is asked where that lock is taken
 * anyway, and rarely replaced, which is a pointer. Who replaces it, in the order of locks:
 *   xenwatch_mutex (xenbus, around the watch's callback)
 *     link->lock
 *       peers_lock, for the limits of all peers together
 *         peer->lock
 * So a watch is ended without link->lock, for that waits for the callback.
 *
 * No connection slips through a change. One that is being accepted is asked for again when
 * it is in the peer's table, in the same critical section that gives it its socket
 * (conn_make_child()). Either that comes first, and the search of the table, which is
 * begun after the replacement, finds it; or it sees the new policy.
 */
#include <linux/slab.h>

#include "connection.h"
#include "limits.h"
#include "link.h"
#include "peer.h"
#include "policy.h"
#include "suspend.h"
#include "transport.h"

#define POLICY_ABSENT U64_MAX

/* How often what dom0 changes meanwhile is read. */
#define POLICY_TRIES 5

/*
 * What is no number reads as 0, which permits nothing and is no CID. Of errors only those
 * are returned that say nothing about the key.
 */
static int policy_read_number(struct xenbus_device *dev, struct xenbus_transaction xbt,
			      const char *key, u64 *number)
{
	char *text = xenbus_read(xbt, dev->nodename, key, NULL);
	int err = PTR_ERR_OR_ZERO(text);

	*number = POLICY_ABSENT;
	if (xvsock_link_error_passes(err))
		return err;
	if (err == -ENOENT)
		return 0;
	if (!err)
		err = kstrtou64(text, 10, number);
	if (err) {
		dev_warn_ratelimited(&dev->dev, "%s is '%.20s', which is no number (%d)\n", key,
				     IS_ERR(text) ? "?" : text, err);
		*number = 0;
	}
	if (!IS_ERR(text))
		kfree(text);
	return 0;
}

static int policy_read_ports(struct xenbus_device *dev, struct xenbus_transaction xbt,
			     struct xvsock_ports *ports)
{
	char *text = xenbus_read(xbt, dev->nodename, "accept", NULL);
	const char *wrong = "unreadable", *where = "";
	int err = PTR_ERR_OR_ZERO(text);

	ports->count = 0;
	if (xvsock_link_error_passes(err))
		return err;
	if (err == -ENOENT)
		wrong = xvsock_ports_parse(ports, "any", &where);
	else if (!err)
		wrong = xvsock_ports_parse(ports, text, &where);
	if (wrong)
		dev_warn_ratelimited(&dev->dev,
				     "accept is %s at '%.24s': domain %d may connect to no port here\n",
				     wrong, where, dev->otherend_id);
	if (!IS_ERR(text))
		kfree(text);
	return 0;
}

/* The CID that is dom0's is nobody else's, and the reserved ones are no domain's. */
static int policy_check_cid(struct xenbus_device *dev, const char *key, domid_t domid, u64 cid)
{
	if (domid ? cid > VMADDR_CID_HOST && cid < VMADDR_CID_ANY : cid == VMADDR_CID_HOST)
		return 0;
	dev_warn_ratelimited(&dev->dev, "%s is %llu, which cannot be the CID of domain %u\n", key,
			     cid, domid);
	return -EINVAL;
}

void xvsock_policy_expect_cid(struct xenbus_device *dev)
{
	u64 cid;

	if (policy_read_number(dev, XBT_NIL, "cid", &cid) || cid == POLICY_ABSENT)
		return;
	if (!policy_check_cid(dev, "cid", xvsock_own_domid(), cid))
		xvsock_peer_expect_own_cid(cid);
}

static int policy_read_cids(struct xenbus_device *dev, struct xenbus_transaction xbt,
			    struct xvsock_policy *policy)
{
	domid_t peer = dev->otherend_id;
	u64 own_cid, peer_cid;
	int err;

	err = policy_read_number(dev, xbt, "cid", &own_cid);
	if (!err)
		err = policy_read_number(dev, xbt, "peer-cid", &peer_cid);
	if (!err && own_cid != POLICY_ABSENT) {
		err = policy_check_cid(dev, "cid", xvsock_own_domid(), own_cid);
		policy->cid = own_cid;
	}
	if (err)
		return err;
	if (peer_cid == POLICY_ABSENT)
		peer_cid = xvsock_cid_of(peer);
	policy->peer_cid = peer_cid;
	return policy_check_cid(dev, "peer-cid", peer, peer_cid);
}

static int policy_read_limit(struct xenbus_device *dev, struct xenbus_transaction xbt,
			     const char *key, u64 unit, unsigned int *limit)
{
	u64 number;
	int err = policy_read_number(dev, xbt, key, &number);

	if (!err)
		*limit = min_t(u64, number / unit, UINT_MAX);
	return err;
}

static int policy_read_limits(struct xenbus_device *dev, struct xenbus_transaction xbt,
			      struct xvsock_policy *policy)
{
	int err;

	err = policy_read_limit(dev, xbt, "max-connections", 1, &policy->max_connections);
	if (!err)
		err = policy_read_limit(dev, xbt, "max-memory", VCHAN_PAGE_SIZE,
					&policy->max_ring_pages);
	if (!err)
		err = policy_read_limit(dev, xbt, "domain-max-connections", 1,
					&policy->domain_max_connections);
	if (!err)
		err = policy_read_limit(dev, xbt, "domain-max-memory", VCHAN_PAGE_SIZE,
					&policy->domain_max_pages);
	return err;
}

static int policy_read_keys(struct xenbus_device *dev, struct xenbus_transaction xbt, bool ports,
			    struct xvsock_policy *policy)
{
	char *half = xenbus_read(xbt, dev->nodename, "", NULL);
	int err;

	/* The keys of a half that is gone are absent, too: that is not to permit anything. */
	if (IS_ERR(half))
		return PTR_ERR(half);
	kfree(half);
	*policy = (struct xvsock_policy){};
	err = policy_read_cids(dev, xbt, policy);
	if (!err)
		err = policy_read_limits(dev, xbt, policy);
	if (err)
		return err;
	if (ports)
		return policy_read_ports(dev, xbt, &policy->accept);
	xvsock_ports_add(&policy->accept, (struct xvsock_port_range){ 0, U32_MAX });
	return 0;
}

struct xvsock_policy *xvsock_policy_read(struct xenbus_device *dev, bool ports)
{
	struct xvsock_policy *policy = kmalloc(sizeof(*policy), GFP_KERNEL);
	unsigned int tries = POLICY_TRIES;
	struct xenbus_transaction xbt;
	int err, end;

	if (!policy)
		return ERR_PTR(-ENOMEM);
	/*
	 * dom0 writes or removes them at once, but what is read within a transaction need not
	 * be of one moment. Whether it was, xenstored says at its end: it is not aborted, though
	 * it only reads and whatever has been found.
	 */
	do {
		err = xenbus_transaction_start(&xbt);
		if (err)
			break;
		err = policy_read_keys(dev, xbt, ports, policy);
		end = xenbus_transaction_end(xbt, 0);
		if (end)
			err = end;
	} while (end == -EAGAIN && --tries);
	if (!err)
		return policy;
	kfree(policy);
	return ERR_PTR(err);
}

bool xvsock_policy_accepts(const struct xvsock_peer *peer, u32 port)
{
	lockdep_assert_held(&peer->lock);
	return xvsock_ports_have(&peer->policy->accept, port);
}

unsigned int xvsock_policy_max_connections(const struct xvsock_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	return min(peer->policy->max_connections, READ_ONCE(xvsock_max_connections));
}

unsigned int xvsock_policy_max_ring_pages(const struct xvsock_peer *peer)
{
	lockdep_assert_held(&peer->lock);
	return min(peer->policy->max_ring_pages, READ_ONCE(xvsock_max_ring_pages));
}

static void policy_enforce(struct xvsock_conn *conn)
{
	struct xvsock_peer *peer = conn->peer;
	bool accepts;

	spin_lock(&peer->lock);
	accepts = xvsock_policy_accepts(peer, conn->dst_port);
	spin_unlock(&peer->lock);
	if (!accepts)
		xvsock_conn_forbid(conn);
}

int xvsock_policy_renew(struct xenbus_device *dev, struct xvsock_peer *peer)
{
	struct xvsock_policy *policy = xvsock_policy_read(dev, !peer->plain), *before;

	if (IS_ERR(policy))
		return PTR_ERR(policy) == -ENOENT ? 0 : PTR_ERR(policy);
	if (policy->peer_cid != peer->cid || policy->cid != peer->own_cid)
		dev_warn_ratelimited(&dev->dev,
				     "dom0 gives other CIDs now, which hold when it makes the link anew\n");
	spin_lock(&peer->lock);
	before = peer->policy;
	peer->policy = policy;
	spin_unlock(&peer->lock);
	kfree(before);
	xvsock_peer_renew_domain_limits();
	xvsock_peer_for_each(&peer->accepted, policy_enforce);
	return 0;
}

int xvsock_policy_watch(struct xenbus_watch *watch, struct xenbus_device *dev,
			void (*changed)(struct xenbus_watch *watch, const char *path,
					const char *token))
{
	int err;

	/* dom0 writes this key whenever it changes any; also an equal value is news. */
	watch->node = kasprintf(GFP_KERNEL, "%s/accept", dev->nodename);
	if (!watch->node)
		return -ENOMEM;
	watch->callback = changed;
	err = register_xenbus_watch(watch);
	if (err) {
		kfree(watch->node);
		watch->node = NULL;
	}
	return err;
}

void xvsock_policy_unwatch(struct xenbus_watch *watch)
{
	if (!watch->node)
		return;
	unregister_xenbus_watch(watch);
	kfree(watch->node);
	watch->node = NULL;
}
