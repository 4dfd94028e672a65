/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the portable core needs from its surroundings, for the Windows kernel under clang-cl and
 * mingw-w64, and for the simulator. Found through the include path in place of core/port-user. No
 * file of the core includes anything else.
 */
#ifndef UC_PORT_H
#define UC_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ORDER: acquire; pairs with the release store by which the server published the word. */
static inline uint64_t uc_load_u64(const volatile void *word)
{
	return __atomic_load_n((const volatile uint64_t *)word, __ATOMIC_ACQUIRE);
}

/* ORDER: release on write-back memory. Other mappings need uc_store_fence() in front of it. */
static inline void uc_store_u64(volatile void *word, uint64_t value)
{
	__atomic_store_n((volatile uint64_t *)word, value, __ATOMIC_RELEASE);
}

/* ORDER: every store before it reaches memory before any store after it, write-combined or not. */
static inline void uc_store_fence(void)
{
	__builtin_ia32_sfence();
}

/* ORDER: loads and stores before it take effect before any load or store after it. */
static inline void uc_full_fence(void)
{
	__builtin_ia32_mfence();
}

/* Copies once into the region or out of it; the compiler may not read the source again later. */
static inline void uc_region_copy(void *target, const void *source, size_t bytes)
{
	if (bytes)
		memcpy(target, source, bytes);
	__asm__ volatile("" : : "r"(target), "r"(source) : "memory");
}

/* Guest-private memory only: a locked operation on a device mapping is a bus lock. */
static inline uint64_t uc_atomic_fetch_add_u64(uint64_t *word, uint64_t amount)
{
	return __atomic_fetch_add(word, amount, __ATOMIC_RELAXED);
}

/* Guest-private memory only. On failure *expected holds what was found. */
static inline bool uc_atomic_compare_exchange_u64(uint64_t *word, uint64_t *expected,
						  uint64_t desired)
{
	return __atomic_compare_exchange_n(word, expected, desired, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

/* Private counters that one thread writes and others may read: no tearing, no order. */
static inline uint64_t uc_counter_load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void uc_counter_store(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

#endif /* UC_PORT_H */
