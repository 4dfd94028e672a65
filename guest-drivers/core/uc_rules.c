/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Building of rule tables: the three commands, checked whole, and the index over their rules.
 * Runs in the command thread only. TRUST: rules come from the server's commands; every count and
 * length in them is checked against what was really received.
 */
#include "uc_rules_table.h"

#define SHA256_BYTES 32u

static void release_chunks(const struct uc_allocator *allocator, struct uc_rules_chunk *chunk)
{
	struct uc_rules_chunk *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		allocator->release(allocator->context, chunk, sizeof(*chunk) + chunk->body_bytes);
	}
}

void uc_rules_abandon(struct uc_rules_builder *builder)
{
	if (builder->chunks)
		release_chunks(builder->allocator, builder->chunks);
	memset(builder, 0, sizeof(*builder));
}

void uc_rules_free(struct uc_rules *rules)
{
	if (!rules)
		return;
	release_chunks(rules->allocator, rules->chunks);
	rules->allocator->release(rules->allocator->context, rules, rules->bytes);
}

static uint32_t give_up(struct uc_rules_builder *builder, uint32_t result)
{
	uc_rules_abandon(builder);
	return result;
}

uint32_t uc_rules_begin(struct uc_rules_builder *builder, const struct uc_allocator *allocator,
			const uint8_t *body, uint32_t body_bytes)
{
	struct uc_command_rules_begin begin;

	uc_rules_abandon(builder);
	if (body_bytes != sizeof(begin))
		return UC_RESULT_MALFORMED;
	memcpy(&begin, body, sizeof(begin));
	if (begin.rule_count > UC_RULES_MAX)
		return UC_RESULT_REFUSED;
	builder->allocator = allocator;
	builder->generation = begin.generation;
	builder->expected = begin.rule_count;
	builder->open = true;
	return UC_RESULT_DONE;
}

static bool pattern_fits(const struct uc_rule *rule, const uint8_t *pattern)
{
	if (rule->pattern_bytes == 0 || rule->pattern_bytes > UC_RULE_PATTERN_BYTES_MAX)
		return false;
	switch (rule->match) {
	case UC_MATCH_PATH:
	case UC_MATCH_PATH_PREFIX:
	case UC_MATCH_PATH_SUFFIX:
		return true;
	case UC_MATCH_NAME:
		return !memchr(pattern, '/', rule->pattern_bytes);
	case UC_MATCH_SHA256:
		return rule->pattern_bytes == SHA256_BYTES;
	default:
		return false;
	}
}

/* Reads one rule; returns the bytes it takes with its pattern, 0 when it is malformed. */
static uint32_t read_rule(struct uc_rule *rule, const uint8_t *at, uint32_t left)
{
	uint32_t padded;

	if (left < sizeof(*rule))
		return 0;
	memcpy(rule, at, sizeof(*rule));
	left -= (uint32_t)sizeof(*rule);
	if (rule->pattern_bytes > left)
		return 0;
	padded = (rule->pattern_bytes + (UC_FIELD_ALIGN - 1)) & ~(UC_FIELD_ALIGN - 1);
	if (padded > left || !pattern_fits(rule, at + sizeof(*rule)))
		return 0;
	if (rule->operations == 0 || (rule->operations & ~UC_OPERATIONS_KNOWN) != 0)
		return 0;
	if (rule->verdict != UC_VERDICT_ALLOW && rule->verdict != UC_VERDICT_DENY)
		return 0;
	return (uint32_t)sizeof(*rule) + padded;
}

/* How many rules a body holds; 0 when any of them is malformed. */
static uint32_t count_rules(const uint8_t *body, uint32_t body_bytes)
{
	struct uc_rule rule;
	uint32_t count = 0;
	uint32_t taken;
	uint32_t at;

	for (at = 0; at < body_bytes; at += taken, count++) {
		taken = read_rule(&rule, body + at, body_bytes - at);
		if (taken == 0)
			return 0;
	}
	return count;
}

uint32_t uc_rules_add(struct uc_rules_builder *builder, const uint8_t *body, uint32_t body_bytes)
{
	struct uc_rules_chunk *chunk;
	uint32_t count;

	if (!builder->open)
		return UC_RESULT_REFUSED;
	count = count_rules(body, body_bytes);
	if (count == 0)
		return give_up(builder, UC_RESULT_MALFORMED);
	if (count > builder->expected - builder->count ||
	    body_bytes > UC_RULES_BYTES_MAX - builder->bytes)
		return give_up(builder, UC_RESULT_REFUSED);
	chunk = (struct uc_rules_chunk *)builder->allocator->allocate(
		builder->allocator->context, sizeof(*chunk) + body_bytes);
	if (!chunk)
		return give_up(builder, UC_RESULT_FAILED);
	chunk->next = NULL;
	chunk->body_bytes = body_bytes;
	memcpy(chunk->body, body, body_bytes);
	if (builder->last_chunk)
		builder->last_chunk->next = chunk;
	else
		builder->chunks = chunk;
	builder->last_chunk = chunk;
	builder->count += count;
	builder->bytes += body_bytes;
	return UC_RESULT_DONE;
}

static void fill_entry(struct uc_rules *rules, const struct uc_rule *rule, const uint8_t *pattern)
{
	struct uc_rules_entry *entry = &rules->entries[rules->count++];

	entry->id = rule->id;
	entry->expires_ns = rule->expires_ns;
	entry->hash = uc_rules_hash(rule->match, pattern, rule->pattern_bytes);
	entry->pattern = pattern;
	entry->pattern_bytes = rule->pattern_bytes;
	entry->operations = rule->operations;
	entry->match = rule->match;
	entry->verdict = rule->verdict;
	entry->uid = rule->uid;
	entry->next = UC_RULES_NONE;
	rules->operations |= rule->operations;
	rules->lengths[rule->match] |= 1ull << (rule->pattern_bytes % 64);
}

static void fill_entries(struct uc_rules *rules)
{
	const struct uc_rules_chunk *chunk;
	struct uc_rule rule;
	uint32_t at;
	uint32_t taken;

	for (chunk = rules->chunks; chunk; chunk = chunk->next) {
		for (at = 0; at < chunk->body_bytes; at += taken) {
			/* Not 0: the same bytes were checked when they were added. */
			taken = read_rule(&rule, chunk->body + at, chunk->body_bytes - at);
			fill_entry(rules, &rule, chunk->body + at + sizeof(rule));
		}
	}
}

/* From the last rule to the first, so that every chain runs in the order of the table. */
static void fill_buckets(struct uc_rules *rules)
{
	struct uc_rules_entry *entry;
	uint32_t *bucket;
	uint32_t i;

	for (i = 0; i <= rules->bucket_mask; i++)
		rules->buckets[i] = UC_RULES_NONE;
	for (i = rules->count; i-- > 0;) {
		entry = &rules->entries[i];
		if (entry->match != UC_MATCH_PATH && entry->match != UC_MATCH_SHA256)
			continue;
		bucket = &rules->buckets[entry->hash & rules->bucket_mask];
		entry->next = *bucket;
		*bucket = i;
	}
}

/* Orders by pattern, then by place in the table. */
static bool sorts_below(const struct uc_rules_affix *left, const struct uc_rules_affix *right,
			bool backward)
{
	int difference;

	if (left->key != right->key)
		return left->key < right->key;
	difference = uc_rules_compare(left->pattern, left->pattern_bytes, right->pattern,
				      right->pattern_bytes, backward);
	return difference < 0 || (difference == 0 && left->first < right->first);
}

static void sift_down(struct uc_rules_affixes *affixes, uint32_t at, uint32_t count)
{
	struct uc_rules_affix *items = affixes->items;
	struct uc_rules_affix moved;
	uint32_t child;

	for (; at * 2 + 1 < count; at = child) {
		child = at * 2 + 1;
		if (child + 1 < count &&
		    sorts_below(&items[child], &items[child + 1], affixes->backward))
			child++;
		if (!sorts_below(&items[at], &items[child], affixes->backward))
			return;
		moved = items[at];
		items[at] = items[child];
		items[child] = moved;
	}
}

/* Heap sort: in place, bounded, and without recursion in a kernel's stack. */
static void sort_affixes(struct uc_rules_affixes *affixes)
{
	struct uc_rules_affix moved;
	uint32_t i;

	for (i = affixes->count / 2; i-- > 0;)
		sift_down(affixes, i, affixes->count);
	for (i = affixes->count; i > 1; i--) {
		moved = affixes->items[0];
		affixes->items[0] = affixes->items[i - 1];
		affixes->items[i - 1] = moved;
		sift_down(affixes, 0, i - 1);
	}
}

/* Folds equal patterns into one item whose rules hang together in the order of the table. */
static void fold_affixes(struct uc_rules *rules, struct uc_rules_affixes *affixes)
{
	struct uc_rules_affix *item;
	struct uc_rules_affix *last = NULL;
	uint32_t last_rule = UC_RULES_NONE;
	uint32_t kept = 0;
	uint32_t i;

	for (i = 0; i < affixes->count; i++) {
		item = &affixes->items[i];
		if (last && item->pattern_bytes == last->pattern_bytes &&
		    memcmp(item->pattern, last->pattern, last->pattern_bytes) == 0) {
			rules->entries[last_rule].next = item->first;
			last_rule = item->first;
			continue;
		}
		last_rule = item->first;
		last = &affixes->items[kept++];
		*last = *item;
	}
	affixes->count = kept;
}

static void link_parents(struct uc_rules_affixes *affixes)
{
	const struct uc_rules_affix *above;
	struct uc_rules_affix *item;
	uint32_t parent;
	uint32_t i;

	for (i = 0; i < affixes->count; i++) {
		item = &affixes->items[i];
		parent = i - 1;
		while (parent != UC_RULES_NONE) {
			above = &affixes->items[parent];
			if (uc_rules_carries(item->pattern, item->pattern_bytes, above->pattern,
					     above->pattern_bytes, affixes->backward))
				break;
			parent = above->parent;
		}
		item->parent = parent;
	}
}

static void fill_gate(struct uc_rules_affixes *affixes)
{
	const struct uc_rules_affix *item;
	uint32_t bit;
	uint32_t i;

	affixes->gate_bytes = UC_RULES_GATE_BYTES_MAX;
	for (i = 0; i < affixes->count; i++) {
		if (affixes->items[i].pattern_bytes < affixes->gate_bytes)
			affixes->gate_bytes = affixes->items[i].pattern_bytes;
	}
	for (i = 0; i < affixes->count; i++) {
		item = &affixes->items[i];
		bit = uc_rules_gate_bit(affixes, item->pattern, item->pattern_bytes);
		affixes->gate[bit / 64] |= 1ull << (bit % 64);
	}
}

static void add_affix(struct uc_rules_affixes *affixes, const struct uc_rules_entry *entry,
		      uint32_t index)
{
	struct uc_rules_affix *item = &affixes->items[affixes->count++];

	item->key = uc_rules_key(entry->pattern, entry->pattern_bytes, affixes->backward);
	item->pattern = entry->pattern;
	item->pattern_bytes = entry->pattern_bytes;
	item->first = index;
}

static void index_affixes(struct uc_rules *rules, struct uc_rules_affixes *affixes)
{
	sort_affixes(affixes);
	fold_affixes(rules, affixes);
	link_parents(affixes);
	fill_gate(affixes);
}

static void fill_affixes(struct uc_rules *rules)
{
	const struct uc_rules_entry *entry;
	uint32_t i;

	rules->suffixes.backward = true;
	for (i = 0; i < rules->count; i++) {
		entry = &rules->entries[i];
		if (entry->match == UC_MATCH_PATH_PREFIX)
			add_affix(&rules->prefixes, entry, i);
		else if (entry->match == UC_MATCH_PATH_SUFFIX || entry->match == UC_MATCH_NAME)
			add_affix(&rules->suffixes, entry, i);
	}
	index_affixes(rules, &rules->prefixes);
	index_affixes(rules, &rules->suffixes);
}

/* Entries, affixes of both kinds and buckets lie behind the table in one piece of memory. */
static struct uc_rules *make_table(const struct uc_rules_builder *builder)
{
	const size_t count = builder->count;
	struct uc_rules *rules;
	uint32_t buckets = 1;
	size_t bytes;
	uint8_t *at;

	while (buckets < count * 2)
		buckets *= 2;
	bytes = sizeof(*rules) + count * sizeof(*rules->entries) +
		count * 2 * sizeof(struct uc_rules_affix) + buckets * sizeof(*rules->buckets);
	rules = (struct uc_rules *)builder->allocator->allocate(builder->allocator->context, bytes);
	if (!rules)
		return NULL;
	memset(rules, 0, bytes);
	at = (uint8_t *)(rules + 1);
	rules->entries = (struct uc_rules_entry *)(void *)at;
	at += count * sizeof(*rules->entries);
	rules->prefixes.items = (struct uc_rules_affix *)(void *)at;
	at += count * sizeof(*rules->prefixes.items);
	rules->suffixes.items = (struct uc_rules_affix *)(void *)at;
	at += count * sizeof(*rules->suffixes.items);
	rules->buckets = (uint32_t *)(void *)at;
	rules->bucket_mask = buckets - 1;
	rules->bytes = bytes;
	rules->allocator = builder->allocator;
	rules->generation = builder->generation;
	return rules;
}

uint32_t uc_rules_commit(struct uc_rules_builder *builder, const uint8_t *body,
			 uint32_t body_bytes, struct uc_rules **rules)
{
	struct uc_command_rules_commit commit;
	struct uc_rules *made;

	if (!builder->open)
		return UC_RESULT_REFUSED;
	if (body_bytes != sizeof(commit))
		return give_up(builder, UC_RESULT_MALFORMED);
	memcpy(&commit, body, sizeof(commit));
	if (commit.generation != builder->generation || builder->count != builder->expected)
		return give_up(builder, UC_RESULT_REFUSED);
	made = make_table(builder);
	if (!made)
		return give_up(builder, UC_RESULT_FAILED);
	made->chunks = builder->chunks;
	builder->chunks = NULL;
	uc_rules_abandon(builder);
	fill_entries(made);
	fill_buckets(made);
	fill_affixes(made);
	*rules = made;
	return UC_RESULT_DONE;
}
