/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the ring needs from its surroundings: fixed-width types, single-copy
 * loads and stores, and barriers that hold between two domains.
 *
 * The other side is always another processor, even when this domain has only
 * one: in the kernel these are therefore the virt_* barriers, which do not
 * vanish on a uniprocessor build, and in userspace the C11 atomics.
 */
#ifndef VCHAN_PLATFORM_H
#define VCHAN_PLATFORM_H

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/barrier.h>
#include <asm/sync_bitops.h>

#define VCHAN_STATIC_ASSERT(expr) static_assert(expr)

/* What each use of these orders, and what it pairs with, is said at the use. */
#define vchan_load_acquire(ptr) virt_load_acquire(ptr) /* see the use */
#define vchan_load_relaxed(ptr) READ_ONCE(*(ptr))
#define vchan_store_release(ptr, value) virt_store_release(ptr, value) /* see the use */
#define vchan_full_barrier() virt_mb() /* see the use */

/*
 * One bit of a shared byte, atomically. By single instructions where the
 * processor has them: a loop of compare-and-exchange would let a peer that
 * hammers the byte keep us in it. The byte is addressed through the aligned
 * word around it, which is little-endian and in the same shared page.
 */
static inline void vchan_flag_set(uint8_t *byte, uint8_t bit)
{
	unsigned long at = (unsigned long)byte;

	sync_set_bit((at % sizeof(long)) * 8 + __builtin_ctz(bit),
		     (unsigned long *)(at - at % sizeof(long)));
}

static inline bool vchan_flag_clear(uint8_t *byte, uint8_t bit)
{
	unsigned long at = (unsigned long)byte;

	return sync_test_and_clear_bit((at % sizeof(long)) * 8 + __builtin_ctz(bit),
				       (unsigned long *)(at - at % sizeof(long)));
}

#else /* userspace */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define VCHAN_STATIC_ASSERT(expr) static_assert(expr, #expr)
#else
#define VCHAN_STATIC_ASSERT(expr) _Static_assert(expr, #expr)
#endif

#define vchan_load_acquire(ptr) __atomic_load_n(ptr, __ATOMIC_ACQUIRE)
#define vchan_load_relaxed(ptr) __atomic_load_n(ptr, __ATOMIC_RELAXED)
#define vchan_store_release(ptr, value) __atomic_store_n(ptr, value, __ATOMIC_RELEASE)
#define vchan_full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static inline void vchan_flag_set(uint8_t *byte, uint8_t bit)
{
	__atomic_fetch_or(byte, bit, __ATOMIC_SEQ_CST);
}

static inline bool vchan_flag_clear(uint8_t *byte, uint8_t bit)
{
	return __atomic_fetch_and(byte, (uint8_t)~bit, __ATOMIC_SEQ_CST) & bit;
}

#endif

#endif /* VCHAN_PLATFORM_H */
