/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule tables against a list searched from the top, which is what the table promises to equal;
 * transactions that must leave nothing behind; allocation that fails at every point.
 */
#include <string.h>

#include "tap.h"
#include "uc_rules.h"

#define BODY_BYTES 0x40000u

static uint8_t body[BODY_BYTES];
static uint32_t body_bytes;
static long allocations;
static long fail_at;

static void *allocate(void *context, size_t bytes)
{
	(void)context;
	if (fail_at > 0 && --fail_at == 0)
		return NULL;
	allocations++;
	return malloc(bytes);
}

static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	/* Wrong sizes would show here under the sanitizer. */
	memset(memory, 0xdd, bytes);
	allocations--;
	free(memory);
}

static const struct uc_allocator allocator = { allocate, release, NULL };
static struct uc_rules_builder builder;

struct plain_rule {
	struct uc_rule head;
	char pattern[256];
};

static struct plain_rule plain(uint64_t id, uint32_t match, const char *pattern)
{
	struct plain_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.head.id = id;
	rule.head.operations = UC_OPERATIONS_KNOWN;
	rule.head.match = match;
	rule.head.verdict = UC_VERDICT_DENY;
	rule.head.uid = UC_UID_ANY;
	rule.head.pattern_bytes = (uint32_t)strlen(pattern);
	memcpy(rule.pattern, pattern, rule.head.pattern_bytes);
	return rule;
}

static void append(const struct plain_rule *rule)
{
	const uint32_t padded = (rule->head.pattern_bytes + 7) & ~7u;

	memcpy(body + body_bytes, &rule->head, sizeof(rule->head));
	memset(body + body_bytes + sizeof(rule->head), 0, padded);
	memcpy(body + body_bytes + sizeof(rule->head), rule->pattern, rule->head.pattern_bytes);
	body_bytes += (uint32_t)sizeof(rule->head) + padded;
}

static uint32_t begin_table(uint64_t generation, uint32_t count)
{
	struct uc_command_rules_begin begin = { generation, count, 0 };

	return uc_rules_begin(&builder, &allocator, (const uint8_t *)&begin, sizeof(begin));
}

static uint32_t add_all(void)
{
	const uint32_t result = uc_rules_add(&builder, body, body_bytes);

	body_bytes = 0;
	return result;
}

static uint32_t commit_table(uint64_t generation, struct uc_rules **rules)
{
	struct uc_command_rules_commit commit = { generation };

	return uc_rules_commit(&builder, (const uint8_t *)&commit, sizeof(commit), rules);
}

static struct uc_rules *table_of(const struct plain_rule *list, uint32_t count)
{
	struct uc_rules *rules = NULL;
	uint32_t i;

	CHECK_EQUAL(begin_table(1, count), UC_RESULT_DONE);
	for (i = 0; i < count; i++) {
		append(&list[i]);
		/* Several bodies, as a long table needs. */
		if (i % 100 == 99 || i + 1 == count)
			CHECK_EQUAL(add_all(), UC_RESULT_DONE);
	}
	CHECK_EQUAL(commit_table(1, &rules), UC_RESULT_DONE);
	return rules;
}

static struct uc_rules_query query_of(const char *path)
{
	struct uc_rules_query query = { UC_OPERATION_OPEN, 1000, 50, path, (uint32_t)strlen(path),
					NULL };

	return query;
}

static uint64_t matched(const struct uc_rules *rules, const struct uc_rules_query *query)
{
	struct uc_rules_answer answer = { 0, 0 };

	return uc_rules_match(rules, query, &answer) ? answer.rule_id : 0;
}

static uint64_t matched_path(const struct uc_rules *rules, const char *path)
{
	struct uc_rules_query query = query_of(path);

	return matched(rules, &query);
}

static void each_kind_of_match_matches(void)
{
	const struct plain_rule list[] = {
		plain(1, UC_MATCH_PATH, "/etc/shadow"),
		plain(2, UC_MATCH_PATH_PREFIX, "/root/.ssh/"),
		plain(3, UC_MATCH_PATH_SUFFIX, ".kdbx"),
		plain(4, UC_MATCH_NAME, "mimikatz"),
	};
	struct uc_rules *rules = table_of(list, 4);

	CHECK_EQUAL(matched_path(rules, "/etc/shadow"), 1);
	CHECK_EQUAL(matched_path(rules, "/etc/shadow-"), 0);
	CHECK_EQUAL(matched_path(rules, "/etc/shado"), 0);
	CHECK_EQUAL(matched_path(rules, "/root/.ssh/id_ed25519"), 2);
	CHECK_EQUAL(matched_path(rules, "/root/.ssh/"), 2);
	CHECK_EQUAL(matched_path(rules, "/root/.ssh"), 0);
	CHECK_EQUAL(matched_path(rules, "/home/a/b.kdbx"), 3);
	CHECK_EQUAL(matched_path(rules, ".kdbx"), 3);
	CHECK_EQUAL(matched_path(rules, "kdbx"), 0);
	CHECK_EQUAL(matched_path(rules, "/tmp/mimikatz"), 4);
	CHECK_EQUAL(matched_path(rules, "mimikatz"), 4);
	CHECK_EQUAL(matched_path(rules, "/tmp/mimikatz/"), 0);
	CHECK_EQUAL(matched_path(rules, "/tmp/xmimikatz"), 0);
	CHECK_EQUAL(matched_path(rules, ""), 0);
	CHECK_EQUAL(matched_path(NULL, "/etc/shadow"), 0);
	CHECK_EQUAL(uc_rules_generation(rules), 1);
	CHECK_EQUAL(uc_rules_count(rules), 4);
	uc_rules_free(rules);
	CHECK_EQUAL(allocations, 0);
}

static void a_hash_matches_whatever_the_path(void)
{
	struct plain_rule rule = plain(9, UC_MATCH_SHA256, "0123456789abcdef0123456789abcdef");
	struct uc_rules *rules = table_of(&rule, 1);
	struct uc_rules_query query = query_of("/bin/anything");
	uint8_t digest[32];

	CHECK(uc_rules_want_sha256(rules));
	CHECK(!uc_rules_want_sha256(NULL));
	CHECK_EQUAL(matched(rules, &query), 0);
	memcpy(digest, rule.pattern, 32);
	query.sha256 = digest;
	CHECK_EQUAL(matched(rules, &query), 9);
	digest[31] ^= 1;
	CHECK_EQUAL(matched(rules, &query), 0);
	uc_rules_free(rules);
}

static void the_first_rule_that_fits_decides(void)
{
	struct plain_rule list[] = {
		plain(1, UC_MATCH_PATH_PREFIX, "/opt/safe/"),
		plain(2, UC_MATCH_PATH_PREFIX, "/opt/"),
		plain(3, UC_MATCH_PATH_SUFFIX, ".so"),
		plain(4, UC_MATCH_PATH, "/opt/safe/a"),
	};
	struct uc_rules_answer answer;
	struct uc_rules_query query;
	struct uc_rules *rules;

	list[0].head.verdict = UC_VERDICT_ALLOW;
	rules = table_of(list, 4);
	query = query_of("/opt/safe/a");
	CHECK(uc_rules_match(rules, &query, &answer));
	CHECK_EQUAL(answer.rule_id, 1);
	CHECK_EQUAL(answer.verdict, UC_VERDICT_ALLOW);
	CHECK_EQUAL(matched_path(rules, "/opt/other.so"), 2);
	CHECK_EQUAL(matched_path(rules, "/lib/other.so"), 3);
	uc_rules_free(rules);
}

static void user_operation_and_expiry_narrow_a_rule(void)
{
	struct plain_rule list[] = {
		plain(1, UC_MATCH_PATH, "/a"), plain(2, UC_MATCH_PATH, "/a"),
		plain(3, UC_MATCH_PATH, "/a"), plain(4, UC_MATCH_PATH_PREFIX, "/b"),
		plain(5, UC_MATCH_PATH_PREFIX, "/b"),
	};
	struct uc_rules_query query = query_of("/a");
	struct uc_rules *rules;

	list[0].head.uid = 0;
	list[1].head.operations = UC_OPERATION_EXEC;
	list[2].head.expires_ns = 100;
	list[3].head.uid = 0;
	rules = table_of(list, 5);
	CHECK_EQUAL(matched(rules, &query), 3);
	query.now_ns = 100;
	CHECK_EQUAL(matched(rules, &query), 0);
	query.operation = UC_OPERATION_EXEC;
	CHECK_EQUAL(matched(rules, &query), 2);
	query.uid = 0;
	CHECK_EQUAL(matched(rules, &query), 1);
	CHECK_EQUAL(matched_path(rules, "/b"), 5);
	CHECK(uc_rules_want(rules, UC_OPERATION_OPEN));
	uc_rules_free(rules);
	list[0].head.operations = UC_OPERATION_EXEC;
	rules = table_of(list, 2);
	CHECK(!uc_rules_want(rules, UC_OPERATION_OPEN));
	CHECK(uc_rules_want(rules, UC_OPERATION_EXEC));
	uc_rules_free(rules);
}

static void a_transaction_is_all_or_nothing(void)
{
	struct plain_rule rule = plain(1, UC_MATCH_PATH, "/x");
	struct uc_rules *rules = NULL;
	uint8_t empty[4] = { 0 };

	CHECK_EQUAL(uc_rules_add(&builder, empty, 4), UC_RESULT_REFUSED);
	CHECK_EQUAL(commit_table(1, &rules), UC_RESULT_REFUSED);
	CHECK_EQUAL(begin_table(1, UC_RULES_MAX + 1), UC_RESULT_REFUSED);
	CHECK_EQUAL(uc_rules_begin(&builder, &allocator, empty, 4), UC_RESULT_MALFORMED);
	/* too many, too few, wrong generation */
	CHECK_EQUAL(begin_table(1, 1), UC_RESULT_DONE);
	append(&rule);
	append(&rule);
	CHECK_EQUAL(add_all(), UC_RESULT_REFUSED);
	CHECK_EQUAL(commit_table(1, &rules), UC_RESULT_REFUSED);
	CHECK_EQUAL(begin_table(1, 2), UC_RESULT_DONE);
	append(&rule);
	CHECK_EQUAL(add_all(), UC_RESULT_DONE);
	CHECK_EQUAL(commit_table(1, &rules), UC_RESULT_REFUSED);
	CHECK_EQUAL(begin_table(1, 1), UC_RESULT_DONE);
	append(&rule);
	CHECK_EQUAL(add_all(), UC_RESULT_DONE);
	CHECK_EQUAL(commit_table(2, &rules), UC_RESULT_REFUSED);
	/* BEGIN drops what was open, and an empty table is a table */
	CHECK_EQUAL(begin_table(1, 1), UC_RESULT_DONE);
	append(&rule);
	CHECK_EQUAL(add_all(), UC_RESULT_DONE);
	CHECK_EQUAL(begin_table(3, 0), UC_RESULT_DONE);
	CHECK(rules == NULL);
	CHECK_EQUAL(commit_table(3, &rules), UC_RESULT_DONE);
	CHECK_EQUAL(uc_rules_count(rules), 0);
	CHECK_EQUAL(matched_path(rules, "/x"), 0);
	uc_rules_free(rules);
	CHECK_EQUAL(allocations, 0);
}

static void expect_malformed(struct plain_rule rule)
{
	struct plain_rule good = plain(1, UC_MATCH_PATH, "/good");

	CHECK_EQUAL(begin_table(1, 9), UC_RESULT_DONE);
	append(&good);
	append(&rule);
	CHECK_EQUAL(add_all(), UC_RESULT_MALFORMED);
	CHECK_EQUAL(allocations, 0);
}

static void malformed_rules_are_refused(void)
{
	struct plain_rule rule = plain(1, UC_MATCH_PATH, "/x");
	uint32_t cut;

	rule.head.operations = 0;
	expect_malformed(rule);
	rule.head.operations = 4;
	expect_malformed(rule);
	rule = plain(1, 0, "/x");
	expect_malformed(rule);
	rule = plain(1, UC_MATCH_SHA256 + 1, "/x");
	expect_malformed(rule);
	rule = plain(1, UC_MATCH_SHA256, "short");
	expect_malformed(rule);
	rule = plain(1, UC_MATCH_NAME, "a/b");
	expect_malformed(rule);
	rule = plain(1, UC_MATCH_PATH, "");
	expect_malformed(rule);
	rule = plain(1, UC_MATCH_PATH, "/x");
	rule.head.verdict = UC_VERDICT_KILL;
	expect_malformed(rule);
	/* a body cut anywhere, and a pattern that says it is longer than what came */
	for (cut = 1; cut < 96; cut++) {
		rule = plain(1, UC_MATCH_PATH, "/x");
		append(&rule);
		append(&rule);
		CHECK_EQUAL(begin_table(1, 9), UC_RESULT_DONE);
		body_bytes = cut;
		CHECK_EQUAL(add_all(), cut == 48 ? UC_RESULT_DONE : UC_RESULT_MALFORMED);
	}
	rule.head.pattern_bytes = 9;
	memcpy(body, &rule.head, sizeof(rule.head));
	CHECK_EQUAL(begin_table(1, 9), UC_RESULT_DONE);
	CHECK_EQUAL(uc_rules_add(&builder, body, 48), UC_RESULT_MALFORMED);
	rule.head.pattern_bytes = ~0u;
	memcpy(body, &rule.head, sizeof(rule.head));
	CHECK_EQUAL(begin_table(1, 9), UC_RESULT_DONE);
	CHECK_EQUAL(uc_rules_add(&builder, body, 48), UC_RESULT_MALFORMED);
	uc_rules_abandon(&builder);
	CHECK_EQUAL(allocations, 0);
}

static void no_memory_means_failed_and_nothing_kept(void)
{
	struct plain_rule rule = plain(1, UC_MATCH_PATH, "/x");
	struct uc_rules *rules = NULL;

	CHECK_EQUAL(begin_table(1, 1), UC_RESULT_DONE);
	append(&rule);
	fail_at = 1;
	CHECK_EQUAL(add_all(), UC_RESULT_FAILED);
	CHECK_EQUAL(begin_table(1, 1), UC_RESULT_DONE);
	append(&rule);
	fail_at = 2;
	CHECK_EQUAL(add_all(), UC_RESULT_DONE);
	CHECK_EQUAL(commit_table(1, &rules), UC_RESULT_FAILED);
	CHECK(rules == NULL);
	CHECK_EQUAL(allocations, 0);
}

/* What the table promises to equal. */
static uint64_t search_from_the_top(const struct plain_rule *list, uint32_t count,
				    const struct uc_rules_query *query)
{
	const char *path = query->path;
	const uint32_t bytes = query->path_bytes;
	uint32_t name = bytes;
	uint32_t i;

	while (name > 0 && path[name - 1] != '/')
		name--;
	for (i = 0; i < count; i++) {
		const struct uc_rule *rule = &list[i].head;
		const uint32_t wanted = rule->pattern_bytes;
		const char *at = path;
		bool fits;

		if (rule->match == UC_MATCH_PATH_SUFFIX)
			at = wanted <= bytes ? path + bytes - wanted : path;
		else if (rule->match == UC_MATCH_NAME)
			at = path + name;
		if (rule->match == UC_MATCH_PATH)
			fits = wanted == bytes;
		else if (rule->match == UC_MATCH_NAME)
			fits = wanted == bytes - name;
		else
			fits = rule->match != UC_MATCH_SHA256 && wanted <= bytes;
		if (fits && memcmp(at, list[i].pattern, wanted) == 0 &&
		    (rule->operations & query->operation) &&
		    (rule->uid == UC_UID_ANY || rule->uid == query->uid))
			return rule->id;
	}
	return 0;
}

/* Few letters and short lengths make equal, nested and neighbouring patterns likely. */
static uint32_t random_text(uint64_t *seed, char *text, uint32_t bytes_max)
{
	static const char letters[] = "ab/\xff";
	const uint32_t bytes = 1 + (uint32_t)(tap_random(seed) % bytes_max);
	uint32_t i;

	for (i = 0; i < bytes; i++)
		text[i] = letters[tap_random(seed) % 4];
	text[bytes] = 0;
	return bytes;
}

static void a_table_equals_a_list_searched_from_the_top(void)
{
	static struct plain_rule list[400];
	uint64_t seed = 4711;
	uint64_t hits = 0;
	uint64_t expected;
	uint32_t round;
	uint32_t count;
	uint32_t i;
	char text[64];

	for (round = 0; round < 60; round++) {
		struct uc_rules *rules;

		count = 1 + (uint32_t)(tap_random(&seed) % 400);
		for (i = 0; i < count; i++) {
			const uint32_t match = 1 + (uint32_t)(tap_random(&seed) % 4);

			random_text(&seed, text, i % 3 ? 12 : 30);
			while (match == UC_MATCH_NAME && strchr(text, '/'))
				*strchr(text, '/') = 'c';
			list[i] = plain(i + 1, match, text);
			list[i].head.operations = 1 + (uint32_t)(tap_random(&seed) % 3);
			if (tap_random(&seed) % 4 == 0)
				list[i].head.uid = (uint32_t)(tap_random(&seed) % 2);
		}
		rules = table_of(list, count);
		for (i = 0; i < 2000; i++) {
			struct uc_rules_query query;

			random_text(&seed, text, 40);
			query = query_of(text);
			query.operation = 1 + (uint32_t)(tap_random(&seed) % 2);
			query.uid = (uint32_t)(tap_random(&seed) % 3);
			expected = search_from_the_top(list, count, &query);
			hits += expected != 0;
			if (matched(rules, &query) != expected)
				CHECK_EQUAL(matched(rules, &query), expected);
		}
		uc_rules_free(rules);
	}
	CHECK(hits > 10000 && hits < 110000);
	CHECK_EQUAL(allocations, 0);
}

static void the_largest_table_works(void)
{
	static struct plain_rule list[UC_RULES_MAX];
	struct uc_rules *rules;
	char text[64];
	uint32_t i;

	for (i = 0; i < UC_RULES_MAX; i++) {
		snprintf(text, sizeof(text), "/srv/%u/%s", i, i % 2 ? "file" : "tree/");
		list[i] = plain(i + 1, i % 2 ? UC_MATCH_PATH : UC_MATCH_PATH_PREFIX, text);
	}
	rules = table_of(list, UC_RULES_MAX);
	for (i = 0; i < UC_RULES_MAX; i++) {
		snprintf(text, sizeof(text), "/srv/%u/%s", i, i % 2 ? "file" : "tree/leaf");
		CHECK_EQUAL(matched_path(rules, text), i + 1);
	}
	uc_rules_free(rules);
}

int main(void)
{
	tap_run("each kind of match matches", each_kind_of_match_matches);
	tap_run("a hash matches whatever the path", a_hash_matches_whatever_the_path);
	tap_run("the first rule that fits decides", the_first_rule_that_fits_decides);
	tap_run("user, operation and expiry narrow a rule",
		user_operation_and_expiry_narrow_a_rule);
	tap_run("a transaction is all or nothing", a_transaction_is_all_or_nothing);
	tap_run("malformed rules are refused", malformed_rules_are_refused);
	tap_run("no memory means failed and nothing kept",
		no_memory_means_failed_and_nothing_kept);
	tap_run("a table equals a list searched from the top",
		a_table_equals_a_list_searched_from_the_top);
	tap_run("the largest table works", the_largest_table_works);
	return tap_end();
}
