// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Tries, when the driver is loaded, whether permission callbacks run and are obeyed: from 6.10 a
 * group of the wrong priority is silently never asked, and some kernels are built without them.
 * What was not seen to work is not offered to the server.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/moduleparam.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "compat.h"
#include "undercroft.h"

static bool normal_priority;
module_param(normal_priority, bool, 0444);
MODULE_PARM_DESC(normal_priority, "for tests: ask with a priority that newer kernels ignore");

unsigned int uc_verdict_priority(void)
{
	return normal_priority ? 0 : UC_PRIORITY_CONTENT;
}

/* Who tries, what to refuse, and what came by. Guarded by there being one tester. */
static struct task_struct *tester;
static u32 refuse_mask;
static u32 seen_mask;

static int on_permission(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
			 struct inode *directory, const struct qstr *name, u32 cookie,
			 struct fsnotify_iter_info *iter)
{
	if (current != READ_ONCE(tester))
		return 0;
	seen_mask |= mask;
	return mask & refuse_mask ? -EPERM : 0;
}

static void free_mark(struct fsnotify_mark *mark)
{
	kfree(mark);
}

static const struct fsnotify_ops test_ops = {
	.handle_event = on_permission,
	.free_mark = free_mark,
};

static bool is_obeyed(const struct path *path, u32 mask)
{
	int flags = O_RDONLY | O_DIRECTORY | __FMODE_EXEC;
	struct file *file;

	refuse_mask = mask;
	seen_mask = 0;
	file = dentry_open(path, flags, current_cred());
	if (!IS_ERR(file)) {
		fput(file);
		return false;
	}
	return PTR_ERR(file) == -EPERM && seen_mask & mask;
}

static u64 try_path(const struct path *path)
{
	u64 working = 0;

	/* Both ways round: an open without refusal must succeed, or the rest proves nothing. */
	is_obeyed(path, 0);
	if (!(seen_mask & FS_OPEN_PERM))
		return 0;
	if (is_obeyed(path, FS_OPEN_PERM))
		working |= UC_ACTION_DENY_OPEN;
	if (is_obeyed(path, FS_OPEN_EXEC_PERM))
		working |= UC_ACTION_DENY_EXEC;
	return working;
}

static u64 try_group(struct fsnotify_group *group, const struct path *path)
{
	struct fsnotify_mark *mark = kzalloc(sizeof(*mark), GFP_KERNEL);
	u64 working = 0;

	if (!mark)
		return 0;
	fsnotify_init_mark(mark, group);
	mark->mask = FS_OPEN_PERM | FS_OPEN_EXEC_PERM;
	if (!uc_compat_add_sb_mark(mark, path->mnt->mnt_sb)) {
		WRITE_ONCE(tester, current);
		working = try_path(path);
		WRITE_ONCE(tester, NULL);
		fsnotify_destroy_mark(mark, group);
	}
	fsnotify_put_mark(mark);
	return working;
}

u64 uc_verdict_test(void)
{
	struct fsnotify_group *group;
	struct path root;
	u64 working = 0;

	if (kern_path("/", LOOKUP_DIRECTORY, &root))
		return 0;
	group = fsnotify_alloc_group(&test_ops, 0);
	if (!IS_ERR(group)) {
		group->priority = uc_verdict_priority();
		working = try_group(group, &root);
		fsnotify_put_group(group);
		fsnotify_wait_marks_destroyed();
	}
	path_put(&root);
	return working;
}
