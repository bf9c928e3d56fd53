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
#include <asm/cmpxchg.h>

#define VCHAN_STATIC_ASSERT(expr) static_assert(expr)

/* What each use of these orders, and what it pairs with, is said at the use. */
#define vchan_load_acquire(ptr) virt_load_acquire(ptr) /* see the use */
#define vchan_load_relaxed(ptr) READ_ONCE(*(ptr))
#define vchan_store_release(ptr, value) virt_store_release(ptr, value) /* see the use */
#define vchan_full_barrier() virt_mb() /* see the use */

/*
 * The shared flags are bytes and the kernel's portable bit operations work on
 * words; a byte-wide compare-and-exchange is the widest common ground.
 */
static inline uint8_t vchan_byte_or(uint8_t *byte, uint8_t bits)
{
	uint8_t old = READ_ONCE(*byte), seen;

	while ((seen = cmpxchg(byte, old, (uint8_t)(old | bits))) != old)
		old = seen;
	return old;
}

static inline uint8_t vchan_byte_and(uint8_t *byte, uint8_t bits)
{
	uint8_t old = READ_ONCE(*byte), seen;

	while ((seen = cmpxchg(byte, old, (uint8_t)(old & bits))) != old)
		old = seen;
	return old;
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

static inline uint8_t vchan_byte_or(uint8_t *byte, uint8_t bits)
{
	return __atomic_fetch_or(byte, bits, __ATOMIC_SEQ_CST);
}

static inline uint8_t vchan_byte_and(uint8_t *byte, uint8_t bits)
{
	return __atomic_fetch_and(byte, bits, __ATOMIC_SEQ_CST);
}

#endif

#endif /* VCHAN_PLATFORM_H */
