// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "pages.h"

static void pages_free_arrays(struct xvsock_pages *set)
{
	kvfree(set->pages);
	kvfree(set->refs);
	kvfree(set->unmap_ops);
	*set = (struct xvsock_pages){};
}

int xvsock_pages_grant(struct xvsock_pages *set, unsigned int count, domid_t domid, bool readonly)
{
	int err = 0;

	set->count = 0;
	set->pages = kvcalloc(count, sizeof(*set->pages), GFP_KERNEL_ACCOUNT);
	set->refs = kvcalloc(count, sizeof(*set->refs), GFP_KERNEL_ACCOUNT);
	if (!set->pages || !set->refs)
		err = -ENOMEM;

	while (!err && set->count < count) {
		/* Zeroed: the peer is to see nothing of what was there before. */
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		int ref;

		if (!page) {
			err = -ENOMEM;
			break;
		}
		ref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(page), readonly);
		if (ref < 0) {
			__free_page(page);
			err = ref;
			break;
		}
		set->pages[set->count] = page;
		set->refs[set->count++] = ref;
	}
	if (err)
		xvsock_pages_revoke(set);
	return err;
}

unsigned int xvsock_pages_revoke(struct xvsock_pages *set)
{
	unsigned int i, held = 0;

	for (i = 0; i < set->count; i++) {
		if (gnttab_try_end_foreign_access(set->refs[i])) {
			__free_page(set->pages[i]);
		} else {
			gnttab_end_foreign_access(set->refs[i], set->pages[i]);
			held++;
		}
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
		gnttab_free_pages(allocated, set->pages);
	pages_free_arrays(set);
}

void xvsock_pages_prepare(void)
{
	struct page *page;

	if (!gnttab_alloc_pages(1, &page))
		gnttab_free_pages(1, &page);
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
		err = gnttab_alloc_pages(count, set->pages);
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
	return err;
}

void xvsock_pages_unmap(struct xvsock_pages *set)
{
	if (set->count)
		pages_unmap(set, set->count);
}
