/* SPDX-License-Identifier: GPL-2.0-only */
/* The control channel of a peer: a vchan in one page that carries the protocol's messages. */
#ifndef XVSOCK_CONTROL_H
#define XVSOCK_CONTROL_H

#include "peer.h"

/* Prepares what the functions below use; part of making a peer. */
void xvsock_control_init(struct xvsock_peer *peer);

/* The frontend's half: grants a page and allocates a port; both then go to xenstore. Sleeps. */
int xvsock_control_offer(struct xvsock_peer *peer);

/* The backend's half: takes what the frontend has offered. Sleeps. */
int xvsock_control_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port);

/* Backend: says in the page that the link is up here. Frontend: whether a backend has said so. */
void xvsock_control_take(struct xvsock_peer *peer);
bool xvsock_control_taken(struct xvsock_peer *peer);

/*
 * Stops both directions and gives the page back. If it was granted and the peer
 * still maps it, it goes to `held`, which is empty otherwise. Sleeps, but waits
 * for no user.
 */
void xvsock_control_close(struct xvsock_peer *peer, struct xvsock_pages *held);

/* Sends what waits in the peer's lists, as far as there is room. Whether there was anything. */
bool xvsock_control_flush(struct xvsock_peer *peer);

#endif /* XVSOCK_CONTROL_H */
