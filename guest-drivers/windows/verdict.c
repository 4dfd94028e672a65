/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Refuses opens and starts by the pushed rule table. Paths and patterns are compared in folded form
 * (text.c), paths with their drive where it is known. The server is never asked: a guest must not
 * hang because a server does.
 */
#include "undercroft.h"
#include "../core/uc_command.h"

/* Longest path that a rule can be held against, as UTF-8. */
#define PATH_BYTES_MAX 8192u

/* Guards the table for look-ups; written by the link's thread only. */
static KSPIN_LOCK lock;
static struct uc_rules *rules;
static struct uc_rules_builder builder;
static uint64_t allowed;
static uint64_t denied;

_IRQL_requires_max_(PASSIVE_LEVEL)
static void *allocate(void *context, size_t bytes)
{
	(void)context;
	return ExAllocatePoolWithTag(NonPagedPoolNx, bytes, UC_POOL_TAG);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	ExFreePoolWithTag(memory, UC_POOL_TAG);
}

static const struct uc_allocator allocator = { allocate, release, NULL };

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_init(void)
{
	KeInitializeSpinLock(&lock);
	memset(&builder, 0, sizeof(builder));
	allowed = 0;
	denied = 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void put_in_force(struct uc_rules *table)
{
	struct uc_rules *old;
	KIRQL irql;

	irql = KeAcquireSpinLockRaiseToDpc(&lock);
	old = rules;
	rules = table;
	KeReleaseSpinLock(&lock, irql);
	/* Look-ups hold the lock, so nobody looks into the old one any more. */
	uc_rules_free(old);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_exit(void)
{
	uc_rules_abandon(&builder);
	put_in_force(NULL);
}

/* Patterns are folded once, when they come; hashes stay as they are. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void fold_patterns(uint8_t *body, uint32_t bytes)
{
	struct uc_rule rule;
	uint32_t at = 0;

	while (bytes - at >= sizeof(rule)) {
		memcpy(&rule, body + at, sizeof(rule));
		at += sizeof(rule);
		if (rule.pattern_bytes > bytes - at)
			return;
		if (rule.match != UC_MATCH_SHA256)
			uc_fold(body + at, rule.pattern_bytes);
		at += (rule.pattern_bytes + 7u) & ~7u;
		if (at > bytes)
			return;
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t add(const struct uc_command_item *item)
{
	uint8_t *body = ExAllocatePoolWithTag(NonPagedPoolNx, item->body_bytes, UC_POOL_TAG);
	uint32_t result;

	if (!body) {
		uc_rules_abandon(&builder);
		return UC_RESULT_FAILED;
	}
	memcpy(body, item->body, item->body_bytes);
	fold_patterns(body, item->body_bytes);
	result = uc_rules_add(&builder, body, item->body_bytes);
	ExFreePoolWithTag(body, UC_POOL_TAG);
	return result;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_verdict_rules(const struct uc_command_item *item)
{
	struct uc_rules *table = NULL;
	uint32_t result;

	if (item->kind == UC_COMMAND_RULES_BEGIN)
		return uc_rules_begin(&builder, &allocator, item->body, item->body_bytes);
	if (item->kind == UC_COMMAND_RULES_ADD)
		return add(item);
	result = uc_rules_commit(&builder, item->body, item->body_bytes, &table);
	if (result == UC_RESULT_DONE)
		put_in_force(table);
	return result;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_verdict_wanted(uint32_t operation)
{
	bool wanted = false;
	KIRQL irql;

	if (!__atomic_load_n(&rules, __ATOMIC_RELAXED))
		return false;
	irql = KeAcquireSpinLockRaiseToDpc(&lock);
	wanted = uc_rules_want(rules, operation);
	KeReleaseSpinLock(&lock, irql);
	return wanted;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool match(uint32_t operation, const uint8_t *path, uint32_t bytes, uint32_t uid,
		  struct uc_rules_answer *answer)
{
	const struct uc_rules_query query = { operation,	  uid,	 uc_now_ns(),
					      (const char *)path, bytes, NULL };
	bool decided;
	KIRQL irql;

	irql = KeAcquireSpinLockRaiseToDpc(&lock);
	decided = uc_rules_match(rules, &query, answer);
	KeReleaseSpinLock(&lock, irql);
	return decided && answer->verdict == UC_VERDICT_DENY;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void report(uint32_t operation, PCUNICODE_STRING path, const struct uc_event_header *header,
		   uint64_t rule_id)
{
	struct uc_verdict body;
	struct uc_event event;

	memset(&body, 0, sizeof(body));
	body.rule_id = rule_id;
	body.operation = operation;
	body.verdict = UC_VERDICT_DENY;
	if (!uc_event_begin(&event, UC_PRIORITY, UC_RECORD_VERDICT, header, &body,
			    uc_text_bytes(path)))
		return;
	uc_event_text(&event, UC_FIELD_PATH, path);
	uc_event_end(&event);
}

/* As the kernel names it, and as people do: a rule may be written either way. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool match_both(uint32_t operation, PCUNICODE_STRING path, uint32_t uid,
		       struct uc_rules_answer *answer)
{
	const uint32_t units = path->Length / sizeof(WCHAR);
	uint32_t bytes = uc_utf8_bytes(path->Buffer, units);
	uint8_t *text;
	uint32_t shorter;
	bool refused;

	if (!bytes || bytes > PATH_BYTES_MAX)
		return false;
	text = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, UC_POOL_TAG);
	if (!text)
		return false;
	uc_utf8_from(path->Buffer, units, text, bytes);
	uc_fold(text, bytes);
	refused = match(operation, text, bytes, uid, answer);
	shorter = uc_volumes_shorten(text, bytes);
	if (!refused && shorter != bytes)
		refused = match(operation, text, shorter, uid, answer);
	ExFreePoolWithTag(text, UC_POOL_TAG);
	return refused;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_verdict_refuses(uint32_t operation, PCUNICODE_STRING path,
			const struct uc_event_header *header)
{
	struct uc_rules_answer answer;

	if (!path || !path->Buffer || !uc_verdict_wanted(operation))
		return false;
	if (!match_both(operation, path, header->uid, &answer)) {
		uc_atomic_fetch_add_u64(&allowed, 1);
		return false;
	}
	uc_atomic_fetch_add_u64(&denied, 1);
	report(operation, path, header, answer.rule_id);
	return true;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_add_to(struct uc_status *status)
{
	status->verdicts_allowed = uc_counter_load(&allowed);
	status->verdicts_denied = uc_counter_load(&denied);
	status->rules_generation = uc_verdict_generation();
}

/* In the link's thread, which alone replaces the table. */
_IRQL_requires_max_(PASSIVE_LEVEL)
uint64_t uc_verdict_generation(void)
{
	return uc_rules_generation(rules);
}
