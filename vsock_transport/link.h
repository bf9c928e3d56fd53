/* SPDX-License-Identifier: GPL-2.0-only */
/* Peer links: the xenbus devices that dom0 makes between domains that may talk. */
#ifndef XVSOCK_LINK_H
#define XVSOCK_LINK_H

int xvsock_link_register(void);
void xvsock_link_unregister(void);

#endif /* XVSOCK_LINK_H */
