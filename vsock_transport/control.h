/* SPDX-License-Identifier: GPL-2.0-only */
/* The control channel of a peer: a vchan in one page that carries the protocol's messages. */
#ifndef XVSOCK_CONTROL_H
#define XVSOCK_CONTROL_H

#include "peer.h"

/* The frontend's half: grants a page and allocates a port; both then go to xenstore. Sleeps. */
int xvsock_control_offer(struct xvsock_peer *peer);

/* The backend's half: takes what the frontend has offered. Sleeps. */
int xvsock_control_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port);

/* Frontend: whether a backend has attached to the offer. */
bool xvsock_control_taken(struct xvsock_peer *peer);

/* Stops both directions and gives the page back. Sleeps. */
void xvsock_control_close(struct xvsock_peer *peer);

/* Sends what waits on peer->to_request and peer->to_answer, as far as there is room. */
void xvsock_control_flush(struct xvsock_peer *peer);

#endif /* XVSOCK_CONTROL_H */
