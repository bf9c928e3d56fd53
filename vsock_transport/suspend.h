/* SPDX-License-Identifier: GPL-2.0-only */
/* Who we are, also after the domain was saved and restored. */
#ifndef XVSOCK_SUSPEND_H
#define XVSOCK_SUSPEND_H

#include <xen/interface/xen.h>

/*
 * Learns the domid, and sets the local CID that a domain has as long as no link has said
 * otherwise (policy.h): dom0 is the host; a guest reads its domid in xenstore, where only
 * dom0 can write it. -ENODEV if it is not there. Sleeps.
 */
int xvsock_find_local_cid(void);

/* What it has learnt; 0 in dom0. */
domid_t xvsock_own_domid(void);

/* From now on links go down before the domain is saved, and may come up afterwards. */
int xvsock_suspend_register(void);
void xvsock_suspend_unregister(void);

#endif /* XVSOCK_SUSPEND_H */
