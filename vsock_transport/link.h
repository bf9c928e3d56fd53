/* SPDX-License-Identifier: GPL-2.0-only */
/* Peer links: the xenbus devices that dom0 makes between domains that may talk. */
#ifndef XVSOCK_LINK_H
#define XVSOCK_LINK_H

#include <linux/errno.h>
#include <linux/types.h>
#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>

/*
 * Writes where a vchan's page and event channel are found to this folder of
 * xenstore, at once; and the protocol's version, unless that is 0. Sleeps.
 */
int xvsock_link_publish(const char *path, grant_ref_t ref, evtchn_port_t port,
			unsigned int version);

/*
 * Whether an error says nothing about the link: this domain lacks memory, grants or event
 * channels just now, dom0 is writing, or another link has one of the CIDs until it goes.
 * Whoever meets such an error tries again.
 */
static inline bool xvsock_link_error_passes(int err)
{
	return err == -ENOMEM || err == -ENOSPC || err == -EAGAIN || err == -EEXIST;
}

int xvsock_link_register(void);
void xvsock_link_unregister(void);

/*
 * Before the domain is saved: brings every link down and keeps it so. On
 * return no page of another domain is mapped, which a saved domain must not
 * have. And after it runs again, here or elsewhere. Sleep.
 */
void xvsock_link_suspend(void);
void xvsock_link_resume(void);

/*
 * The domain has become another one: has xenbus forget all links of before and
 * find those that dom0 may have made meanwhile. On xenbus's watch thread.
 */
void xvsock_link_renew(void);

#endif /* XVSOCK_LINK_H */
