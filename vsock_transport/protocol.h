/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of a peer link, version 1, beside its messages (message.h): what
 * docs/protocol.md says.
 */
#ifndef XVSOCK_PROTOCOL_H
#define XVSOCK_PROTOCOL_H

#include <linux/types.h>
#include <vchan/layout.h>

#include "message.h"

/* Connections' ids are at most this, so that twice as many Argo ports can be told apart. */
#define XVSOCK_ID_MAX 0x3fffffff

/*
 * Of a link: what the two sides agree on in xenstore. From 2 on, connections use
 * the wide layout; the messages are the same, and say XVSOCK_PROTOCOL_VERSION.
 */
#define XVSOCK_LINK_VERSION 2
#define XVSOCK_LINK_VERSION_WIDE 2

/* Requests that one side may have on the way without an answer. */
#define XVSOCK_REQUEST_WINDOW 16

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
static_assert(VCHAN_WIDE_FREE <= XVSOCK_SHARE_LEFT);
static_assert(XVSOCK_SHARE_LEFT + sizeof(struct xvsock_share) <= XVSOCK_SHARE_RIGHT);
static_assert(XVSOCK_SHARE_RIGHT + sizeof(struct xvsock_share) <= VCHAN_WIDE_RIGHT_CONS);

/* A limit below this counts as this, so that a ring can always be filled a good deal. */
#define XVSOCK_LIMIT_MIN VCHAN_PAGE_SIZE

/* A large ring's first page lists the grants of all its pages, at first. */
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

/* Attached, two shutdowns and the end are changes; more than this are none of an honest peer. */
#define XVSOCK_LIVE_CHANGES 8

#endif /* XVSOCK_PROTOCOL_H */
