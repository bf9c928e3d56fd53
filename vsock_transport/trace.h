/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints xvsock:*, one for every kind of state that changes. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xvsock

#if !defined(XVSOCK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XVSOCK_TRACE_H

#include <linux/tracepoint.h>

#include "connection.h"

#ifndef XVSOCK_TRACE_STATES
#define XVSOCK_TRACE_STATES
/* What has become of a connection. */
enum xvsock_trace_state {
	XVSOCK_TRACE_REQUESTED, /* REQUEST is on its way, or has come */
	XVSOCK_TRACE_ESTABLISHED,
	XVSOCK_TRACE_REFUSED,
	XVSOCK_TRACE_SHUTDOWN, /* our live byte has changed */
	XVSOCK_TRACE_PEER_SHUTDOWN, /* the peer's has, and the socket knows */
	XVSOCK_TRACE_BROKEN,
	XVSOCK_TRACE_CLOSED, /* socket and connection have parted */
	XVSOCK_TRACE_ENDED, /* all memory is given back */
};
#endif

#define XVSOCK_STATE_NAMES						\
	{ XVSOCK_TRACE_REQUESTED, "requested" },			\
	{ XVSOCK_TRACE_ESTABLISHED, "established" },			\
	{ XVSOCK_TRACE_REFUSED, "refused" },				\
	{ XVSOCK_TRACE_SHUTDOWN, "shutdown" },				\
	{ XVSOCK_TRACE_PEER_SHUTDOWN, "peer_shutdown" },		\
	{ XVSOCK_TRACE_BROKEN, "broken" },				\
	{ XVSOCK_TRACE_CLOSED, "closed" },				\
	{ XVSOCK_TRACE_ENDED, "ended" }

#define XVSOCK_GROWTH_NAMES						\
	{ XVSOCK_GROWTH_NONE, "none" },					\
	{ XVSOCK_GROWTH_ASKED, "asked" },				\
	{ XVSOCK_GROWTH_MAKING, "making" },				\
	{ XVSOCK_GROWTH_REFUSED, "refused" },				\
	{ XVSOCK_GROWTH_OFFERED, "offered" },				\
	{ XVSOCK_GROWTH_READY, "ready" },				\
	{ XVSOCK_GROWTH_NEVER, "never" }

#define XVSOCK_OP_NAMES							\
	{ XVSOCK_OP_REQUEST, "REQUEST" },				\
	{ XVSOCK_OP_RESPONSE, "RESPONSE" },				\
	{ XVSOCK_OP_RESET, "RESET" },					\
	{ XVSOCK_OP_WANT, "WANT" },					\
	{ XVSOCK_OP_GROW, "GROW" },					\
	{ XVSOCK_OP_GROWN, "GROWN" },					\
	{ XVSOCK_OP_RELEASE, "RELEASE" },				\
	{ XVSOCK_OP_RELEASED, "RELEASED" },				\
	{ XVSOCK_OP_LIVE_INITIATOR, "LIVE_INITIATOR" },		\
	{ XVSOCK_OP_LIVE_ACCEPTOR, "LIVE_ACCEPTOR" }

/* So that programs which read the events' formats find numbers there, not names. */
TRACE_DEFINE_ENUM(XVSOCK_TRACE_REQUESTED);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_ESTABLISHED);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_REFUSED);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_SHUTDOWN);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_PEER_SHUTDOWN);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_BROKEN);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_CLOSED);
TRACE_DEFINE_ENUM(XVSOCK_TRACE_ENDED);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_NONE);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_ASKED);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_MAKING);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_REFUSED);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_OFFERED);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_READY);
TRACE_DEFINE_ENUM(XVSOCK_GROWTH_NEVER);
TRACE_DEFINE_ENUM(XVSOCK_OP_REQUEST);
TRACE_DEFINE_ENUM(XVSOCK_OP_RESPONSE);
TRACE_DEFINE_ENUM(XVSOCK_OP_RESET);
TRACE_DEFINE_ENUM(XVSOCK_OP_WANT);
TRACE_DEFINE_ENUM(XVSOCK_OP_GROW);
TRACE_DEFINE_ENUM(XVSOCK_OP_GROWN);
TRACE_DEFINE_ENUM(XVSOCK_OP_RELEASE);
TRACE_DEFINE_ENUM(XVSOCK_OP_RELEASED);
TRACE_DEFINE_ENUM(XVSOCK_OP_LIVE_INITIATOR);
TRACE_DEFINE_ENUM(XVSOCK_OP_LIVE_ACCEPTOR);

/* A peer link's half goes to this xenbus state. */
TRACE_EVENT(xvsock_link,
	TP_PROTO(domid_t domid, bool frontend, unsigned int state),
	TP_ARGS(domid, frontend, state),
	TP_STRUCT__entry(
		__field(u16, domid)
		__field(bool, frontend)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->frontend = frontend;
		__entry->state = state;
	),
	TP_printk("peer=%u half=%s state=%u", __entry->domid,
		  __entry->frontend ? "frontend" : "backend", __entry->state)
);

/* A peer can be reached from now on, or no longer. */
TRACE_EVENT(xvsock_peer,
	TP_PROTO(u32 cid, bool up),
	TP_ARGS(cid, up),
	TP_STRUCT__entry(
		__field(u32, cid)
		__field(bool, up)
	),
	TP_fast_assign(
		__entry->cid = cid;
		__entry->up = up;
	),
	TP_printk("cid=%u %s", __entry->cid, __entry->up ? "up" : "down")
);

/* A request of the peer's, for a port of ours that dom0 does not let it reach. */
TRACE_EVENT(xvsock_denied,
	TP_PROTO(u32 cid, u32 dst_port),
	TP_ARGS(cid, dst_port),
	TP_STRUCT__entry(
		__field(u32, cid)
		__field(u32, dst_port)
	),
	TP_fast_assign(
		__entry->cid = cid;
		__entry->dst_port = dst_port;
	),
	TP_printk("peer=%u dst_port=%u", __entry->cid, __entry->dst_port)
);

TRACE_EVENT(xvsock_conn,
	TP_PROTO(const struct xvsock_conn *conn, enum xvsock_trace_state state, u32 detail),
	TP_ARGS(conn, state, detail),
	TP_STRUCT__entry(
		__field(u32, cid)
		__field(u32, id)
		__field(bool, initiator)
		__field(u32, src_port)
		__field(u32, dst_port)
		__field(u32, state)
		__field(u32, detail)
	),
	TP_fast_assign(
		__entry->cid = conn->peer->cid;
		__entry->id = conn->id;
		__entry->initiator = conn->initiator;
		__entry->src_port = conn->src_port;
		__entry->dst_port = conn->dst_port;
		__entry->state = state;
		__entry->detail = detail;
	),
	TP_printk("peer=%u id=%u %s src_port=%u dst_port=%u state=%s detail=%#x", __entry->cid,
		  __entry->id, __entry->initiator ? "initiator" : "acceptor",
		  __entry->src_port, __entry->dst_port,
		  __print_symbolic(__entry->state, XVSOCK_STATE_NAMES), __entry->detail)
);

/* A direction of a connection on its way to a large ring. */
TRACE_EVENT(xvsock_growth,
	TP_PROTO(const struct xvsock_conn *conn, bool tx, const struct xvsock_ring *ring),
	TP_ARGS(conn, tx, ring),
	TP_STRUCT__entry(
		__field(u32, cid)
		__field(u32, id)
		__field(bool, initiator)
		__field(bool, tx)
		__field(u32, growth)
		__field(u32, order)
		__field(bool, large)
	),
	TP_fast_assign(
		__entry->cid = conn->peer->cid;
		__entry->id = conn->id;
		__entry->initiator = conn->initiator;
		__entry->tx = tx;
		__entry->growth = ring->growth;
		__entry->order = ring->order;
		__entry->large = ring->large;
	),
	TP_printk("peer=%u id=%u %s %s growth=%s order=%u large=%d", __entry->cid, __entry->id,
		  __entry->initiator ? "initiator" : "acceptor", __entry->tx ? "tx" : "rx",
		  __print_symbolic(__entry->growth, XVSOCK_GROWTH_NAMES), __entry->order,
		  __entry->large)
);

TRACE_EVENT(xvsock_control,
	TP_PROTO(u32 cid, bool sent, const struct xvsock_message *msg),
	TP_ARGS(cid, sent, msg),
	TP_STRUCT__entry(
		__field(u32, cid)
		__field(bool, sent)
		__field(u32, op)
		__field(u32, id)
		__field(u32, reason)
		__field(u32, ring_ref)
	),
	TP_fast_assign(
		__entry->cid = cid;
		__entry->sent = sent;
		__entry->op = msg->op;
		__entry->id = msg->id;
		__entry->reason = msg->reason;
		__entry->ring_ref = msg->ring_ref;
	),
	TP_printk("%s %u %s id=%u reason=%u ring_ref=%u", __entry->sent ? "to" : "from",
		  __entry->cid, __print_symbolic(__entry->op, XVSOCK_OP_NAMES), __entry->id,
		  __entry->reason, __entry->ring_ref)
);

#endif /* XVSOCK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
