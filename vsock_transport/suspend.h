/* SPDX-License-Identifier: GPL-2.0-only */
/* Who we are, also after the domain was saved and restored. */
#ifndef XVSOCK_SUSPEND_H
#define XVSOCK_SUSPEND_H

/*
 * Sets the local CID: dom0 is the host; a guest learns its domid from
 * xenstore, where only dom0 can write it. -ENODEV if it is not there. Sleeps.
 */
int xvsock_find_local_cid(void);

/* From now on links go down before the domain is saved, and may come up afterwards. */
int xvsock_suspend_register(void);
void xvsock_suspend_unregister(void);

#endif /* XVSOCK_SUSPEND_H */
