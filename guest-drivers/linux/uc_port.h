/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the portable core needs from its surroundings, for the Linux kernel. Found through the
 * include path in place of core/port-user. No file of the core includes anything else.
 */
#ifndef UC_PORT_H
#define UC_PORT_H

#include <linux/atomic.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

/* Up to here a plain loop beats the set-up of a string instruction. */
#define UC_COPY_LOOP_BYTES 512

/* ORDER: acquire; pairs with the release store by which the server published the word. */
static inline u64 uc_load_u64(const volatile void *word)
{
	return smp_load_acquire((const volatile u64 *)word);
}

/* ORDER: release on write-back memory. Other mappings need uc_store_fence() in front of it. */
static inline void uc_store_u64(volatile void *word, u64 value)
{
	smp_store_release((volatile u64 *)word, value);
}

/* ORDER: wmb(), not smp_wmb(): on x86 only the former orders write-combining stores. */
static inline void uc_store_fence(void)
{
	wmb();
}

/* ORDER: loads and stores before it take effect before any load or store after it. */
static inline void uc_full_fence(void)
{
	mb();
}

/* Words at any address; the kernel's own header for this has moved between versions. */
struct uc_any_u64 {
	u64 word;
} __packed;
struct uc_any_u32 {
	u32 word;
} __packed;
struct uc_any_u16 {
	u16 word;
} __packed;

/* One word, loaded once and stored once. */
static __always_inline void uc_copy_word(u8 *to, const u8 *from)
{
	u64 word = ((const struct uc_any_u64 *)from)->word;

	barrier();
	((struct uc_any_u64 *)to)->word = word;
}

static __always_inline void uc_copy_below_word(u8 *to, const u8 *from, size_t bytes)
{
	if (bytes & 4) {
		((struct uc_any_u32 *)to)->word = ((const struct uc_any_u32 *)from)->word;
		to += 4;
		from += 4;
	}
	if (bytes & 2) {
		((struct uc_any_u16 *)to)->word = ((const struct uc_any_u16 *)from)->word;
		to += 2;
		from += 2;
	}
	if (bytes & 1)
		*to = *from;
}

/*
 * Copies once into the region or out of it; the compiler may not read the source again later. What
 * is not a multiple of a word ends with a word that overlaps the one before.
 */
static __always_inline void uc_region_copy(void *target, const void *source, size_t bytes)
{
	u8 *to = target;
	const u8 *from = source;
	size_t at;

	if (bytes > UC_COPY_LOOP_BYTES) {
		memcpy(target, source, bytes);
	} else if (bytes < sizeof(u64)) {
		uc_copy_below_word(to, from, bytes);
	} else {
#pragma GCC unroll 16
		for (at = 0; at + sizeof(u64) <= bytes; at += sizeof(u64))
			uc_copy_word(to + at, from + at);
		if (at < bytes)
			uc_copy_word(to + bytes - sizeof(u64), from + bytes - sizeof(u64));
	}
	barrier();
}

/* Guest-private memory only: a locked operation on a device mapping is a bus lock. */
static inline u64 uc_atomic_fetch_add_u64(u64 *word, u64 amount)
{
	return atomic64_fetch_add_relaxed(amount, (atomic64_t *)word);
}

/* Guest-private memory only. On failure *expected holds what was found. */
static inline bool uc_atomic_compare_exchange_u64(u64 *word, u64 *expected, u64 desired)
{
	return atomic64_try_cmpxchg_relaxed((atomic64_t *)word, (s64 *)expected, desired);
}

/* Private counters that one thread writes and others may read: no tearing, no order. */
static inline u64 uc_counter_load(const u64 *counter)
{
	return READ_ONCE(*counter);
}

static inline void uc_counter_store(u64 *counter, u64 value)
{
	WRITE_ONCE(*counter, value);
}

#endif /* UC_PORT_H */
