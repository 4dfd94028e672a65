/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Look-up in a committed rule table: the hot half. Runs inside held opens and execs, so it
 * allocates nothing, takes no lock and stops at the first thing that proves "no rule fits".
 */
#include "uc_rules_table.h"

/* The best rule so far: the lowest index that fits. */
struct search {
	const struct uc_rules *rules;
	const struct uc_rules_query *query;
	uint32_t best;
};

static bool applies(const struct uc_rules_entry *entry, const struct uc_rules_query *query)
{
	return (entry->operations & query->operation) != 0 &&
	       (entry->uid == UC_UID_ANY || entry->uid == query->uid) &&
	       (entry->expires_ns == 0 || query->now_ns < entry->expires_ns);
}

static void search_exact(struct search *search, uint32_t match, const uint8_t *text,
			 uint32_t text_bytes)
{
	const struct uc_rules *rules = search->rules;
	const struct uc_rules_entry *entry;
	uint64_t hash;
	uint32_t index;

	if (!(rules->lengths[match] & (1ull << (text_bytes % 64))))
		return;
	hash = uc_rules_hash(match, text, text_bytes);
	index = rules->buckets[hash & rules->bucket_mask];
	for (; index < search->best; index = entry->next) {
		entry = &rules->entries[index];
		if (entry->hash == hash && entry->match == match &&
		    entry->pattern_bytes == text_bytes && applies(entry, search->query) &&
		    memcmp(entry->pattern, text, text_bytes) == 0) {
			search->best = index;
			return;
		}
	}
}

/* The greatest affix that sorts not above the text, or UC_RULES_NONE. */
static uint32_t predecessor(const struct uc_rules_affixes *affixes, const uint8_t *text,
			    uint32_t text_bytes)
{
	const uint64_t key = uc_rules_key(text, text_bytes, affixes->backward);
	const struct uc_rules_affix *item;
	uint32_t low = 0;
	uint32_t high = affixes->count;
	uint32_t middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		item = &affixes->items[middle];
		if (item->key < key ||
		    (item->key == key &&
		     uc_rules_compare(item->pattern, item->pattern_bytes, text, text_bytes,
				      affixes->backward) <= 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static bool passes_gate(const struct uc_rules_affixes *affixes, const uint8_t *text,
			uint32_t text_bytes)
{
	uint32_t bit;

	if (affixes->count == 0 || text_bytes < affixes->gate_bytes)
		return false;
	bit = uc_rules_gate_bit(affixes, text, text_bytes);
	return (affixes->gate[bit / 64] >> (bit % 64)) & 1;
}

static void search_affixes(struct search *search, const struct uc_rules_affixes *affixes,
			   const uint8_t *text, uint32_t text_bytes)
{
	const struct uc_rules_entry *entry;
	const struct uc_rules_affix *item;
	bool whole_name;
	uint32_t at;
	uint32_t index;

	if (!passes_gate(affixes, text, text_bytes))
		return;
	for (at = predecessor(affixes, text, text_bytes); at != UC_RULES_NONE; at = item->parent) {
		item = &affixes->items[at];
		if (!uc_rules_carries(text, text_bytes, item->pattern, item->pattern_bytes,
				      affixes->backward))
			continue;
		whole_name = text_bytes == item->pattern_bytes ||
			     text[text_bytes - item->pattern_bytes - 1] == '/';
		for (index = item->first; index < search->best; index = entry->next) {
			entry = &search->rules->entries[index];
			if ((entry->match != UC_MATCH_NAME || whole_name) &&
			    applies(entry, search->query)) {
				search->best = index;
				break;
			}
		}
	}
}

bool uc_rules_want(const struct uc_rules *rules, uint32_t operation)
{
	return rules && (rules->operations & operation) != 0;
}

bool uc_rules_want_sha256(const struct uc_rules *rules)
{
	return rules && rules->lengths[UC_MATCH_SHA256] != 0;
}

bool uc_rules_match(const struct uc_rules *rules, const struct uc_rules_query *query,
		    struct uc_rules_answer *answer)
{
	const uint8_t *path = (const uint8_t *)query->path;
	struct search search = { rules, query, UC_RULES_NONE };

	if (!uc_rules_want(rules, query->operation))
		return false;
	search_exact(&search, UC_MATCH_PATH, path, query->path_bytes);
	search_affixes(&search, &rules->prefixes, path, query->path_bytes);
	search_affixes(&search, &rules->suffixes, path, query->path_bytes);
	if (query->sha256)
		search_exact(&search, UC_MATCH_SHA256, query->sha256, 32);
	if (search.best == UC_RULES_NONE)
		return false;
	answer->rule_id = rules->entries[search.best].id;
	answer->verdict = rules->entries[search.best].verdict;
	return true;
}

uint64_t uc_rules_generation(const struct uc_rules *rules)
{
	return rules ? rules->generation : 0;
}

uint32_t uc_rules_count(const struct uc_rules *rules)
{
	return rules ? rules->count : 0;
}
