/* SPDX-License-Identifier: GPL-2.0-only */
/* The control channel of a peer, which carries the protocol's messages. */
#ifndef XVSOCK_CONTROL_H
#define XVSOCK_CONTROL_H

#include "peer.h"

/* Messages that a path handles before it lets others run. */
#define XVSOCK_CONTROL_BATCH 64

/* Prepares what the functions below use; part of making a peer, which has its path. */
void xvsock_control_init(struct xvsock_peer *peer);

/* Sends what waits in the peer's lists, as far as there is room. Whether there was anything. */
bool xvsock_control_flush(struct xvsock_peer *peer);

/* -- for the paths --------------------------------------------------------- */

/* From now on messages may be sent. */
void xvsock_control_open(struct xvsock_peer *peer);

/* Acts on a message that has come; control_work only. */
void xvsock_control_dispatch(struct xvsock_peer *peer, const struct xvsock_message *msg);

/* The peer broke the protocol: the link comes down. Process context, no lock held. */
void xvsock_control_broken(struct xvsock_peer *peer, const char *what);

/* The vchan's, in control_vchan.c; path.h says what they do. */
int xvsock_control_vchan_offer(struct xvsock_peer *peer);
int xvsock_control_vchan_attach(struct xvsock_peer *peer, grant_ref_t ref, evtchn_port_t port);
void xvsock_control_vchan_take(struct xvsock_peer *peer);
bool xvsock_control_vchan_taken(struct xvsock_peer *peer);
void xvsock_control_vchan_close(struct xvsock_peer *peer, struct xvsock_pages *held);
void xvsock_control_vchan_work(struct work_struct *work);
bool xvsock_control_vchan_has_room(struct xvsock_peer *peer);
void xvsock_control_vchan_write(struct xvsock_peer *peer, const struct xvsock_message *msg);
void xvsock_control_vchan_written(struct xvsock_peer *peer);

#endif /* XVSOCK_CONTROL_H */
