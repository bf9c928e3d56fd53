// SPDX-License-Identifier: GPL-2.0-only
/* The peers that can be reached now, and how one comes and goes. */
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "connection.h"
#include "control.h"
#include "limits.h"
#include "peer.h"
#include "plain.h"
#include "policy.h"
#include "suspend.h"
#include "trace.h"
#include "transport.h"

/* A direction takes at most this part of what is left of a budget, so that many get something. */
#define BUDGET_SHARE 32

static LIST_HEAD(peers);
static DEFINE_SPINLOCK(peers_lock);

/* Under peers_lock: peers in the list with whose links dom0 says which CID is ours. */
static unsigned int own_cid_users;

/* Likewise: dom0 has said it once. It stays when those links go, and services bound to it. */
static bool own_cid_given;

bool xvsock_suspending;

/* Written under peers_lock: what the links in the list allow this domain with all its peers. */
static unsigned int domain_max_connections = UINT_MAX;
static unsigned int domain_max_pages = UINT_MAX;

/* Pages of large rings of all peers, granted and mapped. */
static atomic_t domain_granted = ATOMIC_INIT(0);
static atomic_t domain_mapped = ATOMIC_INIT(0);

/* Connections with all peers, without the vchans that wait for the next one. */
static atomic_t domain_initiated = ATOMIC_INIT(0);
static atomic_t domain_accepted = ATOMIC_INIT(0);

struct xvsock_peer *xvsock_peer_create(domid_t domid, struct xvsock_policy *policy)
{
	struct xvsock_peer *peer = kzalloc(sizeof(*peer), GFP_KERNEL);

	if (!peer)
		return NULL;
	kref_init(&peer->ref);
	peer->domid = domid;
	peer->cid = policy->peer_cid;
	peer->own_cid = policy->cid;
	peer->policy = policy;
	peer->path = xvsock_path;
	INIT_LIST_HEAD(&peer->node);
	spin_lock_init(&peer->lock);
	xa_init_flags(&peer->initiated, XA_FLAGS_ALLOC1);
	xa_init_flags(&peer->accepted, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&peer->to_request);
	INIT_LIST_HEAD(&peer->to_tell);
	xvsock_vchan_init(peer);
	xvsock_control_init(peer);
	return peer;
}

static void peer_free(struct kref *ref)
{
	struct xvsock_peer *peer = container_of(ref, struct xvsock_peer, ref);

	/* The tables hold references of connections, which hold the peer: both are empty. */
	xa_destroy(&peer->initiated);
	xa_destroy(&peer->accepted);
	kfree(peer->plain);
	kfree(peer->policy);
	kfree(peer);
}

void xvsock_peer_put(struct xvsock_peer *peer)
{
	kref_put(&peer->ref, peer_free);
}

/* The one that has this CID, be it reachable or not. */
static struct xvsock_peer *peer_find_locked(u32 cid)
{
	struct xvsock_peer *peer;

	lockdep_assert_held(&peers_lock);
	list_for_each_entry(peer, &peers, node)
		if (peer->cid == cid)
			return peer;
	return NULL;
}

/* Why the peer cannot be beside those that are there, if `own` becomes our CID; or NULL. */
static const char *peer_objection(const struct xvsock_peer *peer, u32 own)
{
	lockdep_assert_held(&peers_lock);
	if (peer_find_locked(peer->cid))
		return "another link leads to this CID already";
	if (own != xvsock_local_cid() && own_cid_users)
		return "it gives this domain another CID than the other links do";
	if (peer->cid == own || peer_find_locked(own))
		return "a peer and this domain would have the same CID";
	return NULL;
}

static void peer_set_own_cid(u32 cid)
{
	u32 before = xvsock_local_cid();

	lockdep_assert_held(&peers_lock);
	xvsock_set_local_cid(cid);
	if (before && cid != before)
		pr_info("xen_vsock: CID %u, was %u\n", cid, before);
}

void xvsock_peer_expect_own_cid(u32 cid)
{
	spin_lock(&peers_lock);
	if (!own_cid_users && !peer_find_locked(cid)) {
		peer_set_own_cid(cid);
		own_cid_given = true;
	}
	spin_unlock(&peers_lock);
}

void xvsock_peer_default_own_cid(u32 cid)
{
	spin_lock(&peers_lock);
	if (!own_cid_given)
		peer_set_own_cid(cid);
	spin_unlock(&peers_lock);
}

u32 xvsock_peer_own_cid(const struct xvsock_peer *peer)
{
	return peer->own_cid ? peer->own_cid : xvsock_cid_of(xvsock_own_domid());
}

/*
 * A policy that is replaced meanwhile is followed by another call, and calls exclude each
 * other, so the last one has seen all. peer->lock is within peers_lock, never the reverse.
 */
static void peer_sum_up_limits(void)
{
	unsigned int connections = UINT_MAX, pages = UINT_MAX;
	struct xvsock_peer *peer;

	lockdep_assert_held(&peers_lock);
	list_for_each_entry(peer, &peers, node) {
		spin_lock(&peer->lock);
		connections = min(connections, peer->policy->domain_max_connections);
		pages = min(pages, peer->policy->domain_max_pages);
		spin_unlock(&peer->lock);
	}
	WRITE_ONCE(domain_max_connections, connections);
	WRITE_ONCE(domain_max_pages, pages);
}

void xvsock_peer_renew_domain_limits(void)
{
	spin_lock(&peers_lock);
	peer_sum_up_limits();
	spin_unlock(&peers_lock);
}

int xvsock_peer_claim(struct xvsock_peer *peer)
{
	/* It is tried again every second, by each link that must wait. */
	static DEFINE_RATELIMIT_STATE(warnings, 60 * HZ, 10);
	const char *objection;
	u32 own;

	spin_lock(&peers_lock);
	own = peer->own_cid ? peer->own_cid : xvsock_local_cid();
	/* What dom0 has said once is no claim against who has this CID now. */
	if (own == peer->cid && !peer->own_cid && !own_cid_users) {
		own = xvsock_peer_own_cid(peer);
		own_cid_given = false;
	}
	objection = peer_objection(peer, own);
	if (!objection) {
		list_add_tail(&peer->node, &peers);
		own_cid_users += !!peer->own_cid;
		own_cid_given |= !!peer->own_cid;
		peer_set_own_cid(own);
		peer_sum_up_limits();
	}
	spin_unlock(&peers_lock);
	if (objection) {
		if (__ratelimit(&warnings))
			pr_warn("xen_vsock: no link to domain %u, CID %u, with CID %u here yet: %s\n",
				peer->domid, peer->cid, own, objection);
		return -EEXIST;
	}
	return 0;
}

void xvsock_peer_up(struct xvsock_peer *peer)
{
	spin_lock(&peers_lock);
	peer->reachable = true;
	spin_unlock(&peers_lock);
	trace_xvsock_peer(peer->cid, true);
}

struct xvsock_peer *xvsock_peer_find(u32 cid)
{
	struct xvsock_peer *peer;

	spin_lock(&peers_lock);
	peer = peer_find_locked(cid);
	if (peer && peer->reachable)
		xvsock_peer_get(peer);
	else
		peer = NULL;
	spin_unlock(&peers_lock);
	return peer;
}

bool xvsock_peer_exists(u32 cid)
{
	struct xvsock_peer *peer;
	bool exists;

	spin_lock(&peers_lock);
	peer = peer_find_locked(cid);
	exists = peer && peer->reachable;
	spin_unlock(&peers_lock);
	return exists;
}

struct xvsock_peer *xvsock_peer_next(struct xvsock_peer *peer)
{
	struct xvsock_peer *next = NULL, *other;

	spin_lock(&peers_lock);
	list_for_each_entry(other, &peers, node)
		if (other->reachable && (!peer || other->cid > peer->cid) &&
		    (!next || other->cid < next->cid))
			next = other;
	if (next)
		xvsock_peer_get(next);
	spin_unlock(&peers_lock);
	if (peer)
		xvsock_peer_put(peer);
	return next;
}

void xvsock_peer_for_each(struct xarray *table, void (*call)(struct xvsock_conn *conn))
{
	struct xvsock_conn *conn;
	unsigned long id = 0;

	for (;;) {
		xa_lock(table);
		conn = xa_find(table, &id, ULONG_MAX, XA_PRESENT);
		if (conn)
			xvsock_conn_get(conn);
		xa_unlock(table);
		if (!conn)
			return;
		call(conn);
		xvsock_conn_put(conn);
		if (id++ == ULONG_MAX)
			return;
	}
}

static void peer_drop_list(struct xvsock_peer *peer, struct list_head *list)
{
	struct xvsock_conn *conn;

	for (;;) {
		spin_lock(&peer->lock);
		conn = list_first_entry_or_null(list, struct xvsock_conn, to_send);
		if (conn)
			list_del_init(&conn->to_send);
		spin_unlock(&peer->lock);
		if (!conn)
			return;
		xvsock_conn_put(conn); /* the list's */
	}
}

void xvsock_peer_down(struct xvsock_peer *peer, struct xvsock_pages *held)
{
	bool was_reachable;

	/* Whoever enters a table after this sees it, and leaves again by himself. */
	spin_lock(&peer->lock);
	peer->up = false;
	spin_unlock(&peer->lock);

	/* When nobody can connect by its CIDs any more, others may have them. */
	spin_lock(&peers_lock);
	if (!list_empty(&peer->node))
		own_cid_users -= !!peer->own_cid;
	list_del_init(&peer->node);
	peer_sum_up_limits();
	was_reachable = peer->reachable;
	peer->reachable = false;
	spin_unlock(&peers_lock);

	if (was_reachable)
		trace_xvsock_peer(peer->cid, false);
	if (peer->plain)
		xvsock_plain_close(peer);
	peer->path->control_close(peer, held);
	xvsock_peer_for_each(&peer->initiated, xvsock_conn_link_lost);
	xvsock_peer_for_each(&peer->accepted, xvsock_conn_link_lost);
	peer_drop_list(peer, &peer->to_request);
	peer_drop_list(peer, &peer->to_tell);
	xvsock_vchan_end_all(peer);
	xvsock_peer_put(peer);
}

void xvsock_peer_violation(struct xvsock_peer *peer, const char *what)
{
	atomic_inc(&peer->violations);
	pr_warn_ratelimited("xen_vsock: domain %u sent %s\n", peer->domid, what);
}

static unsigned int budget_left(unsigned int budget, unsigned int used)
{
	return budget - min(budget, used);
}

static atomic_t *domain_count(bool initiator)
{
	return initiator ? &domain_initiated : &domain_accepted;
}

bool xvsock_domain_enter(bool initiator)
{
	atomic_t *count = domain_count(initiator);
	int before = atomic_read(count);

	do {
		if ((unsigned int)before >= READ_ONCE(domain_max_connections))
			return false;
	} while (!atomic_try_cmpxchg(count, &before, before + 1));
	return true;
}

void xvsock_domain_leave(bool initiator)
{
	atomic_dec(domain_count(initiator));
}

unsigned int xvsock_peer_reserve(struct xvsock_peer *peer, bool granting, unsigned int pages,
				 unsigned int least)
{
	unsigned int *of_peer = granting ? &peer->granted_pages : &peer->mapped_pages;
	atomic_t *of_domain = granting ? &domain_granted : &domain_mapped;
	unsigned int domain_max, left;

	lockdep_assert_held(&peer->lock);
	domain_max = min(READ_ONCE(domain_max_pages), READ_ONCE(xvsock_max_domain_pages));
	/* Other peers may take theirs meanwhile, and overdraw the domain's by a ring each. */
	left = min(budget_left(xvsock_policy_max_ring_pages(peer), *of_peer),
		   budget_left(domain_max, atomic_read(of_domain)));
	while (pages > least && pages > left / BUDGET_SHARE)
		pages /= 2;
	if (pages > left)
		return 0;
	*of_peer += pages;
	atomic_add(pages, of_domain);
	return pages;
}

void xvsock_peer_give_back(struct xvsock_peer *peer, bool granting, unsigned int pages)
{
	lockdep_assert_held(&peer->lock);
	*(granting ? &peer->granted_pages : &peer->mapped_pages) -= pages;
	atomic_sub(pages, granting ? &domain_granted : &domain_mapped);
}

void xvsock_peer_count(struct xvsock_peer *peer, const struct xvsock_counters *counters)
{
	struct xvsock_totals *totals = &peer->totals;

	lockdep_assert_held(&peer->lock);
	totals->tx_bytes += counters->tx_bytes;
	totals->rx_bytes += counters->rx_bytes;
	totals->tx_messages += counters->tx_messages;
	totals->rx_messages += counters->rx_messages;
	totals->kicks += counters->kicks;
	totals->events += counters->events;
	totals->spurious += counters->spurious;
	totals->spins += counters->spins;
	totals->spins_won += counters->spins_won;
}
