/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Argo: rings of our own memory that only Xen writes to, on behalf of one partner
 * each. This is the only place that calls it.
 *
 * Xen tells a domain by one virtual interrupt that something has come to some
 * ring, or that there is room in another domain's ring now. It does not say
 * which: the handler looks at all of them, and wakes the reader of each that is not
 * empty. Whether tx has moved would not do: a reader on another processor may have
 * taken a whole ring's length since, which brings tx back to where it was.
 *
 * A sender that finds no room is told of it when the receiver has Xen look
 * (XEN_ARGO_NOTIFY) and there is some. A receiver does not know who waits, and a
 * look costs a hypercall, so the two agree on this:
 *
 *   - a sender waits for a quarter of the ring at most, so only while more than
 *     half of it is used;
 *   - a receiver has Xen look whenever it has taken what brings the ring from above
 *     half to half or less;
 *   - nobody waits for more than half a ring to come.
 *
 * The receiver stores rx, then reads tx again, and takes what was used between the
 * rx of before and that tx. If the sender began to wait after the store, Xen had
 * seen the new rx and found more than half used even so: a later read passes the
 * half. If it did before, that tx includes all it had sent, and this read does.
 * Xen's lock of the ring orders its look at rx with the sender's wait.
 */
#ifndef XVSOCK_ARGO_H
#define XVSOCK_ARGO_H

#include <linux/list.h>
#include <linux/types.h>
#include <xen/interface/xen.h>

#include "xen_argo.h"

struct xvsock_argo_ring {
	struct list_head node; /* in the handler's list */
	domid_t partner;
	u32 port; /* of ours; the partner's of the same purpose has the same, or its twin */
	u32 size; /* bytes; 0: there is none */
	struct xen_argo_ring *memory;
	u32 rx; /* ours, never read back: the first byte that was not taken */
	u32 waiting; /* for room at the partner's: 1 by whoever waits, 0 by the handler */
	/* In the handler: there is something to read; who waits for room may try again. */
	void (*heard)(struct xvsock_argo_ring *ring, bool data, bool room);
};

/* Whether this hypervisor has it and lets us use it. */
bool xvsock_argo_exists(void);

/* Binds the interrupt; sleeps. */
int xvsock_argo_init(void);
void xvsock_argo_exit(void);

/*
 * Makes a ring of `size` bytes, a multiple of XEN_ARGO_SLOT, that `partner` may send to.
 * The handler may be called at once. Sleeps. -ENOMEM; -ENOSPC when the domain has
 * as many rings as Xen lets it have (128).
 */
int xvsock_argo_ring_create(struct xvsock_argo_ring *ring, domid_t partner, u32 port, u32 size);

/* On return the handler does not look at it any more. Nothing if there is none. */
void xvsock_argo_ring_mute(struct xvsock_argo_ring *ring);

/* On return nobody sends to it, either. Sleeps. */
void xvsock_argo_ring_destroy(struct xvsock_argo_ring *ring);

/* Where the next message will begin, as an offset. What comes before it is visible afterwards. */
static inline u32 xvsock_argo_ring_end(const struct xvsock_argo_ring *ring)
{
	/* Pairs with Xen's barrier between a message and tx. */
	return smp_load_acquire(&ring->memory->tx);
}

/* An offset so many bytes after this one, at most a ring's size. */
static inline u32 xvsock_argo_ring_after(const struct xvsock_argo_ring *ring, u32 offset,
					 u32 bytes)
{
	offset += bytes;
	return offset >= ring->size ? offset - ring->size : offset;
}

/* The header at this offset, which is never split. */
static inline struct xen_argo_header
xvsock_argo_ring_header_at(const struct xvsock_argo_ring *ring, u32 offset)
{
	return *(struct xen_argo_header *)(ring->memory->data + offset);
}

/* Bytes that are used, headers and padding included. */
u32 xvsock_argo_ring_used(const struct xvsock_argo_ring *ring);

/* The memory `ahead` bytes after rx, which is *length long there, at most `want`. */
void *xvsock_argo_ring_at(const struct xvsock_argo_ring *ring, u32 ahead, u32 want, u32 *length);

/* The header that begins there. */
static inline struct xen_argo_header
xvsock_argo_ring_header(const struct xvsock_argo_ring *ring, u32 ahead)
{
	return xvsock_argo_ring_header_at(ring, xvsock_argo_ring_after(ring, ring->rx, ahead));
}

/* These bytes were taken; their slots are free. Tells Xen when somebody may wait for that. */
void xvsock_argo_ring_advance(struct xvsock_argo_ring *ring, u32 bytes);

/* What a message of this length takes in a ring. */
static inline u32 xvsock_argo_taken(u32 length)
{
	return XEN_ARGO_SLOT + round_up(length, XEN_ARGO_SLOT);
}

/*
 * One message, of as many as XEN_ARGO_PIECES pieces, all or nothing. -EAGAIN: there is no room now;
 * -EFAULT: a page of the user's is not there, of which Xen has told its console; -ECONNREFUSED and
 * others: there is no such ring.
 */
int xvsock_argo_sendv(const struct xvsock_argo_ring *from, u32 to_port, u32 type,
		      const struct xen_argo_iov *pieces, unsigned int count);

/* From a buffer that is mapped in the kernel. */
static inline int xvsock_argo_send(const struct xvsock_argo_ring *from, u32 to_port, u32 type,
				   const void *data, u32 length)
{
	struct xen_argo_iov piece = { .address = (unsigned long)data, .length = length };

	return xvsock_argo_sendv(from, to_port, type, &piece, 1);
}

/*
 * Whether a message of `wanted` bytes would fit; if not, the handler will hear when
 * it does. *most is what an empty ring takes, 0 if there is no ring.
 */
bool xvsock_argo_has_room(struct xvsock_argo_ring *from, u32 to_port, u32 wanted, u32 *most);

#endif /* XVSOCK_ARGO_H */
