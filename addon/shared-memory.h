/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only ways in which the addon's C touches guest memory: aligned 64-bit loads and stores and
 * bulk copies. No pointer to a structure in shared memory, no read-modify-write, no lock word.
 */
#ifndef UC_ADDON_SHARED_MEMORY_H
#define UC_ADDON_SHARED_MEMORY_H

#include <stdint.h>
#include <string.h>

/*
 * ORDER: acquire; pairs with the other side's release store of its position. The fences here and
 * below also order write-combined mappings of a PCI BAR, which x86 does not order by itself.
 */
static inline uint64_t uc_shared_load(const uint64_t *word)
{
	uint64_t value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#endif
	return value;
}

/* ORDER: release; pairs with the other side's acquire load of this position. */
static inline void uc_shared_store(uint64_t *word, uint64_t value)
{
#if defined(__x86_64__)
	__builtin_ia32_sfence();
#endif
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/*
 * TRUST: copies hostile bytes once. The barrier keeps the compiler from reading the source again
 * where the copy is used, which would be a double fetch.
 */
static inline void uc_shared_copy_out(void *target, const void *source, uint64_t bytes)
{
	memcpy(target, source, bytes);
	__asm__ volatile("" : : "r"(target) : "memory");
}

static inline void uc_shared_copy_in(void *target, const void *source, uint64_t bytes)
{
	if (bytes > 0)
		memcpy(target, source, bytes);
	__asm__ volatile("" : : "r"(target) : "memory");
}

static inline void uc_shared_zero(void *target, uint64_t bytes)
{
	memset(target, 0, bytes);
	__asm__ volatile("" : : "r"(target) : "memory");
}

/* A flag that the SIGBUS guard sets from its handler. */
static inline int uc_region_failed(const uint32_t *flag)
{
	return flag && __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

#endif /* UC_ADDON_SHARED_MEMORY_H */
