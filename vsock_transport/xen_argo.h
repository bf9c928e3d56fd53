/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xen's Argo as its public header argo.h defines it, which Linux has no copy of:
 * what is used of it here. Integers are of the processor's order.
 */
#ifndef XVSOCK_XEN_ARGO_H
#define XVSOCK_XEN_ARGO_H

#include <linux/types.h>

#define XEN_ARGO_HYPERCALL 39
#define XEN_ARGO_VIRQ 11 /* of a domain, not of a ring */

enum xen_argo_op {
	XEN_ARGO_REGISTER_RING = 1, /* struct xen_argo_register, frames, their count, flags */
	XEN_ARGO_UNREGISTER_RING = 2, /* struct xen_argo_unregister */
	XEN_ARGO_SENDV = 3, /* struct xen_argo_route, struct xen_argo_iov[], their count, type */
	XEN_ARGO_NOTIFY = 4, /* struct xen_argo_query, or NULL */
};

#define XEN_ARGO_FAIL_EXIST 1 /* flag of XEN_ARGO_REGISTER_RING */

#define XEN_ARGO_PIECES 8 /* of memory that one message is put together from, at most */

/* Messages begin at multiples of this, with a header that is as long. */
#define XEN_ARGO_SLOT 16

struct xen_argo_addr {
	u32 port;
	u16 domid;
	u16 pad;
};

struct xen_argo_route {
	struct xen_argo_addr from;
	struct xen_argo_addr to;
};

struct xen_argo_iov {
	u64 address;
	u32 length;
	u32 pad;
};

struct xen_argo_register {
	u32 port;
	u16 partner; /* who may send */
	u16 pad;
	u32 length; /* of the ring behind its header, in bytes */
};

struct xen_argo_unregister {
	u32 port;
	u16 partner;
	u16 pad;
};

/* The receiver's memory. Both indices are offsets in `data`; they are equal when it is empty. */
struct xen_argo_ring {
	u32 rx; /* by the receiver */
	u32 tx; /* by Xen */
	u8 reserved[56];
	u8 data[];
};

struct xen_argo_header {
	u32 length; /* with this header */
	struct xen_argo_addr from;
	u32 type; /* the sender's to choose */
};

#define XEN_ARGO_EXISTS 0x01
#define XEN_ARGO_SUFFICIENT 0x08

/* One ring that is asked about. If there is less room than wanted, Xen will say when there is. */
struct xen_argo_query {
	u32 count; /* 1 */
	u32 pad;
	struct xen_argo_addr to;
	u16 flags; /* out */
	u16 pad2;
	u32 wanted; /* bytes of one message's payload */
	u32 most; /* out: such bytes in an empty ring */
};

static_assert(sizeof(struct xen_argo_iov) == 16);
static_assert(sizeof(struct xen_argo_register) == 12);
static_assert(offsetof(struct xen_argo_ring, data) == 64);
static_assert(sizeof(struct xen_argo_header) == XEN_ARGO_SLOT);
static_assert(offsetof(struct xen_argo_query, most) == 24);

#endif /* XVSOCK_XEN_ARGO_H */
