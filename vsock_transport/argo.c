// SPDX-License-Identifier: GPL-2.0-only
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <xen/events.h>
#include <xen/page.h>
#include <asm/xen/hypercall.h>

#include "argo.h"

static int argo_irq;

/* The rings that the handler looks at. Taken with interrupts off; nothing else is taken inside. */
static DEFINE_SPINLOCK(argo_lock);
static LIST_HEAD(argo_rings);

static long argo_op(enum xen_argo_op op, void *first, void *second, unsigned long third,
		    unsigned long fourth)
{
	return privcmd_call(XEN_ARGO_HYPERCALL, op, (unsigned long)first, (unsigned long)second,
			    third, fourth);
}

bool xvsock_argo_exists(void)
{
	return !argo_op(XEN_ARGO_NOTIFY, NULL, NULL, 0, 0);
}

static irqreturn_t argo_interrupt(int irq, void *unused)
{
	struct xvsock_argo_ring *ring;
	bool data, room;

	spin_lock(&argo_lock);
	list_for_each_entry(ring, &argo_rings, node) {
		data = READ_ONCE(ring->memory->tx) != READ_ONCE(ring->memory->rx);
		/* Pairs with the barrier of xvsock_argo_has_room(). */
		room = READ_ONCE(ring->waiting) && xchg(&ring->waiting, 0);
		if (data || room)
			ring->heard(ring, data, room);
	}
	spin_unlock(&argo_lock);
	return IRQ_HANDLED;
}

int xvsock_argo_init(void)
{
	int irq = bind_virq_to_irqhandler(XEN_ARGO_VIRQ, 0, argo_interrupt, 0, "xvsock-argo",
					  &argo_rings);

	if (irq < 0)
		return irq;
	argo_irq = irq;
	return 0;
}

void xvsock_argo_exit(void)
{
	if (argo_irq)
		unbind_from_irqhandler(argo_irq, &argo_rings);
	argo_irq = 0;
}

static void argo_unregister(const struct xvsock_argo_ring *ring)
{
	struct xen_argo_unregister what = { .port = ring->port, .partner = ring->partner };

	/* It says ENOENT when Xen has ended the ring itself, with the partner. */
	argo_op(XEN_ARGO_UNREGISTER_RING, &what, NULL, 0, 0);
}

static int argo_register(const struct xvsock_argo_ring *ring)
{
	struct xen_argo_register what = {
		.port = ring->port,
		.partner = ring->partner,
		.length = ring->size,
	};
	unsigned int i, pages = DIV_ROUND_UP(sizeof(*ring->memory) + ring->size, PAGE_SIZE);
	u64 *frames = kvmalloc_array(pages, sizeof(*frames), GFP_KERNEL);
	int err;

	if (!frames)
		return -ENOMEM;
	for (i = 0; i < pages; i++)
		frames[i] = xen_page_to_gfn(vmalloc_to_page((u8 *)ring->memory + i * PAGE_SIZE));
	err = argo_op(XEN_ARGO_REGISTER_RING, &what, frames, pages, XEN_ARGO_FAIL_EXIST);
	if (err == -EEXIST) {
		/* Of a kernel that ran here before this one. */
		argo_unregister(ring);
		err = argo_op(XEN_ARGO_REGISTER_RING, &what, frames, pages, XEN_ARGO_FAIL_EXIST);
	}
	kvfree(frames);
	return err;
}

int xvsock_argo_ring_create(struct xvsock_argo_ring *ring, domid_t partner, u32 port, u32 size)
{
	int err;

	ring->size = size;
	ring->partner = partner;
	ring->port = port;
	ring->rx = 0;
	ring->waiting = 0;
	ring->memory = __vmalloc(sizeof(*ring->memory) + size, GFP_KERNEL_ACCOUNT);
	if (!ring->memory) {
		ring->size = 0;
		return -ENOMEM;
	}
	memset(ring->memory, 0, sizeof(*ring->memory));
	err = argo_register(ring);
	if (err) {
		vfree(ring->memory);
		ring->size = 0;
		return err;
	}
	spin_lock_irq(&argo_lock);
	list_add_tail(&ring->node, &argo_rings);
	spin_unlock_irq(&argo_lock);
	return 0;
}

void xvsock_argo_ring_mute(struct xvsock_argo_ring *ring)
{
	if (!ring->size)
		return;
	spin_lock_irq(&argo_lock);
	list_del_init(&ring->node);
	spin_unlock_irq(&argo_lock);
}

void xvsock_argo_ring_destroy(struct xvsock_argo_ring *ring)
{
	if (!ring->size)
		return;
	xvsock_argo_ring_mute(ring);
	argo_unregister(ring); /* Xen writes no more once this returns */
	vfree(ring->memory);
	ring->size = 0;
}

static u32 argo_between(const struct xvsock_argo_ring *ring, u32 from, u32 to)
{
	return to >= from ? to - from : to + ring->size - from;
}

u32 xvsock_argo_ring_used(const struct xvsock_argo_ring *ring)
{
	return argo_between(ring, round_down(ring->rx, XEN_ARGO_SLOT), xvsock_argo_ring_end(ring));
}

void *xvsock_argo_ring_at(const struct xvsock_argo_ring *ring, u32 ahead, u32 want, u32 *length)
{
	u32 offset = xvsock_argo_ring_after(ring, ring->rx, ahead);

	*length = min(want, ring->size - offset);
	return ring->memory->data + offset;
}

void xvsock_argo_ring_advance(struct xvsock_argo_ring *ring, u32 bytes)
{
	u32 before = round_down(ring->rx, XEN_ARGO_SLOT), after, used;

	ring->rx = xvsock_argo_ring_after(ring, ring->rx, bytes);
	/* Xen would round up, to what was not taken. */
	after = round_down(ring->rx, XEN_ARGO_SLOT);
	if (after == before)
		return;
	/* After what was read there. */
	smp_store_release(&ring->memory->rx, after);
	smp_mb(); /* rx before tx: argo.h has the proof */
	used = argo_between(ring, before, READ_ONCE(ring->memory->tx));
	if (used > ring->size / 2 && used - argo_between(ring, before, after) <= ring->size / 2)
		argo_op(XEN_ARGO_NOTIFY, NULL, NULL, 0, 0);
}

int xvsock_argo_sendv(const struct xvsock_argo_ring *from, u32 to_port, u32 type,
		      const struct xen_argo_iov *pieces, unsigned int count)
{
	struct xen_argo_route route = {
		.from = { .port = from->port, .domid = DOMID_INVALID },
		.to = { .port = to_port, .domid = from->partner },
	};
	/*
	 * The length, or an error, of which Xen keeps 32 bits only: in its `ret < 0 ? ret : len`
	 * the length is unsigned. No message is so long that it could be taken for an error.
	 */
	int sent = (int)argo_op(XEN_ARGO_SENDV, &route, (void *)pieces, count, type);

	return min(sent, 0);
}

bool xvsock_argo_has_room(struct xvsock_argo_ring *from, u32 to_port, u32 wanted, u32 *most)
{
	struct xen_argo_query query = {
		.count = 1,
		.to = { .port = to_port, .domid = from->partner },
		.wanted = wanted,
	};

	/* Before Xen knows of the wait, so that the handler finds it. */
	smp_store_mb(from->waiting, 1);
	if (argo_op(XEN_ARGO_NOTIFY, &query, NULL, 0, 0) || !(query.flags & XEN_ARGO_EXISTS)) {
		*most = 0;
		return false;
	}
	*most = query.most;
	if (!(query.flags & XEN_ARGO_SUFFICIENT))
		return false;
	WRITE_ONCE(from->waiting, 0);
	return true;
}
