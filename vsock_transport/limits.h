/* SPDX-License-Identifier: GPL-2.0-only */
/* What one peer, or one call, may cost us; module parameters, in main.c. */
#ifndef XVSOCK_LIMITS_H
#define XVSOCK_LIMITS_H

/* Connections that we begin to one peer, and as many that we accept from it. */
extern unsigned int xvsock_max_connections;
/* Vchans that rest with us and one peer until the next connection, and as many of the peer's. */
extern unsigned int xvsock_max_idle;
/* Pages of large rings that we grant to one peer, and as many that we map of it. */
extern unsigned int xvsock_max_ring_pages;
/* The same, for all peers together. */
extern unsigned int xvsock_max_domain_pages;

/* The longest that a blocking call spins before it sleeps, in microseconds; 0 never. */
extern unsigned int xvsock_spin_us;

#endif /* XVSOCK_LIMITS_H */
