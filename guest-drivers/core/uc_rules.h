/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The verdict rules that the server pushed, built as a transaction (BEGIN, ADD.., COMMIT) and
 * then immutable, so that a driver can publish the pointer (RCU or the like) and look up without
 * a lock. Called by the command thread (build) and by every held open or exec (look-up). A
 * look-up allocates nothing, sleeps never and costs little when no rule fits.
 *
 * Which rule decides: the one that stands first in the table among those that fit operation,
 * user, expiry and pattern. No rule: allowed.
 */
#ifndef UC_RULES_H
#define UC_RULES_H

#include "uc_port.h"

#include "../wire/uc_wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All patterns of one table together. */
#define UC_RULES_BYTES_MAX 0x400000u

/* Where tables live; must outlive them. Called to build and to free only, never by a look-up. */
struct uc_allocator {
	/* NULL when there is no memory; 8-byte aligned; need not be zeroed. May sleep. */
	void *(*allocate)(void *context, size_t bytes);
	void (*release)(void *context, void *memory, size_t bytes);
	void *context;
};

/* An immutable table. */
struct uc_rules;

/* A table being built, one at a time per driver. Zero it before first use. */
struct uc_rules_builder {
	const struct uc_allocator *allocator;
	struct uc_rules_chunk *chunks;
	struct uc_rules_chunk *last_chunk;
	uint64_t generation;
	uint32_t expected;
	uint32_t count;
	uint32_t bytes;
	bool open;
};

/*
 * The three commands. Each takes the body of its command, checks it whole before it changes
 * anything, and returns UC_RESULT_DONE, UC_RESULT_MALFORMED, UC_RESULT_REFUSED (out of order,
 * over a limit, wrong generation or count) or UC_RESULT_FAILED (no memory). Any result but DONE
 * drops the transaction; the table in force stays. BEGIN drops an unfinished transaction.
 */
uint32_t uc_rules_begin(struct uc_rules_builder *builder, const struct uc_allocator *allocator,
			const uint8_t *body, uint32_t body_bytes);
uint32_t uc_rules_add(struct uc_rules_builder *builder, const uint8_t *body, uint32_t body_bytes);
/* On UC_RESULT_DONE *rules is the new table, for the caller to publish and later free. */
uint32_t uc_rules_commit(struct uc_rules_builder *builder, const uint8_t *body,
			 uint32_t body_bytes, struct uc_rules **rules);

/* Drops an unfinished transaction: session ended, driver unloads. */
void uc_rules_abandon(struct uc_rules_builder *builder);

/* Frees a table that nobody looks into any more. NULL is allowed. */
void uc_rules_free(struct uc_rules *rules);

uint64_t uc_rules_generation(const struct uc_rules *rules);
uint32_t uc_rules_count(const struct uc_rules *rules);

/*
 * Does any rule of this table ask for that (UC_OPERATION_*; a UC_MATCH_*)? To skip making a path
 * or fetching a hash that nothing would look at. NULL table: no.
 */
bool uc_rules_want(const struct uc_rules *rules, uint32_t operation);
bool uc_rules_want_sha256(const struct uc_rules *rules);

/* One held operation. path: absolute, not NUL-terminated, as the driver reports it. */
struct uc_rules_query {
	uint32_t operation;
	uint32_t uid;
	uint64_t now_ns;
	const char *path;
	uint32_t path_bytes;
	/* 32 bytes, or NULL when the driver does not know the file's hash. */
	const uint8_t *sha256;
};

struct uc_rules_answer {
	uint64_t rule_id;
	/* UC_VERDICT_ALLOW or UC_VERDICT_DENY. */
	uint32_t verdict;
};

/* True: a rule decided, and *answer says which and how. NULL table: false. */
bool uc_rules_match(const struct uc_rules *rules, const struct uc_rules_query *query,
		    struct uc_rules_answer *answer);

#ifdef __cplusplus
}
#endif

#endif /* UC_RULES_H */
