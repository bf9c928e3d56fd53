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

/* The peer broke the protocol: the link comes down. Process context, no lock held. */
void xvsock_control_broken(struct xvsock_peer *peer, const char *what);

/* Acts on a message that has come; control_work only. */
void xvsock_control_dispatch(struct xvsock_peer *peer, const struct xvsock_message *msg);

/* From now on messages may be sent. */
void xvsock_control_open(struct xvsock_peer *peer);

/* What the vchan's path says of these (path.h). */
bool xvsock_control_vchan_has_room(struct xvsock_peer *peer);
void xvsock_control_vchan_write(struct xvsock_peer *peer, const struct xvsock_message *msg);
void xvsock_control_vchan_written(struct xvsock_peer *peer);

#endif /* XVSOCK_CONTROL_H */
