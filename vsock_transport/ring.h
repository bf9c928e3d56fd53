/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One direction of a connection: the end of a vchan ring, and the memory
 * behind it.
 *
 * Every ring begins small, in the shared page, and may move once to a large
 * one in pages of its own (growth.c says when and how). The indices run on;
 * only the memory behind them changes, at the index `moved_at`. The writer
 * moves at once. Its reader still finds the bytes before moved_at in the small
 * ring: until it has taken these, it is `draining`. A plain vchan's ring is
 * small or large from its beginning to its end.
 *
 * All of it is protected by lock_sock, except what growth.c says of `growth`.
 */
#ifndef XVSOCK_RING_H
#define XVSOCK_RING_H

#include "pages.h"
#include "protocol.h"
#include <vchan/ring.h>

/* How far a direction has come on its way to a large ring. */
enum xvsock_growth {
	XVSOCK_GROWTH_NONE, /* nobody has asked, or the wish was refused */
	XVSOCK_GROWTH_ASKED, /* the peer has to answer next */
	XVSOCK_GROWTH_MAKING, /* pages are being granted or mapped */
	XVSOCK_GROWTH_REFUSED, /* writing initiator: the pages are being taken back */
	XVSOCK_GROWTH_OFFERED, /* reading initiator: the writer may move, and will say if not */
	XVSOCK_GROWTH_READY, /* both ends have the pages; never changes again */
	XVSOCK_GROWTH_NEVER, /* of a plain vchan: it stays as its server has made it */
};

struct xvsock_ring {
	struct vchan_end end; /* its size is that of the ring behind end.index for a writer */
	struct xvsock_share *share; /* this direction's words in the shared page; peer-writable */
	u8 *small; /* in the shared page */
	u32 small_size; /* bytes */
	bool large; /* moved */
	bool draining; /* reader: end.index has not come to moved_at yet */
	u32 moved_at;
	u32 last_prod; /* reader: end.at.prod points here once the writer has closed */

	/* The large ring's pages belong to growth.c until growth says that they can be used. */
	enum xvsock_growth growth;
	bool todo; /* growth_work is to make or to revoke */
	struct xvsock_pages pages;
	unsigned int order; /* of the large ring, once it was asked for */
	grant_ref_t ref; /* of its first page */
	u32 refusal; /* why there is none: an enum xvsock_reason */
	unsigned long retry; /* jiffies: not to be asked for again before */
};

/*
 * The memory of the first contiguous piece of at most `want` bytes, `ahead`
 * bytes after the end's index. *length is what it holds.
 */
static inline void *xvsock_ring_piece(const struct xvsock_ring *ring, u32 ahead, u32 want,
				      u32 *length)
{
	struct vchan_end small = { .size = ring->small_size };
	bool large = ring->large;
	struct vchan_span span;

	if (unlikely(ring->draining)) {
		u32 left = ring->moved_at - (ring->end.index + ahead);

		if (left && left <= ring->small_size) {
			want = min(want, left);
			large = false;
		}
	}
	if (large) {
		span = vchan_span_at(&ring->end, ahead, want, ring->pages.unit);
		*length = span.length;
		return xvsock_page(&ring->pages, span.offset >> VCHAN_PAGE_SHIFT) +
		       (span.offset & (VCHAN_PAGE_SIZE - 1));
	}
	small.index = ring->end.index;
	span = vchan_span_at(&small, ahead, want, small.size);
	*length = span.length;
	return ring->small + span.offset;
}

#endif /* XVSOCK_RING_H */
