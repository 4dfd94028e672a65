// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Puts marks on every superblock that holds files, again and again, because file systems come
 * while we run. Marks do not pin a mount: unmounting takes them away. Never called from a handler.
 */
#include <linux/delay.h>
#include <linux/fs_struct.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "marks.h"
#include "mount_table.h"
#include "undercroft.h"

#define RESCAN_INTERVAL_MS 1000
/* A mount or unmount at work on a slow disk holds up a scan, but must not hold up a command. */
#define PATIENCE_MS 3000

static LIST_HEAD(watches);
/* Guards the list and serialises scans. */
static DEFINE_MUTEX(watches_lock);

/* Scans done. */
static u64 scans;
static DECLARE_WAIT_QUEUE_HEAD(scan_done);

static void rescan(struct work_struct *work);
static DECLARE_DELAYED_WORK(rescan_work, rescan);

void uc_mark_free(struct fsnotify_mark *mark)
{
	struct uc_mark *ours = container_of(mark, struct uc_mark, mark);

	kfree(rcu_dereference_protected(ours->mount_point, true));
	kfree(ours);
}

static void remember_mount_point(struct uc_mark *mark, struct super_block *sb,
				 const struct uc_mount_table *table)
{
	struct uc_mount_point *old = rcu_dereference_protected(mark->mount_point,
							       lockdep_is_held(&watches_lock));
	struct uc_mount_point *new = uc_mount_table_find(table, sb->s_dev);

	if (!new)
		return;
	if (old && old->length == new->length && old->root_length == new->root_length &&
	    old->only == new->only &&
	    !memcmp(old->bytes, new->bytes, old->length + old->root_length)) {
		kfree(new);
		return;
	}
	rcu_assign_pointer(mark->mount_point, new);
	if (old)
		kfree_rcu(old, rcu);
}

static void mark_for(struct uc_watch *watch, struct super_block *sb,
		     const struct uc_mount_table *table)
{
	struct fsnotify_mark *found = uc_compat_find_sb_mark(sb, watch->group);
	struct uc_mark *mark;

	if (found) {
		remember_mount_point(container_of(found, struct uc_mark, mark), sb, table);
		fsnotify_put_mark(found);
		return;
	}
	mark = kzalloc(sizeof(*mark), GFP_KERNEL);
	if (!mark)
		return;
	fsnotify_init_mark(&mark->mark, watch->group);
	mark->mark.mask = watch->mask;
	remember_mount_point(mark, sb, table);
	/* Failure means out of memory; the next scan tries again. */
	uc_compat_add_sb_mark(&mark->mark, sb);
	fsnotify_put_mark(&mark->mark);
}

/* The superblock cannot go away under us: its s_umount is held. */
static void mark_superblock(struct super_block *sb, void *table)
{
	struct uc_watch *watch;

	if (!uc_marks_cover(sb) || !sb->s_root)
		return;
	list_for_each_entry(watch, &watches, list)
		mark_for(watch, sb, table);
}

static void mark_type(const char *name, void *table)
{
	struct file_system_type *type = get_fs_type(name);

	if (!type)
		return;
	iterate_supers_type(type, mark_superblock, table);
	/* What put_filesystem() does; it is not for modules. */
	module_put(type->owner);
}

/* The first root file system is of a type that is in no list; reach it through a path. */
static void mark_root_type(struct uc_mount_table *table)
{
	struct path root;

	get_fs_root(init_task.fs, &root);
	iterate_supers_type(root.mnt->mnt_sb->s_type, mark_superblock, table);
	path_put(&root);
}

static void scan(void)
{
	struct uc_mount_table *table = uc_mount_table_read();

	lockdep_assert_held(&watches_lock);
	if (table)
		uc_mount_table_each_type(table, mark_type);
	mark_root_type(table);
	uc_mount_table_free(table);
}

static void rescan(struct work_struct *work)
{
	mutex_lock(&watches_lock);
	if (!list_empty(&watches)) {
		scan();
		queue_delayed_work(system_unbound_wq, &rescan_work,
				   msecs_to_jiffies(RESCAN_INTERVAL_MS));
	}
	WRITE_ONCE(scans, scans + 1);
	mutex_unlock(&watches_lock);
	wake_up_all(&scan_done);
}

static bool lock_watches_patiently(void)
{
	int rounds = PATIENCE_MS;

	while (!mutex_trylock(&watches_lock)) {
		if (!rounds--)
			return false;
		usleep_range(1000, 1500);
	}
	return true;
}

int uc_watch_start(struct uc_watch *watch)
{
	struct fsnotify_group *group = fsnotify_alloc_group(watch->ops, 0);
	u64 before;

	if (IS_ERR(group))
		return PTR_ERR(group);
	if (watch->permission)
		group->priority = uc_verdict_priority();
	if (!lock_watches_patiently()) {
		fsnotify_put_group(group);
		return -EBUSY;
	}
	watch->group = group;
	list_add_tail(&watch->list, &watches);
	/* No scan is at work now, so the next one finds the watch. */
	before = scans;
	mutex_unlock(&watches_lock);
	mod_delayed_work(system_unbound_wq, &rescan_work, 0);
	wait_event_timeout(scan_done, READ_ONCE(scans) != before, msecs_to_jiffies(PATIENCE_MS));
	return 0;
}

/* One mark of the group with a reference, or NULL. An unmount may be taking others. */
static struct fsnotify_mark *any_mark(struct fsnotify_group *group)
{
	struct fsnotify_mark *mark;

	fsnotify_group_lock(group);
	mark = list_first_entry_or_null(&group->marks_list, struct fsnotify_mark, g_list);
	if (mark)
		refcount_inc(&mark->refcnt);
	fsnotify_group_unlock(group);
	return mark;
}

void uc_watch_stop(struct uc_watch *watch)
{
	struct fsnotify_group *group = watch->group;
	struct fsnotify_mark *mark;

	if (!group)
		return;
	mutex_lock(&watches_lock);
	list_del(&watch->list);
	watch->group = NULL;
	mutex_unlock(&watches_lock);
	while ((mark = any_mark(group))) {
		fsnotify_destroy_mark(mark, group);
		fsnotify_put_mark(mark);
	}
	fsnotify_put_group(group);
	/* Handlers run under the lock that this waits for; so do the last frees of marks. */
	fsnotify_wait_marks_destroyed();
}

void uc_marks_exit(void)
{
	cancel_delayed_work_sync(&rescan_work);
	fsnotify_wait_marks_destroyed();
}
