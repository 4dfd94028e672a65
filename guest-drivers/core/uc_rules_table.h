/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The inside of a rule table, shared by its two halves: uc_rules.c builds it, uc_rules_match.c
 * looks into it. Nobody else includes this.
 *
 * Whole paths and hashes are found by hash. Prefixes are kept sorted: every prefix of a path that
 * is in the table is an ancestor of the greatest pattern that sorts not above the path, so one
 * binary search and a walk along the parents find them all. Suffixes are the same with bytes
 * compared from the end, and names are suffixes that begin a component. In front of each search
 * stands a gate: a bit set of the patterns' first (last) bytes, which turns most texts away.
 */
#ifndef UC_RULES_TABLE_H
#define UC_RULES_TABLE_H

#include "uc_rules.h"

#define UC_RULES_NONE 0xffffffffu

/* Bits of a gate; a hundred patterns let one text in forty through. */
#define UC_RULES_GATE_BITS 4096u
#define UC_RULES_GATE_BYTES_MAX 16u

/* The body of one RULES_ADD, kept for its patterns. */
struct uc_rules_chunk {
	struct uc_rules_chunk *next;
	uint32_t body_bytes;
	uint32_t reserved;
	uint8_t body[];
};

struct uc_rules_entry {
	uint64_t id;
	uint64_t expires_ns;
	uint64_t hash;
	const uint8_t *pattern;
	uint32_t pattern_bytes;
	uint32_t operations;
	uint32_t match;
	uint32_t verdict;
	uint32_t uid;
	/* Next rule of the same bucket or of the same affix, in the order of the table. */
	uint32_t next;
};

/* One distinct prefix or suffix. */
struct uc_rules_affix {
	/* Its first (last) eight bytes as a number that sorts like the bytes do. */
	uint64_t key;
	const uint8_t *pattern;
	uint32_t pattern_bytes;
	/* The longest other affix that this one starts (ends) with. */
	uint32_t parent;
	uint32_t first;
	uint32_t reserved;
};

struct uc_rules_affixes {
	struct uc_rules_affix *items;
	uint32_t count;
	/* How many bytes the gate looks at: those of the shortest pattern, at most the limit. */
	uint32_t gate_bytes;
	bool backward;
	uint64_t gate[UC_RULES_GATE_BITS / 64];
};

struct uc_rules {
	const struct uc_allocator *allocator;
	size_t bytes;
	struct uc_rules_chunk *chunks;
	uint64_t generation;
	uint32_t count;
	uint32_t operations;
	/* Bit n of [match]: a pattern of that kind has a length of n modulo 64. */
	uint64_t lengths[UC_MATCH_SHA256 + 1];
	struct uc_rules_entry *entries;
	uint32_t *buckets;
	uint32_t bucket_mask;
	struct uc_rules_affixes prefixes;
	struct uc_rules_affixes suffixes;
};

static inline uint64_t uc_rules_word(const uint8_t *bytes, uint32_t count)
{
	uint64_t word = 0;

	if (count >= sizeof(word))
		memcpy(&word, bytes, sizeof(word));
	else
		memcpy(&word, bytes, count);
	return word;
}

/* Not secret and not random: a guest cannot add rules, and a chain is as long as the table. */
static inline uint64_t uc_rules_hash(uint32_t match, const uint8_t *bytes, uint32_t count)
{
	const uint64_t multiplier = 0x9fb21c651e98df25ull;
	uint64_t hash = ((uint64_t)count << 8) | match;

	for (; count >= 8; count -= 8, bytes += 8) {
		hash = (hash ^ uc_rules_word(bytes, 8)) * multiplier;
		hash ^= hash >> 32;
	}
	hash = (hash ^ uc_rules_word(bytes, count)) * multiplier;
	return hash ^ (hash >> 32);
}

/*
 * The gate's bit for a text of at least gate_bytes (1..16): a hash of so many bytes at that end.
 * Eight bytes and more are read as two words that may overlap.
 */
static inline uint32_t uc_rules_gate_bit(const struct uc_rules_affixes *affixes,
					 const uint8_t *text, uint32_t text_bytes)
{
	const uint32_t count = affixes->gate_bytes;
	const uint8_t *start = affixes->backward ? text + text_bytes - count : text;
	const uint32_t spare_bits = 64 - 8 * count;
	uint64_t word;

	if (count >= 8)
		word = uc_rules_word(start, 8) ^
		       (uc_rules_word(start + count - 8, 8) * 0x9fb21c651e98df25ull);
	else if (text_bytes < 8)
		word = uc_rules_word(start, count);
	else if (affixes->backward)
		word = uc_rules_word(text + text_bytes - 8, 8) >> spare_bits;
	else
		word = uc_rules_word(text, 8) << spare_bits >> spare_bits;
	word *= 0x9e3779b97f4a7c15ull;
	return (uint32_t)(word >> 52) % UC_RULES_GATE_BITS;
}

/* Eight bytes from that end, most significant first; missing ones are zero. */
static inline uint64_t uc_rules_key(const uint8_t *bytes, uint32_t count, bool backward)
{
	uint64_t word;

	if (!backward)
		return __builtin_bswap64(uc_rules_word(bytes, count));
	if (count >= sizeof(word))
		return uc_rules_word(bytes + count - sizeof(word), sizeof(word));
	word = uc_rules_word(bytes, count);
	return count ? word << (8 * (sizeof(word) - count)) : 0;
}

/* Like memcmp over whole strings read from that end; the shorter of two equal ones is less. */
static inline int uc_rules_compare(const uint8_t *left, uint32_t left_bytes, const uint8_t *right,
				   uint32_t right_bytes, bool backward)
{
	const uint32_t bytes = left_bytes < right_bytes ? left_bytes : right_bytes;
	uint32_t i;
	int difference = 0;

	if (!backward) {
		difference = memcmp(left, right, bytes);
	} else {
		for (i = 1; i <= bytes && difference == 0; i++)
			difference = (int)left[left_bytes - i] - (int)right[right_bytes - i];
	}
	if (difference != 0)
		return difference;
	return left_bytes < right_bytes ? -1 : left_bytes > right_bytes;
}

/* Does text start (end) with affix? */
static inline bool uc_rules_carries(const uint8_t *text, uint32_t text_bytes, const uint8_t *affix,
				    uint32_t affix_bytes, bool backward)
{
	if (affix_bytes > text_bytes)
		return false;
	return memcmp(backward ? text + text_bytes - affix_bytes : text, affix, affix_bytes) == 0;
}

#endif /* UC_RULES_TABLE_H */
