/* SPDX-License-Identifier: GPL-2.0-only */
/* One event channel to another domain, bound to an interrupt handler. */
#ifndef XVSOCK_EVENT_H
#define XVSOCK_EVENT_H

#include <linux/interrupt.h>
#include <linux/types.h>
#include <xen/events.h>

struct xvsock_event {
	evtchn_port_t port;
	int irq; /* 0 when not bound */
	void *data; /* of the handler */
};

/*
 * All handlers are late-EOI: each ends with xen_irq_lateeoi(), and says there
 * when the event came for nothing, so that a storm is slowed down by Xen.
 */

/* A new port that `domid` may bind to. Sleeps. */
int xvsock_event_alloc(struct xvsock_event *event, domid_t domid, irq_handler_t handler,
		       const char *name, void *data);

/* Binds to the port that `domid` has allocated for us. Sleeps. */
int xvsock_event_bind(struct xvsock_event *event, domid_t domid, evtchn_port_t remote,
		      irq_handler_t handler, const char *name, void *data);

/* On return the handler does not run and will not run again. Sleeps. */
void xvsock_event_close(struct xvsock_event *event);

/* Whether somebody of the domain has bound to the port that was allocated for it. */
bool xvsock_event_is_bound(const struct xvsock_event *event);

static inline void xvsock_event_kick(const struct xvsock_event *event)
{
	notify_remote_via_evtchn(event->port);
}

#endif /* XVSOCK_EVENT_H */
