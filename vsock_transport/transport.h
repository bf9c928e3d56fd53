/* SPDX-License-Identifier: GPL-2.0-only */
/* The transport that the vsock core knows: callbacks of sockets, routed to their connections. */
#ifndef XVSOCK_TRANSPORT_H
#define XVSOCK_TRANSPORT_H

#include <net/af_vsock.h>

/* -EBUSY if another transport has the place: host to guest in dom0, else guest to host. */
int xvsock_transport_register(void);
void xvsock_transport_unregister(void);

/* Whether the socket was assigned to this transport. */
bool xvsock_is_ours(const struct vsock_sock *vsk);

/* This domain's CID. */
u32 xvsock_local_cid(void);
void xvsock_set_local_cid(u32 cid);

#endif /* XVSOCK_TRANSPORT_H */
