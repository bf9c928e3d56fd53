/* SPDX-License-Identifier: GPL-2.0-only */
/* Peer links: the xenbus devices that dom0 makes between domains that may talk. */
#ifndef XVSOCK_LINK_H
#define XVSOCK_LINK_H

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
