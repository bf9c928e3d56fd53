// SPDX-License-Identifier: GPL-2.0-only
#include "event.h"

#include <xen/interface/event_channel.h>
#include <xen/xen.h>
#include <asm/xen/hypercall.h>

static int event_attach(struct xvsock_event *event, irq_handler_t handler, const char *name,
			void *data)
{
	int irq = bind_evtchn_to_irqhandler_lateeoi(event->port, handler, 0, name, data);

	/*
	 * Whether the port is closed by now depends on how far this got, and a
	 * second close might hit a port that was given to somebody else
	 * meanwhile. Rather a port is lost in a domain that is out of memory.
	 */
	if (irq < 0)
		return irq;
	event->irq = irq;
	event->data = data;
	return 0;
}

int xvsock_event_alloc(struct xvsock_event *event, domid_t domid, irq_handler_t handler,
		       const char *name, void *data)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = domid };
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

	if (err)
		return err;
	event->port = alloc.port;
	return event_attach(event, handler, name, data);
}

int xvsock_event_bind(struct xvsock_event *event, domid_t domid, evtchn_port_t remote,
		      irq_handler_t handler, const char *name, void *data)
{
	struct evtchn_bind_interdomain bind = { .remote_dom = domid, .remote_port = remote };
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &bind);

	if (err)
		return err;
	event->port = bind.local_port;
	return event_attach(event, handler, name, data);
}

bool xvsock_event_is_bound(const struct xvsock_event *event)
{
	struct evtchn_status status = { .dom = DOMID_SELF, .port = event->port };

	return !HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) &&
	       status.status == EVTCHNSTAT_interdomain;
}

void xvsock_event_close(struct xvsock_event *event)
{
	if (event->irq)
		unbind_from_irqhandler(event->irq, event->data);
	*event = (struct xvsock_event){};
}
