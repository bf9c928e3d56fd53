/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages shared with another domain: ours that it may map, or its that we map.
 * Together with event.c this is the only place that talks to the grant table.
 */
#ifndef XVSOCK_PAGES_H
#define XVSOCK_PAGES_H

#include <linux/mm.h>
#include <xen/grant_table.h>

/* A set of pages, all granted or all mapped. Zero-initialised is empty. */
struct xvsock_pages {
	unsigned int count;
	domid_t domid; /* that it is granted to */
	/*
	 * In aligned pieces of this size, in bytes, a power of two, the set is
	 * contiguous in the kernel's address space.
	 */
	u32 unit;
	struct page **pages;
	grant_ref_t *refs; /* of a granted set */
	struct gnttab_unmap_grant_ref *unmap_ops; /* of a mapped set */
};

/*
 * Allocates `count` zeroed pages, a power of two, and grants them to `domid`. Sleeps.
 * -ENOMEM, or -ENOSPC when the domain is out of grant references.
 */
int xvsock_pages_grant(struct xvsock_pages *set, unsigned int count, domid_t domid, bool readonly);

/*
 * Ends the grants and frees the pages; frames.h says when. A page that the peer
 * still maps is freed once the peer has let go, and is not reused before.
 * Returns how many these are. Sleeps.
 */
unsigned int xvsock_pages_revoke(struct xvsock_pages *set);

/* As far as that can be done now. The rest stays in the set; true if there is none. */
bool xvsock_pages_try_revoke(struct xvsock_pages *set);

/*
 * Maps `count` pages of `domid`, a power of two. All or nothing. Sleeps. -ENOMEM, or -EINVAL
 * when one of the references is not a grant to us.
 */
int xvsock_pages_map(struct xvsock_pages *set, const grant_ref_t *refs, unsigned int count,
		     domid_t domid, bool readonly);
void xvsock_pages_unmap(struct xvsock_pages *set);

static inline void *xvsock_page(const struct xvsock_pages *set, unsigned int i)
{
	return page_address(set->pages[i]);
}

#endif /* XVSOCK_PAGES_H */
