// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Refuses opens and execs by the pushed rule table. A second fsnotify group with permission events
 * exists only while there are rules, so an empty table costs nothing. The server is never asked:
 * a guest must not hang because a server does.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify_backend.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "../core/uc_rules.h"
#include "compat.h"
#include "marks.h"
#include "undercroft.h"

/* Written by the link's thread only. */
static struct uc_rules __rcu *rules;
static struct uc_rules_builder builder;

static void *allocate(void *context, size_t bytes)
{
	return kvmalloc(bytes, GFP_KERNEL);
}

static void release(void *context, void *memory, size_t bytes)
{
	kvfree(memory);
}

static const struct uc_allocator allocator = { .allocate = allocate, .release = release };

static void report(const struct path *path, const struct uc_text *text, u32 operation,
		   const struct uc_rules_answer *answer, u32 verdict)
{
	const struct inode *inode = d_inode(path->dentry);
	struct uc_verdict body = {
		.rule_id = answer->rule_id,
		.inode = inode->i_ino,
		.device = uc_device_number(inode->i_sb),
		.operation = operation,
		.verdict = verdict,
	};
	struct uc_event_header header;
	struct uc_emit emit;

	uc_identity_fill(&header, current);
	if (!uc_emit_begin(&emit, UC_PRIORITY, UC_RECORD_VERDICT, &header, &body,
			   uc_text_bytes(text)))
		return;
	uc_emit_text(&emit, UC_FIELD_PATH, text);
	uc_emit_end(&emit);
}

/* A process in another root could rename the world; the first process's view has the last word. */
static bool is_in_other_root(void)
{
	return current->fs && current->fs->root.dentry != init_task.fs->root.dentry;
}

static bool match(const struct uc_rules *table, u32 operation, struct uc_text *text,
		  const u8 *digest, struct uc_rules_answer *answer)
{
	const struct uc_rules_query query = {
		.operation = operation,
		.uid = __kuid_val(current_uid()),
		.now_ns = ktime_get_boot_fast_ns(),
		.path = text->bytes,
		.path_bytes = text->length,
		.sha256 = digest,
	};

	return uc_rules_match(table, &query, answer) && answer->verdict == UC_VERDICT_DENY;
}

/* True: refused, and said so. kill: it runs already, so refusing means killing. */
static bool is_refused(const struct path *path, u32 operation, struct uc_mark *mark, bool kill)
{
	struct uc_place nowhere = { .mark = mark };
	struct inode *inode = d_inode(path->dentry);
	const struct uc_rules *table;
	struct uc_rules_answer answer;
	struct uc_scratch *scratch;
	struct uc_text text;
	bool refused = false;
	u8 digest[32], *known = NULL;

	rcu_read_lock();
	table = rcu_dereference(rules);
	if (!uc_rules_want(table, operation))
		goto out;
	scratch = uc_scratch_get();
	if (uc_rules_want_sha256(table) && uc_hash_known(inode, digest))
		known = digest;
	text = uc_text_path(path, scratch->third);
	refused = match(table, operation, &text, known, &answer);
	/* Without a mark nothing says where this superblock is mounted. */
	if (!refused && mark && (text.truncated || is_in_other_root())) {
		text = uc_text_dentry(&nowhere, path->dentry, NULL, scratch->third);
		refused = match(table, operation, &text, known, &answer);
	}
	if (refused)
		report(path, &text, operation, &answer, kill ? UC_VERDICT_KILL : UC_VERDICT_DENY);
	uc_scratch_put();
out:
	rcu_read_unlock();
	return refused;
}

static int on_permission(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
			 struct inode *directory, const struct qstr *name, u32 cookie,
			 struct fsnotify_iter_info *iter)
{
	const struct path *path = fsnotify_data_path(data, data_type);
	u32 operation = mask & FS_OPEN_EXEC_PERM ? UC_OPERATION_EXEC : UC_OPERATION_OPEN;

	/* The kernel's own threads open files to keep the guest running. */
	if (!path || current->flags & PF_KTHREAD)
		return 0;
	if (is_refused(path, operation, uc_mark_of(iter), false)) {
		uc_count(verdicts_denied);
		return -EPERM;
	}
	uc_count(verdicts_allowed);
	return 0;
}

void uc_verdict_after_exec(struct file *file)
{
	if (likely(!rcu_access_pointer(rules)))
		return;
	if (!is_refused(&file->f_path, UC_OPERATION_EXEC, NULL, true))
		return;
	uc_count(verdicts_denied);
	/* Delivered before the new program's first instruction. */
	send_sig(SIGKILL, current, 1);
}

static const struct fsnotify_ops verdict_ops = {
	.handle_event = on_permission,
	.free_mark = uc_mark_free,
};

/* Two, so that the next one asks before the last one stops asking. */
static struct uc_watch verdict_watches[2] = {
	{ .ops = &verdict_ops, .permission = true },
	{ .ops = &verdict_ops, .permission = true },
};
static unsigned int watch_in_force;

static u32 wanted_mask(const struct uc_rules *table)
{
	u32 mask = 0;

	if (uc_capabilities & UC_ACTION_DENY_OPEN && uc_rules_want(table, UC_OPERATION_OPEN))
		mask |= FS_OPEN_PERM;
	if (uc_capabilities & UC_ACTION_DENY_EXEC && uc_rules_want(table, UC_OPERATION_EXEC))
		mask |= FS_OPEN_EXEC_PERM;
	return mask;
}

/* Puts a table in force, NULL for none; the old one holds until the new one does. */
static u32 put_in_force(struct uc_rules *table)
{
	struct uc_rules *old = rcu_replace_pointer(rules, table, true);
	struct uc_watch *last = &verdict_watches[watch_in_force];
	struct uc_watch *next = &verdict_watches[!watch_in_force];
	u32 mask = wanted_mask(table);

	synchronize_rcu();
	uc_rules_free(old);
	if (mask == last->mask)
		return UC_RESULT_DONE;
	next->mask = mask;
	if (mask && uc_watch_start(next)) {
		next->mask = 0;
		return UC_RESULT_FAILED;
	}
	uc_watch_stop(last);
	last->mask = 0;
	watch_in_force = !watch_in_force;
	return UC_RESULT_DONE;
}

u32 uc_verdict_rules_begin(const u8 *body, u32 bytes)
{
	return uc_rules_begin(&builder, &allocator, body, bytes);
}

u32 uc_verdict_rules_add(const u8 *body, u32 bytes)
{
	return uc_rules_add(&builder, body, bytes);
}

u32 uc_verdict_rules_commit(const u8 *body, u32 bytes)
{
	struct uc_rules *table = NULL;
	u32 result = uc_rules_commit(&builder, body, bytes, &table);

	return result == UC_RESULT_DONE ? put_in_force(table) : result;
}

u64 uc_verdict_generation(void)
{
	const struct uc_rules *table;
	u64 generation = 0;

	rcu_read_lock();
	table = rcu_dereference(rules);
	if (table)
		generation = uc_rules_generation(table);
	rcu_read_unlock();
	return generation;
}

void uc_verdict_exit(void)
{
	uc_rules_abandon(&builder);
	put_in_force(NULL);
}
