/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules at the tap. Where a packet hides its ports or protocol, it is taken to match a rule that
 * drops and not to match one that allows.
 */
#define _GNU_SOURCE
#include "packet-verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../guest-drivers/wire/uc_wire.h"

struct rule {
	struct uc_block_rule wire;
	/* 1 + index of the next rule in the same bucket. */
	uint32_t next;
};

struct uc_verdict_table {
	uint64_t seed[2];
	uint32_t bucket_mask;
	uint32_t rule_count;
	uint32_t listed_count;
	/* When the last ALLOW rule of IPv4, of IPv6 ends; 0 where there is none. */
	uint64_t allowed_until[2];
	/* 1 + index of the first rule of a bucket. */
	uint32_t *buckets;
	struct rule *rules;
	uint32_t listed[UC_VERDICT_LISTED_MAX];
};

static uint64_t load_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ull;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93ull;
	return value ^ value >> 32;
}

/* Seeded: addresses resolved from names are somebody else's choice. */
static uint32_t bucket_of(const struct uc_verdict_table *table, const uint8_t *address)
{
	const uint64_t low = mix(load_u64(address) ^ table->seed[0]);

	return (uint32_t)mix(load_u64(address + 8) ^ table->seed[1] ^ low) & table->bucket_mask;
}

static uint32_t bits_of(uint16_t family)
{
	return family == UC_ADDRESS_IPV4 ? 32 : family == UC_ADDRESS_IPV6 ? 128 : 0;
}

static bool is_sound(const struct uc_block_rule *rule)
{
	const bool has_family = bits_of(rule->family) != 0;
	const bool has_ports = rule->remote_port != 0 || rule->local_port != 0;

	return rule->action >= UC_BLOCK_DROP && rule->action <= UC_BLOCK_ISOLATE &&
	       (has_family || rule->family == 0) && rule->remote_prefix <= bits_of(rule->family) &&
	       rule->local_prefix <= bits_of(rule->family) && rule->protocol <= 255 &&
	       (!has_ports || rule->protocol == 6 || rule->protocol == 17);
}

static bool names_one_remote(const struct uc_block_rule *rule)
{
	return rule->family != 0 && rule->remote_prefix == bits_of(rule->family);
}

static void note_allowed(struct uc_verdict_table *table, const struct uc_block_rule *rule)
{
	const uint64_t until = rule->expires_ns == 0 ? UINT64_MAX : rule->expires_ns;

	if (rule->action != UC_BLOCK_ALLOW)
		return;
	if (rule->family != UC_ADDRESS_IPV6 && until > table->allowed_until[0])
		table->allowed_until[0] = until;
	if (rule->family != UC_ADDRESS_IPV4 && until > table->allowed_until[1])
		table->allowed_until[1] = until;
}

static int add_rule(struct uc_verdict_table *table, const struct uc_block_rule *wire)
{
	const uint32_t index = table->rule_count;
	struct rule *rule = &table->rules[index];

	rule->wire = *wire;
	if (names_one_remote(wire)) {
		/* As keys have it, so that equal addresses share a bucket. */
		if (wire->family == UC_ADDRESS_IPV4)
			memset(rule->wire.remote_address + 4, 0, 12);
		uint32_t *bucket = &table->buckets[bucket_of(table, rule->wire.remote_address)];

		rule->next = *bucket;
		*bucket = index + 1;
	} else {
		if (table->listed_count == UC_VERDICT_LISTED_MAX)
			return -E2BIG;
		table->listed[table->listed_count++] = index;
	}
	note_allowed(table, wire);
	table->rule_count++;
	return 0;
}

static int allocate(struct uc_verdict_table **table, uint32_t rule_count)
{
	struct uc_verdict_table *made = calloc(1, sizeof(*made));
	uint32_t buckets = 64;

	if (!made)
		return -ENOMEM;
	while (buckets < rule_count)
		buckets *= 2;
	made->bucket_mask = buckets - 1;
	made->buckets = calloc(buckets, sizeof(*made->buckets));
	made->rules = calloc(rule_count, sizeof(*made->rules));
	if (!made->buckets || !made->rules ||
	    getrandom(made->seed, sizeof(made->seed), 0) != (ssize_t)sizeof(made->seed)) {
		uc_verdict_free(made);
		return -ENOMEM;
	}
	*table = made;
	return 0;
}

int uc_verdict_make(struct uc_verdict_table **table, uint32_t slot, const uint8_t *rules,
		    uint64_t bytes)
{
	const uint64_t count = bytes / sizeof(struct uc_block_rule);
	struct uc_verdict_table *made = NULL;
	int error = 0;

	*table = NULL;
	if (bytes % sizeof(struct uc_block_rule) != 0)
		return -EINVAL;
	if (count > UC_VERDICT_RULES_MAX)
		return -E2BIG;
	if (count == 0)
		return 0;
	error = allocate(&made, (uint32_t)count);
	for (uint64_t i = 0; i < count && error == 0; i++) {
		struct uc_block_rule wire;

		memcpy(&wire, rules + i * sizeof(wire), sizeof(wire));
		if (!is_sound(&wire))
			error = -EINVAL;
		else if (wire.slot == slot)
			error = add_rule(made, &wire);
	}
	if (error || made->rule_count == 0) {
		uc_verdict_free(made);
		return error;
	}
	*table = made;
	return 0;
}

void uc_verdict_free(struct uc_verdict_table *table)
{
	if (!table)
		return;
	free(table->buckets);
	free(table->rules);
	free(table);
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	const uint32_t whole = bits / 8;

	return memcmp(a, b, whole) == 0 &&
	       (bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0);
}

static bool ports_match(const struct uc_block_rule *rule, const struct uc_packet_key *key)
{
	if (rule->remote_port == 0 && rule->local_port == 0)
		return true;
	switch (key->ports) {
	case UC_PORTS_KNOWN:
		return (rule->remote_port == 0 || rule->remote_port == key->remote_port) &&
		       (rule->local_port == 0 || rule->local_port == key->local_port);
	case UC_PORTS_ELSEWHERE:
		return rule->action == UC_BLOCK_ALLOW;
	case UC_PORTS_HIDDEN:
		return rule->action != UC_BLOCK_ALLOW;
	default:
		return false;
	}
}

static bool protocol_matches(const struct uc_block_rule *rule, const struct uc_packet_key *key)
{
	if (rule->protocol == 0 || rule->protocol == key->protocol)
		return true;
	return key->protocol == UC_PROTOCOL_HIDDEN && rule->action != UC_BLOCK_ALLOW;
}

/* A rule that asks for anything of IP says nothing about other frames. */
static bool matches(const struct uc_block_rule *rule, const struct uc_packet_key *key)
{
	if (rule->family != 0 && rule->family != key->family)
		return false;
	return protocol_matches(rule, key) && ports_match(rule, key) &&
	       same_prefix(rule->remote_address, key->remote, rule->remote_prefix) &&
	       same_prefix(rule->local_address, key->local, rule->local_prefix);
}

/* What the rules looked at so far say, together. */
struct findings {
	bool allow;
	bool drop;
	bool isolate;
};

static void consider(struct findings *findings, const struct uc_block_rule *rule,
		     const struct uc_packet_key *key, uint64_t now)
{
	if (rule->expires_ns != 0 && rule->expires_ns <= now)
		return;
	if (!matches(rule, key))
		return;
	findings->allow |= rule->action == UC_BLOCK_ALLOW;
	findings->drop |= rule->action == UC_BLOCK_DROP;
	findings->isolate |= rule->action == UC_BLOCK_ISOLATE;
}

bool uc_verdict_pass(const struct uc_verdict_table *table, const struct uc_packet_key *key,
		     uint64_t boottime_ns)
{
	struct findings findings = { false, false, false };

	if (!table)
		return true;
	for (uint32_t i = 0; i < table->listed_count; i++)
		consider(&findings, &table->rules[table->listed[i]].wire, key, boottime_ns);
	if (key->family != 0) {
		uint32_t next = table->buckets[bucket_of(table, key->remote)];

		for (; next != 0; next = table->rules[next - 1].next)
			consider(&findings, &table->rules[next - 1].wire, key, boottime_ns);
	}
	if (findings.allow)
		return true;
	if (findings.drop)
		return false;
	if (!findings.isolate)
		return true;
	if (key->kind == UC_KEY_ARP)
		return boottime_ns < table->allowed_until[0];
	return key->kind == UC_KEY_NEIGHBOUR && boottime_ns < table->allowed_until[1];
}
