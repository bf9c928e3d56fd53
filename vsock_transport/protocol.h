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
	u32 ring_ref; /* grant of the vchan's shared page */
	u32 event_channel; /* unbound port of the initiator */
	u16 left_order; /* acceptor to initiator */
	u16 right_order; /* initiator to acceptor */
	u32 reason; /* of a RESET */
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
 * A connection's live bytes. Beside libxenvchan's values, an open side says
 * here which half it has shut down; a side that breaks the connection says
 * so instead of closing. Stored after the data, so whoever sees one of these
 * sees all the bytes that were sent before it.
 */
#define XVSOCK_LIVE_NO_SEND 0x10 /* with VCHAN_OPEN: I send no more */
#define XVSOCK_LIVE_NO_RECV 0x20 /* with VCHAN_OPEN: I receive no more */
#define XVSOCK_LIVE_RESET 0x40 /* alone: broken, what is in the rings is void */

#endif /* XVSOCK_PROTOCOL_H */
