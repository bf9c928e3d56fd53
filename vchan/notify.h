/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * When one side of a vchan kicks the other through the event channel.
 *
 * A side that is about to wait asks for a kick by setting a bit in the shared
 * page; the other side, having moved an index, takes the bit and kicks if it
 * was set. The waiter may sleep only if its condition still fails after the
 * bit is visible:
 *
 *   waiter                              actor
 *   (1) set bit                         (a) store index
 *   (2) full barrier                    (b) full barrier
 *   (3) read index again; if there      (c) read bit; if set, clear it
 *       is nothing, sleep                   and kick
 *
 * The two full barriers pair. Suppose the waiter sleeps: (3) did not see (a).
 * Then (2) and (b) order (1) before (c), so the actor sees the bit and kicks.
 * Suppose the actor does not kick: (c) did not see (1), so (3) sees (a) and
 * the waiter does not sleep. Either way nobody is forgotten.
 *
 * A bit is set, and perhaps withdrawn, only by its waiter, and otherwise cleared
 * only by its actor, who then kicks. So a waiter that finds its bit still set may
 * skip (1): the actor has not taken it, and will see it at its next (c). It may
 * not skip (2), which also orders what the waiter did to be found by the kick
 * (joining a wait queue) before (3). A peer that breaks the rules in its own
 * page only loses its own wake-ups, or gets some in vain.
 *
 * An event may come late: after its index was seen and acted upon because of an
 * earlier one, and after a new (1) by a waiter who found his bit still set. The
 * event then brings no news, and yet the bit is gone, which the waiter relied
 * on. So an event ends every wait whose bit no longer stands, whatever the
 * index says: see vchan_notify_ends_wait().
 */
#ifndef VCHAN_NOTIFY_H
#define VCHAN_NOTIFY_H

#include "layout.h"

/* Steps (1) and (2). The caller must look at the index again afterwards. */
static inline void vchan_notify_request(uint8_t *byte, uint8_t bit)
{
	if (!(vchan_load_relaxed(byte) & bit))
		vchan_flag_set(byte, bit);
	vchan_full_barrier(); /* (2), pairs with (b) in vchan_notify_take() */
}

/*
 * Takes a request back, when the waiter looks for itself instead. A kick may
 * be on its way all the same.
 */
static inline void vchan_notify_withdraw(uint8_t *byte, uint8_t bit)
{
	if (vchan_load_relaxed(byte) & bit)
		vchan_flag_clear(byte, bit);
}

/* Steps (b) and (c), after the index was stored: true if a kick is due. */
static inline bool vchan_notify_take(uint8_t *byte, uint8_t bit)
{
	vchan_full_barrier(); /* (b), pairs with (2) in vchan_notify_request() */
	if (!(vchan_load_relaxed(byte) & bit))
		return false;
	return vchan_flag_clear(byte, bit);
}

/*
 * For a handler of events that would not wake a waiter in vain: whether this
 * event ends the wait for `index` to move. *moved says whether it has, since
 * the handler last asked; *seen is the handler's own.
 *
 * If neither the index has moved nor the bit was taken, whoever sleeps has read
 * this same index at (3), and the actor has yet to find his bit at (c).
 */
static inline bool vchan_notify_ends_wait(const uint8_t *byte, uint8_t bit, uint32_t index,
					  uint32_t *seen, bool *moved)
{
	*moved = index != *seen;
	*seen = index;
	return *moved || !(vchan_load_relaxed(byte) & bit);
}

#endif /* VCHAN_NOTIFY_H */
