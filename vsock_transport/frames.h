/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Giving back pages that were granted to another domain, when a grant that has
 * ended does not mean that nobody maps the page.
 *
 * Xen ends the grants of a domain that is destroyed before it takes its page
 * tables apart. In between, which may be seconds, a page of ours that a
 * paravirtualised domain had mapped looks free, but Xen still counts a writable
 * mapping of its frame. Nobody writes to it any more; but if we are
 * paravirtualised, too, and the kernel makes a page table of it, Xen refuses
 * that, and the kernel goes down.
 *
 * So such a page gets another frame first. Xen exchanges a frame only when there
 * is no reference of it but its owner's own, so the exchange is also the proof. Until
 * it succeeds, the page waits here. So does a page whose grant is still in use: the
 * kernel's own list of such grants takes only ten a second.
 */
#ifndef XVSOCK_FRAMES_H
#define XVSOCK_FRAMES_H

#include <linux/mm.h>
#include <xen/grant_table.h>

/* Whether pages that were granted to this domain need it. dom0 does not die before us. */
bool xvsock_frames_needed(domid_t domid);

/* No grant has this number: Xen reserves it. */
#define XVSOCK_NO_GRANT 0

/*
 * Frees the page as soon as no other domain has it mapped, and ends its grant
 * before, if it has one that is still in use. Process context.
 */
void xvsock_frames_free(struct page *page, grant_ref_t ref);

/* How many pages wait. To be read. */
extern u32 xvsock_frames_waiting;

/* Waits for a while for those that are left; what is still mapped then is lost. Sleeps. */
void xvsock_frames_exit(void);

#endif /* XVSOCK_FRAMES_H */
