/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control protocol of a peer link, version 1: what docs/protocol.md says.
 *
 * Messages travel in the two byte rings of the control vchan. All are of one
 * size, which divides both rings, so none is ever split by a ring's end.
 * Integers are little-endian, as everywhere in Xen's interfaces.
 */
#ifndef XVSOCK_PROTOCOL_H
#define XVSOCK_PROTOCOL_H

#include <linux/types.h>
#include <vchan/layout.h>

#define XVSOCK_PROTOCOL_VERSION 1

/* The control vchan; the frontend is its server. */
#define XVSOCK_CONTROL_LEFT_ORDER VCHAN_ORDER_SMALL /* backend to frontend */
#define XVSOCK_CONTROL_RIGHT_ORDER VCHAN_ORDER_LARGE /* frontend to backend */

/* Requests that one side may have on the way without an answer. */
#define XVSOCK_REQUEST_WINDOW 16

enum xvsock_op {
	XVSOCK_OP_REQUEST = 1, /* initiator: here is a vchan, connect it to dst_port */
	XVSOCK_OP_RESPONSE = 2, /* acceptor: connected */
	/*
	 * Acceptor: refused, or finished with. It maps nothing of the
	 * connection any more; the id and the grants are the initiator's again.
	 */
	XVSOCK_OP_RESET = 3,
	XVSOCK_OP_WANT = 4, /* acceptor: I would write to a left ring of this order */
	XVSOCK_OP_GROW = 5, /* initiator: here is a large ring; with order 0, there is none */
	XVSOCK_OP_GROWN = 6, /* acceptor: it is mapped; with a reason, it is not */
};

enum xvsock_reason {
	XVSOCK_REASON_NONE = 0, /* closed in the ordinary way */
	XVSOCK_REASON_REFUSED = 1, /* no listener, or its backlog is full */
	XVSOCK_REASON_LIMIT = 2, /* the acceptor's limit for this peer is reached */
	XVSOCK_REASON_INVALID = 3, /* the request was malformed or its grants do not map */
	XVSOCK_REASON_NOMEM = 4, /* the acceptor is out of memory */
};

struct xvsock_message {
	u8 op;
	u8 version;
	u16 type; /* SOCK_STREAM */
	u32 id; /* chosen by the initiator, not 0 */
	u32 src_port; /* the initiator's */
	u32 dst_port; /* the acceptor's */
	u32 ring_ref; /* grant of the vchan's shared page, or of a large ring's first page */
	u32 event_channel; /* unbound port of the initiator */
	u16 left_order; /* acceptor to initiator */
	u16 right_order; /* initiator to acceptor */
	u32 reason; /* of a RESET or GROWN */
};

static_assert(sizeof(struct xvsock_message) == 32);
static_assert(offsetof(struct xvsock_message, version) == 1);
static_assert(offsetof(struct xvsock_message, type) == 2);
static_assert(offsetof(struct xvsock_message, id) == 4);
static_assert(offsetof(struct xvsock_message, src_port) == 8);
static_assert(offsetof(struct xvsock_message, dst_port) == 12);
static_assert(offsetof(struct xvsock_message, ring_ref) == 16);
static_assert(offsetof(struct xvsock_message, event_channel) == 20);
static_assert(offsetof(struct xvsock_message, left_order) == 24);
static_assert(offsetof(struct xvsock_message, right_order) == 26);
static_assert(offsetof(struct xvsock_message, reason) == 28);

/*
 * A connection begins with the small rings in its shared page, and so in one
 * page.
 */
#define XVSOCK_LEFT_ORDER VCHAN_ORDER_SMALL /* acceptor to initiator */
#define XVSOCK_RIGHT_ORDER VCHAN_ORDER_LARGE /* initiator to acceptor */

/*
 * What a connection's shared page says beside vchan's own fields, in a part
 * that the header, which lists no grants, and the small rings leave free; one
 * cache line for each direction.
 */
struct xvsock_share {
	u32 limit; /* by the reader: how many bytes it would have unread, at most */
	u32 moved_at; /* by the writer: index of the first byte in the large ring */
	u32 moved; /* by the writer: 1 once that holds */
	u32 reserved[13];
};

#define XVSOCK_SHARE_LEFT 512
#define XVSOCK_SHARE_RIGHT 576

static_assert(sizeof(struct xvsock_share) == 64);
static_assert(offsetof(struct xvsock_share, limit) == 0);
static_assert(offsetof(struct xvsock_share, moved_at) == 4);
static_assert(offsetof(struct xvsock_share, moved) == 8);
static_assert(sizeof(struct vchan_page) <= XVSOCK_SHARE_LEFT);
static_assert(XVSOCK_SHARE_LEFT + sizeof(struct xvsock_share) <= XVSOCK_SHARE_RIGHT);
static_assert(XVSOCK_SHARE_RIGHT + sizeof(struct xvsock_share) <= VCHAN_OFFSET_SMALL);

/* A limit below this counts as this, so that a ring can always be filled a good deal. */
#define XVSOCK_LIMIT_MIN VCHAN_PAGE_SIZE

/* A large ring is of these orders. Its first page lists the grants of all its pages, at first. */
#define XVSOCK_LARGE_ORDER_MIN VCHAN_PAGE_SHIFT
#define XVSOCK_LARGE_ORDER_MAX VCHAN_ORDER_MAX

static_assert((1u << (XVSOCK_LARGE_ORDER_MAX - VCHAN_PAGE_SHIFT)) * sizeof(u32) <=
	      VCHAN_PAGE_SIZE);

/*
 * A connection's live bytes. Beside libxenvchan's values, an open side says
 * here which half it has shut down; a side that breaks the connection says
 * so instead of closing. Stored after the data, so whoever sees one of these
 * sees all the bytes that were sent before it.
 */
#define XVSOCK_LIVE_NO_SEND 0x10 /* with VCHAN_OPEN: I send no more */
#define XVSOCK_LIVE_NO_RECV 0x20 /* with VCHAN_OPEN: I receive no more */
#define XVSOCK_LIVE_RESET 0x40 /* alone: broken, what is in the rings is void */

#endif /* XVSOCK_PROTOCOL_H */
