// SPDX-License-Identifier: GPL-2.0-only
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <xen/mem-reservation.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/interface/memory.h>
#include <asm/xen/hypercall.h>

#include "frames.h"

u32 xvsock_frames_waiting; /* under frames_lock */

#ifdef CONFIG_XEN_HAVE_PVMMU

#define FRAMES_BATCH 16
#define FRAMES_RETRY (HZ / 4)
#define FRAMES_EXIT_TRIES 20
#define FRAMES_EXIT_PAUSE 100 /* ms */

static void frames_work(struct work_struct *work);

static DEFINE_SPINLOCK(frames_lock);
/* By page->lru, under frames_lock. page->private is the grant that has not ended. */
static LIST_HEAD(frames_list);
static DECLARE_DELAYED_WORK(frames_delayed_work, frames_work);

bool xvsock_frames_needed(domid_t domid)
{
	return xen_pv_domain() && domid != 0;
}

/* True if *frame, which is mapped nowhere, was exchanged for another one for this pfn. */
static bool frame_exchange(xen_pfn_t *frame, unsigned long pfn)
{
	xen_pfn_t in = *frame, out = pfn;
	struct xen_memory_exchange exchange = {
		.in = { .nr_extents = 1, .domid = DOMID_SELF },
		.out = { .nr_extents = 1, .domid = DOMID_SELF },
	};

	set_xen_guest_handle(exchange.in.extent_start, &in);
	set_xen_guest_handle(exchange.out.extent_start, &out);
	HYPERVISOR_memory_op(XENMEM_exchange, &exchange);
	if (!exchange.nr_exchanged)
		return false;
	*frame = out;
	return true;
}

/*
 * Sets a bit of the result for each page that has a new frame now.
 *
 * The pages have no frame meanwhile. A domain is saved by stop_machine(), which
 * waits for us: frames that were numbered before that would not be ours after it.
 */
static unsigned int frames_exchange(struct page **pages, unsigned int count)
{
	struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_ALL };
	xen_pfn_t frames[FRAMES_BATCH];
	unsigned int i, exchanged = 0;

	preempt_disable();
	for (i = 0; i < count; i++)
		frames[i] = xen_page_to_gfn(pages[i]);
	xenmem_reservation_va_mapping_reset(count, pages);
	/* No processor of ours may find the old frame any more. */
	WARN_ON_ONCE(HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF));
	for (i = 0; i < count; i++)
		if (frame_exchange(&frames[i], page_to_pfn(pages[i])))
			exchanged |= 1u << i;
	xenmem_reservation_va_mapping_update(count, pages, frames);
	preempt_enable();
	return exchanged;
}

static bool frame_grant_ended(struct page *page)
{
	if (page_private(page) == XVSOCK_NO_GRANT)
		return true;
	if (!gnttab_try_end_foreign_access(page_private(page)))
		return false;
	set_page_private(page, XVSOCK_NO_GRANT);
	return true;
}

/* Takes up to FRAMES_BATCH pages of the list whose grants have ended. */
static unsigned int frames_take(struct list_head *list, struct page **pages)
{
	struct page *page, *next;
	unsigned int count = 0;

	list_for_each_entry_safe(page, next, list, lru) {
		if (!frame_grant_ended(page))
			continue;
		list_del(&page->lru);
		pages[count++] = page;
		if (count == FRAMES_BATCH)
			break;
	}
	return count;
}

/* Frees what it can. True if some are left. */
static bool frames_try(void)
{
	struct page *pages[FRAMES_BATCH];
	unsigned int i, count, exchanged;
	LIST_HEAD(list);
	LIST_HEAD(left);
	bool some;

	spin_lock(&frames_lock);
	list_splice_init(&frames_list, &list);
	spin_unlock(&frames_lock);

	while ((count = frames_take(&list, pages))) {
		exchanged = frames_exchange(pages, count);
		for (i = 0; i < count; i++) {
			if (!(exchanged & 1u << i)) {
				list_add(&pages[i]->lru, &left);
				continue;
			}
			__free_page(pages[i]);
			spin_lock(&frames_lock);
			xvsock_frames_waiting--;
			spin_unlock(&frames_lock);
		}
		cond_resched();
	}

	spin_lock(&frames_lock);
	list_splice(&left, &frames_list);
	list_splice(&list, &frames_list);
	some = xvsock_frames_waiting;
	spin_unlock(&frames_lock);
	return some;
}

static void frames_work(struct work_struct *work)
{
	if (frames_try())
		schedule_delayed_work(&frames_delayed_work, FRAMES_RETRY);
}

void xvsock_frames_free(struct page *page, grant_ref_t ref)
{
	set_page_private(page, ref);
	spin_lock(&frames_lock);
	list_add_tail(&page->lru, &frames_list);
	xvsock_frames_waiting++;
	spin_unlock(&frames_lock);
	schedule_delayed_work(&frames_delayed_work, 0);
}

void xvsock_frames_exit(void)
{
	unsigned int tries = 0;
	struct page *page;

	cancel_delayed_work_sync(&frames_delayed_work);
	while (frames_try()) {
		if (++tries == FRAMES_EXIT_TRIES) {
			pr_warn("xen_vsock: %u pages are lost, which another domain maps\n",
				xvsock_frames_waiting);
			break;
		}
		msleep(FRAMES_EXIT_PAUSE);
	}
	/* Our reference stays, so a page is lost; its grant is not, once it is not in use. */
	list_for_each_entry(page, &frames_list, lru)
		if (page_private(page) != XVSOCK_NO_GRANT)
			gnttab_end_foreign_access(page_private(page), NULL);
}

#else

bool xvsock_frames_needed(domid_t domid)
{
	return false;
}

void xvsock_frames_free(struct page *page, grant_ref_t ref)
{
	WARN_ON_ONCE(1); /* None needs it. */
}

void xvsock_frames_exit(void)
{
}

#endif /* CONFIG_XEN_HAVE_PVMMU */
