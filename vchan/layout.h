/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The shared page of a vchan, byte for byte as libxenvchan lays it out
 * (Xen's public header io/libxenvchan.h).
 *
 * A vchan joins two domains with two byte rings and one event channel. The
 * server allocates all pages and grants them to the client. One grant
 * reference leads to this page, which lists the grant references of the rest.
 *
 *   left   ring: the client writes, the server reads
 *   right  ring: the server writes, the client reads
 *
 * A ring of order n holds 2^n bytes. Order 10 lies in this page at offset
 * 1024, order 11 at offset 2048, so the two in-page rings are of different
 * orders; orders 12 to 20 take 2^(n-12) granted pages each. In grants[] the
 * pages of left come first, then those of right.
 */
#ifndef VCHAN_LAYOUT_H
#define VCHAN_LAYOUT_H

#include "platform.h"

#define VCHAN_PAGE_SHIFT 12u
#define VCHAN_PAGE_SIZE 4096u

#define VCHAN_ORDER_SMALL 10u /* 1 KiB, in the shared page */
#define VCHAN_ORDER_LARGE 11u /* 2 KiB, in the shared page */
#define VCHAN_ORDER_MIN VCHAN_ORDER_SMALL
#define VCHAN_ORDER_MAX 20u

#define VCHAN_OFFSET_SMALL 1024u
#define VCHAN_OFFSET_LARGE 2048u

/*
 * Bits of cli_notify and srv_notify: what the other side waits for. Spelled as
 * Xen's header spells them, so that one file may include both.
 */
#define VCHAN_NOTIFY_WRITE 0x1 /* tell me when you have written */
#define VCHAN_NOTIFY_READ 0x2 /* tell me when you have read */

/* Values of cli_live and srv_live that libxenvchan knows. */
#define VCHAN_CLOSED 0u
#define VCHAN_OPEN 1u
#define VCHAN_WAITING 2u /* cli_live only: the client has not come yet */

struct vchan_indices {
	uint32_t cons; /* bytes consumed so far, modulo 2^32; written by the reader */
	uint32_t prod; /* bytes produced so far, modulo 2^32; written by the writer */
};

/*
 * X_notify holds the requests *to* side X: the server sets bits in
 * cli_notify when it waits, and the client clears them when it kicks.
 */
struct vchan_page {
	struct vchan_indices left;
	struct vchan_indices right;
	uint16_t left_order;
	uint16_t right_order;
	uint8_t cli_live;
	uint8_t srv_live;
	uint8_t cli_notify;
	uint8_t srv_notify;
	uint32_t grants[];
};

VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, left) == 0);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_indices, cons) == 0);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_indices, prod) == 4);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, right) == 8);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, left_order) == 16);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, right_order) == 18);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, cli_live) == 20);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, srv_live) == 21);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, cli_notify) == 22);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, srv_notify) == 23);
VCHAN_STATIC_ASSERT(offsetof(struct vchan_page, grants) == 24);
VCHAN_STATIC_ASSERT(sizeof(struct vchan_page) == 24);

VCHAN_STATIC_ASSERT(VCHAN_PAGE_SIZE == 1ull << VCHAN_PAGE_SHIFT);

/*
 * The wide layout, for two sides that both know it. In libxenvchan's, all that
 * changes is in one cache line, which so goes to and fro at each store of either
 * side. Here every word that one side writes often has two lines of its own, as
 * processors fetch lines in pairs. The orders, the live bytes and grants[] are
 * where they always are. Between VCHAN_WIDE_FREE and VCHAN_WIDE_RIGHT_CONS is
 * room for who uses the vchan. grants[] must end before VCHAN_WIDE_LEFT_PROD,
 * so this is for vchans with at most VCHAN_WIDE_GRANTS pages.
 */
#define VCHAN_WIDE_LEFT_PROD 128u
#define VCHAN_WIDE_LEFT_CONS 256u
#define VCHAN_WIDE_RIGHT_PROD 384u
#define VCHAN_WIDE_FREE 512u
#define VCHAN_WIDE_RIGHT_CONS 640u
#define VCHAN_WIDE_CLI_NOTIFY 768u
#define VCHAN_WIDE_SRV_NOTIFY 896u
#define VCHAN_WIDE_GRANTS ((VCHAN_WIDE_LEFT_PROD - sizeof(struct vchan_page)) / sizeof(uint32_t))

VCHAN_STATIC_ASSERT(VCHAN_WIDE_SRV_NOTIFY + 128 <= VCHAN_OFFSET_SMALL);

enum vchan_layout {
	VCHAN_LAYOUT_XEN, /* libxenvchan's */
	VCHAN_LAYOUT_WIDE,
};

/* Where the indices of one ring are. */
struct vchan_places {
	uint32_t *cons;
	uint32_t *prod;
};

/* Where all is that the two sides change while data flows; peer-writable. */
struct vchan_words {
	struct vchan_places left;
	struct vchan_places right;
	uint8_t *cli_notify;
	uint8_t *srv_notify;
};

static inline struct vchan_words vchan_words_of(struct vchan_page *page, enum vchan_layout layout)
{
	uint8_t *bytes = (uint8_t *)page;
	struct vchan_words words;

	if (layout == VCHAN_LAYOUT_XEN) {
		words.left.cons = &page->left.cons;
		words.left.prod = &page->left.prod;
		words.right.cons = &page->right.cons;
		words.right.prod = &page->right.prod;
		words.cli_notify = &page->cli_notify;
		words.srv_notify = &page->srv_notify;
	} else {
		words.left.cons = (uint32_t *)(bytes + VCHAN_WIDE_LEFT_CONS);
		words.left.prod = (uint32_t *)(bytes + VCHAN_WIDE_LEFT_PROD);
		words.right.cons = (uint32_t *)(bytes + VCHAN_WIDE_RIGHT_CONS);
		words.right.prod = (uint32_t *)(bytes + VCHAN_WIDE_RIGHT_PROD);
		words.cli_notify = bytes + VCHAN_WIDE_CLI_NOTIFY;
		words.srv_notify = bytes + VCHAN_WIDE_SRV_NOTIFY;
	}
	return words;
}

/* Pages that a ring of this order, at most VCHAN_ORDER_MAX, takes beside the shared page. */
static inline uint32_t vchan_ring_pages(uint32_t order)
{
	return order < VCHAN_PAGE_SHIFT ? 0 : 1u << (order - VCHAN_PAGE_SHIFT);
}

/* Grant references of two rings of the largest order fit in the shared page. */
VCHAN_STATIC_ASSERT(24 + 4 * 2 * (1u << (VCHAN_ORDER_MAX - VCHAN_PAGE_SHIFT)) <= VCHAN_PAGE_SIZE);
/* With one in-page ring the references must end before it: see vchan_orders_valid(). */

/*
 * Whether a shared page can hold this pair of orders: both in range, not both
 * the same in-page ring, and the grant references clear of an in-page ring.
 */
static inline bool vchan_orders_valid(uint32_t left, uint32_t right)
{
	uint32_t limit = VCHAN_PAGE_SIZE;

	if (left < VCHAN_ORDER_MIN || left > VCHAN_ORDER_MAX)
		return false;
	if (right < VCHAN_ORDER_MIN || right > VCHAN_ORDER_MAX)
		return false;
	if (left == right && left < VCHAN_PAGE_SHIFT)
		return false;

	if (left == VCHAN_ORDER_LARGE || right == VCHAN_ORDER_LARGE)
		limit = VCHAN_OFFSET_LARGE;
	if (left == VCHAN_ORDER_SMALL || right == VCHAN_ORDER_SMALL)
		limit = VCHAN_OFFSET_SMALL;
	return 24 + 4 * (vchan_ring_pages(left) + vchan_ring_pages(right)) <= limit;
}

/* Where an in-page ring lies in the shared page; 0 for an order that is not in-page. */
static inline uint32_t vchan_inpage_offset(uint32_t order)
{
	if (order == VCHAN_ORDER_SMALL)
		return VCHAN_OFFSET_SMALL;
	if (order == VCHAN_ORDER_LARGE)
		return VCHAN_OFFSET_LARGE;
	return 0;
}

#endif /* VCHAN_LAYOUT_H */
