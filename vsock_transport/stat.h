/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters that can be read from outside. */
#ifndef XVSOCK_STAT_H
#define XVSOCK_STAT_H

/* Without debugfs there are none; nothing else depends on them. */
void xvsock_stat_register(void);
/* On return nobody reads any more. Before the links go. */
void xvsock_stat_unregister(void);

#endif /* XVSOCK_STAT_H */
