/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where pages of other domains are mapped: page frames without memory of their own.
 *
 * The kernel has such frames, but hands them out from a list that all backends
 * and programs share. After a while a ring gets them in any order, and then
 * every page of it is copied to and from by itself. So they are taken from the
 * kernel by the chunk here, and a set is contiguous as far as its chunk is.
 */
#ifndef XVSOCK_FOREIGN_H
#define XVSOCK_FOREIGN_H

#include <linux/mm.h>

/*
 * The kernel makes room for frames by the 128 MiB, which takes too long to be part
 * of a connect(): this has it do so now, if it must. Sleeps.
 */
void xvsock_foreign_prepare(void);

/* Fills in `count` frames, a power of two, by ascending address. 0 or -ENOMEM. Sleeps. */
int xvsock_foreign_alloc(struct page **pages, unsigned int count);

/* Gives them back, in any order. Nothing is mapped there any more. Sleeps. */
void xvsock_foreign_free(struct page **pages, unsigned int count);

/* At the end of the module. Chunks with frames that were not given back are lost. */
void xvsock_foreign_exit(void);

#endif /* XVSOCK_FOREIGN_H */
