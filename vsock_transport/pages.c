// SPDX-License-Identifier: GPL-2.0-only
#include <linux/log2.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "foreign.h"
#include "frames.h"
#include "pages.h"

static void pages_free_arrays(struct xvsock_pages *set)
{
	kvfree(set->pages);
	kvfree(set->refs);
	kvfree(set->unmap_ops);
	*set = (struct xvsock_pages){};
}

/* The largest power of two of bytes in whose aligned pieces the set is contiguous. */
static u32 pages_unit(const struct xvsock_pages *set)
{
	unsigned int i, unit = set->count; /* pages */

	for (i = 1; i < set->count; i++)
		if (page_address(set->pages[i]) != page_address(set->pages[i - 1]) + PAGE_SIZE)
			unit = min(unit, 1u << __ffs(i));
	return unit * PAGE_SIZE;
}

/*
 * Allocates count pages, in blocks as large as they can be had without effort:
 * what is contiguous is copied to and from at once.
 */
static int pages_alloc(struct page **pages, unsigned int count)
{
	unsigned int order = ilog2(count), done = 0, i;

	while (done < count) {
		/* Zeroed: the peer is to see nothing of what was there before. */
		gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO;
		struct page *block;

		if (order)
			gfp |= __GFP_NORETRY | __GFP_NOWARN;
		block = alloc_pages(gfp, order);
		if (!block && order) {
			order--;
			continue;
		}
		if (!block)
			break;
		if (order)
			split_page(block, order);
		for (i = 0; i < 1u << order; i++)
			pages[done++] = block + i;
	}
	if (done == count)
		return 0;
	while (done)
		__free_page(pages[--done]);
	return -ENOMEM;
}

int xvsock_pages_grant(struct xvsock_pages *set, unsigned int count, domid_t domid, bool readonly)
{
	unsigned int i;
	int err = -ENOMEM;

	set->count = 0;
	set->domid = domid;
	set->pages = kvcalloc(count, sizeof(*set->pages), GFP_KERNEL_ACCOUNT);
	set->refs = kvcalloc(count, sizeof(*set->refs), GFP_KERNEL_ACCOUNT);
	if (set->pages && set->refs)
		err = pages_alloc(set->pages, count);
	if (err) {
		pages_free_arrays(set);
		return err;
	}

	while (set->count < count) {
		struct page *page = set->pages[set->count];
		int ref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(page), readonly);

		if (ref < 0) {
			err = ref;
			break;
		}
		set->refs[set->count++] = ref;
	}
	if (err) {
		for (i = set->count; i < count; i++)
			__free_page(set->pages[i]);
		xvsock_pages_revoke(set);
		return err;
	}
	set->unit = pages_unit(set);
	return 0;
}

bool xvsock_pages_try_revoke(struct xvsock_pages *set)
{
	bool exchange = xvsock_frames_needed(set->domid);
	unsigned int i, held = 0;

	for (i = 0; i < set->count; i++) {
		if (gnttab_try_end_foreign_access(set->refs[i])) {
			if (exchange)
				xvsock_frames_free(set->pages[i], XVSOCK_NO_GRANT);
			else
				__free_page(set->pages[i]);
			continue;
		}
		set->pages[held] = set->pages[i];
		set->refs[held++] = set->refs[i];
	}
	set->count = held;
	if (!held)
		pages_free_arrays(set);
	return !held;
}

unsigned int xvsock_pages_revoke(struct xvsock_pages *set)
{
	bool exchange = xvsock_frames_needed(set->domid);
	unsigned int i, held;

	if (xvsock_pages_try_revoke(set))
		return 0;
	held = set->count;
	for (i = 0; i < held; i++) {
		if (exchange)
			xvsock_frames_free(set->pages[i], set->refs[i]);
		else
			gnttab_end_foreign_access(set->refs[i], set->pages[i]);
	}
	pages_free_arrays(set);
	return held;
}

/* Unmaps the first set->count pages, then frees all `allocated` of them. */
static void pages_unmap(struct xvsock_pages *set, unsigned int allocated)
{
	unsigned int i;
	int err = 0;

	/*
	 * Only this module ever touches these pages: the socket that used them
	 * has let go, and the event channel, whose handler looks at the shared
	 * page, is closed. So none is in use.
	 */
	if (set->count)
		err = gnttab_unmap_refs(set->unmap_ops, NULL, set->pages, set->count);
	for (i = 0; !err && i < set->count; i++)
		err = set->unmap_ops[i].status;
	/* A page that is still mapped is better lost than handed out again. */
	if (!WARN_ON_ONCE(err))
		xvsock_foreign_free(set->pages, allocated);
	pages_free_arrays(set);
}

int xvsock_pages_map(struct xvsock_pages *set, const grant_ref_t *refs, unsigned int count,
		     domid_t domid, bool readonly)
{
	u32 flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0);
	struct gnttab_map_grant_ref *ops;
	unsigned int i;
	int err = -ENOMEM;

	set->count = 0;
	set->pages = kvcalloc(count, sizeof(*set->pages), GFP_KERNEL);
	set->unmap_ops = kvcalloc(count, sizeof(*set->unmap_ops), GFP_KERNEL);
	ops = kvcalloc(count, sizeof(*ops), GFP_KERNEL);
	if (set->pages && set->unmap_ops && ops)
		err = xvsock_foreign_alloc(set->pages, count);
	if (err) {
		kvfree(ops);
		pages_free_arrays(set);
		return err;
	}

	for (i = 0; i < count; i++)
		gnttab_set_map_op(&ops[i], (unsigned long)xvsock_page(set, i), flags, refs[i],
				  domid);
	err = gnttab_map_refs(ops, NULL, set->pages, count);

	/* Bring the pages that were mapped to the front, so that they can be undone. */
	for (i = 0; i < count; i++) {
		if (ops[i].status != GNTST_okay)
			continue;
		swap(set->pages[set->count], set->pages[i]);
		gnttab_set_unmap_op(&set->unmap_ops[set->count], ops[i].host_addr, flags,
				    ops[i].handle);
		set->count++;
	}
	kvfree(ops);

	if (!err && set->count < count)
		err = -EINVAL;
	if (err)
		pages_unmap(set, count);
	else
		set->unit = pages_unit(set);
	return err;
}

void xvsock_pages_unmap(struct xvsock_pages *set)
{
	if (set->count)
		pages_unmap(set, set->count);
}
