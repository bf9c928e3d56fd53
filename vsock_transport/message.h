/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The messages of the control channel: their layout, how one is taken out of a
 * ring that the sender can change at any time, and whether it is well-formed.
 * docs/protocol.md says what they mean.
 *
 * Freestanding, as vchan/ is, so that the very same code is fuzzed and has
 * units in userspace. All messages are of one size, which divides both control
 * rings, so none is ever split by a ring's end. Integers are little-endian, as
 * everywhere in Xen's interfaces.
 */
#ifndef XVSOCK_MESSAGE_H
#define XVSOCK_MESSAGE_H

#include <vchan/ring.h>

#define XVSOCK_PROTOCOL_VERSION 1

enum xvsock_op {
	XVSOCK_OP_REQUEST = 1, /* initiator: here is a vchan, connect it to dst_port */
	XVSOCK_OP_RESPONSE = 2, /* acceptor: connected */
	/*
	 * Acceptor: refused, or finished with. The id is the initiator's again,
	 * and so are all grants, unless this one names the shared page: then the
	 * acceptor keeps the vchan for the next REQUEST with it.
	 */
	XVSOCK_OP_RESET = 3,
	XVSOCK_OP_WANT = 4, /* acceptor: have this direction grow to this order */
	XVSOCK_OP_GROW = 5, /* initiator: here is a large ring; with a reason, there is none */
	XVSOCK_OP_GROWN = 6, /* acceptor: it is mapped; with a reason, it is not */
	/* About a vchan that waits for the next connection: */
	XVSOCK_OP_RELEASE = 7, /* initiator: let go of it */
	XVSOCK_OP_RELEASED = 8, /* acceptor: done, the grant is the initiator's again */
	/* On Argo, where no page says so: my live byte is now what `reason` says. */
	XVSOCK_OP_LIVE_INITIATOR = 9,
	XVSOCK_OP_LIVE_ACCEPTOR = 10,
};

enum xvsock_reason {
	XVSOCK_REASON_NONE = 0, /* closed in the ordinary way */
	XVSOCK_REASON_REFUSED = 1, /* no listener, or its backlog is full */
	XVSOCK_REASON_LIMIT = 2, /* the acceptor's limit for this peer is reached */
	XVSOCK_REASON_INVALID = 3, /* the request was malformed or its grants do not map */
	XVSOCK_REASON_NOMEM = 4, /* the acceptor is out of memory */
};

/* A field that an op does not use is 0. */
struct xvsock_message {
	uint8_t op;
	uint8_t version;
	uint16_t type; /* XVSOCK_TYPE_STREAM */
	uint32_t id; /* chosen by the initiator, not 0 */
	uint32_t src_port; /* the initiator's */
	uint32_t dst_port; /* the acceptor's */
	uint32_t ring_ref; /* grant of a vchan's shared page, or of a large ring's first page */
	uint32_t event_channel; /* unbound port of the initiator */
	uint16_t left_order; /* acceptor to initiator */
	uint16_t right_order; /* initiator to acceptor */
	uint32_t reason; /* of a RESET, GROW or GROWN; LIVE: the live byte */
};

#define XVSOCK_MESSAGE_SIZE 32u
#define XVSOCK_MESSAGE_WORDS (XVSOCK_MESSAGE_SIZE / 4)

VCHAN_STATIC_ASSERT(sizeof(struct xvsock_message) == XVSOCK_MESSAGE_SIZE);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, op) == 0);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, version) == 1);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, type) == 2);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, id) == 4);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, src_port) == 8);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, dst_port) == 12);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, ring_ref) == 16);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, event_channel) == 20);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, left_order) == 24);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, right_order) == 26);
VCHAN_STATIC_ASSERT(offsetof(struct xvsock_message, reason) == 28);

/* The control vchan; the frontend is its server. */
#define XVSOCK_CONTROL_LEFT_ORDER VCHAN_ORDER_SMALL /* backend to frontend */
#define XVSOCK_CONTROL_RIGHT_ORDER VCHAN_ORDER_LARGE /* frontend to backend */

VCHAN_STATIC_ASSERT((1u << XVSOCK_CONTROL_LEFT_ORDER) % XVSOCK_MESSAGE_SIZE == 0);
VCHAN_STATIC_ASSERT((1u << XVSOCK_CONTROL_RIGHT_ORDER) % XVSOCK_MESSAGE_SIZE == 0);

/* What Linux calls SOCK_STREAM and VMADDR_PORT_ANY. */
#define XVSOCK_TYPE_STREAM 1
#define XVSOCK_PORT_ANY 0xffffffffu

/*
 * A connection begins with the small rings in its shared page, and so in one
 * page.
 */
#define XVSOCK_LEFT_ORDER VCHAN_ORDER_SMALL /* acceptor to initiator */
#define XVSOCK_RIGHT_ORDER VCHAN_ORDER_LARGE /* initiator to acceptor */

/* A large ring is of these orders. */
#define XVSOCK_LARGE_ORDER_MIN VCHAN_PAGE_SHIFT
#define XVSOCK_LARGE_ORDER_MAX VCHAN_ORDER_MAX

/*
 * Takes one message out of a control ring, of which `reader` is this side's
 * end. False when the writer's index is impossible. *taken says whether there
 * was a whole message.
 *
 * Each word is read once: only the copy counts, whatever the writer does to
 * the ring meanwhile.
 */
static inline bool xvsock_message_take(struct vchan_end *reader, const uint8_t *ring,
				       struct xvsock_message *msg, bool *taken)
{
	uint32_t avail, i, words[XVSOCK_MESSAGE_WORDS];
	struct vchan_span span;
	const uint32_t *from;

	*taken = false;
	if (!vchan_reader_avail(reader, &avail))
		return false;
	if (avail < XVSOCK_MESSAGE_SIZE)
		return true;

	/* Whole, because the index only ever moves by whole messages. */
	span = vchan_span_at(reader, 0, XVSOCK_MESSAGE_SIZE, reader->size);
	from = (const uint32_t *)(ring + span.offset);
	for (i = 0; i < XVSOCK_MESSAGE_WORDS; i++)
		words[i] = vchan_load_relaxed(from + i);
	__builtin_memcpy(msg, words, sizeof(words));
	vchan_reader_advance(reader, XVSOCK_MESSAGE_SIZE);
	*taken = true;
	return true;
}

/* What a message is by itself, before anybody has looked for its connection. */
enum xvsock_verdict {
	XVSOCK_VERDICT_GOOD,
	XVSOCK_VERDICT_VERSION, /* of an unknown version: ends the link */
	XVSOCK_VERDICT_OP, /* unknown: ends the link */
	XVSOCK_VERDICT_REFUSE, /* a malformed REQUEST: answered with XVSOCK_REASON_INVALID */
	XVSOCK_VERDICT_BREAK, /* another malformed one: ends the connection that it names, if any */
};

static inline bool xvsock_message_request_good(const struct xvsock_message *msg)
{
	return msg->id && msg->type == XVSOCK_TYPE_STREAM &&
	       msg->src_port != XVSOCK_PORT_ANY && msg->dst_port != XVSOCK_PORT_ANY &&
	       msg->left_order == XVSOCK_LEFT_ORDER && msg->right_order == XVSOCK_RIGHT_ORDER &&
	       !msg->reason;
}

/* Whether the fields that only a REQUEST uses are 0. */
static inline bool xvsock_message_follows(const struct xvsock_message *msg)
{
	return msg->id && !msg->type && !msg->src_port && !msg->dst_port && !msg->event_channel;
}

/* Whether all but the name of a vchan is 0. */
static inline bool xvsock_message_releases(const struct xvsock_message *msg)
{
	return msg->ring_ref && !msg->id && !msg->type && !msg->src_port && !msg->dst_port &&
	       !msg->event_channel && !msg->left_order && !msg->right_order && !msg->reason;
}

/* Whether the orders name one direction, and a large ring for it. */
static inline bool xvsock_message_grows(const struct xvsock_message *msg)
{
	uint32_t order = msg->left_order ? msg->left_order : msg->right_order;

	return (!msg->left_order || !msg->right_order) &&
	       order >= XVSOCK_LARGE_ORDER_MIN && order <= XVSOCK_LARGE_ORDER_MAX;
}

static inline enum xvsock_verdict xvsock_message_judge(const struct xvsock_message *msg)
{
	bool good = xvsock_message_follows(msg);

	if (msg->version != XVSOCK_PROTOCOL_VERSION)
		return XVSOCK_VERDICT_VERSION;
	switch (msg->op) {
	case XVSOCK_OP_REQUEST:
		return xvsock_message_request_good(msg) ? XVSOCK_VERDICT_GOOD :
							  XVSOCK_VERDICT_REFUSE;
	case XVSOCK_OP_RESPONSE:
		good = good && !msg->ring_ref && !msg->left_order && !msg->right_order &&
		       !msg->reason;
		break;
	case XVSOCK_OP_RESET: /* a reason that is not known here is one all the same */
		good = good && !msg->left_order && !msg->right_order;
		break;
	case XVSOCK_OP_WANT:
		good = good && xvsock_message_grows(msg) && !msg->ring_ref && !msg->reason;
		break;
	case XVSOCK_OP_GROW:
		good = good && xvsock_message_grows(msg) && (!msg->ring_ref || !msg->reason);
		break;
	case XVSOCK_OP_GROWN:
		good = good && xvsock_message_grows(msg) && !msg->ring_ref;
		break;
	case XVSOCK_OP_RELEASE:
	case XVSOCK_OP_RELEASED:
		good = xvsock_message_releases(msg);
		break;
	case XVSOCK_OP_LIVE_INITIATOR:
	case XVSOCK_OP_LIVE_ACCEPTOR:
		good = good && !msg->ring_ref && !msg->left_order && !msg->right_order &&
		       msg->reason <= 0xff;
		break;
	default:
		return XVSOCK_VERDICT_OP;
	}
	return good ? XVSOCK_VERDICT_GOOD : XVSOCK_VERDICT_BREAK;
}

#endif /* XVSOCK_MESSAGE_H */
