/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dom0 says of a link beside that there is one: which CIDs the two domains have, at
 * which of our ports the peer may connect, and how much it may take. All of it is in our
 * half of the link, in nodes that are dom0's: we read them and cannot write them, and
 * the peer cannot either. It is not the peer's word, and yet checked.
 *
 * Only the acceptor's module enforces the ports: the rules that protect a domain depend on
 * no other domain's kernel.
 *
 * A rule that cannot be understood permits nothing.
 */
#ifndef XVSOCK_POLICY_H
#define XVSOCK_POLICY_H

#include <linux/types.h>
#include <xen/xenbus.h>

#include "ports.h"

struct xvsock_peer;

struct xvsock_policy {
	u32 cid; /* this domain's; 0 if dom0 does not say */
	u32 peer_cid;
	struct xvsock_ports accept; /* ours, that the peer may connect to */
	/* The parameters of the module (limits.h) hold as well. */
	unsigned int max_connections;
	unsigned int max_ring_pages;
	/* Of this domain with all its peers together: each link says it, and the lowest holds. */
	unsigned int domain_max_connections;
	unsigned int domain_max_pages;
};

/*
 * Reads the keys in this half; `ports` says whether `accept` is one of them, which in a
 * link to a domain without the module has another meaning. What is absent restricts
 * nothing. To be freed by kfree(). Sleeps.
 *
 * ERR_PTR: -EINVAL if a CID cannot be that domain's, which is logged; -ENOENT if the
 * half is gone; -ENOMEM, -ENOSPC and, if dom0 writes all the time, -EAGAIN: it may succeed
 * later. Others are xenstored's.
 */
struct xvsock_policy *xvsock_policy_read(struct xenbus_device *dev, bool ports);

/*
 * Reads them again, and resets connections at ports that the peer may not connect to any
 * more. CIDs stay as they are as long as the link is up. Errors as above, except that a
 * half that is gone is none: what there was holds until the link is down. Sleeps.
 */
int xvsock_policy_renew(struct xenbus_device *dev, struct xvsock_peer *peer);

/* Takes the CID that dom0 says is ours, if it does, before the link is up. Sleeps. */
void xvsock_policy_expect_cid(struct xenbus_device *dev);

/* Has `changed` called after dom0 has written the keys, on xenbus's watch thread. Sleep. */
int xvsock_policy_watch(struct xenbus_watch *watch, struct xenbus_device *dev,
			void (*changed)(struct xenbus_watch *watch, const char *path,
					const char *token));
/*
 * On return it is not called any more, so the caller must hold nothing that it waits for.
 * Nothing is to be done for a watch that was zeroed and never begun.
 */
void xvsock_policy_unwatch(struct xenbus_watch *watch);

/* These are asked with peer->lock held. */
bool xvsock_policy_accepts(const struct xvsock_peer *peer, u32 port);
unsigned int xvsock_policy_max_connections(const struct xvsock_peer *peer);
unsigned int xvsock_policy_max_ring_pages(const struct xvsock_peer *peer);

#endif /* XVSOCK_POLICY_H */
