/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Superblock marks: which file systems a group of ours is told about. Used by file_events.c and
 * verdict.c, kept up to date by marks.c.
 */
#ifndef UC_MARKS_H
#define UC_MARKS_H

#include <linux/fsnotify_backend.h>
#include <linux/list.h>

/* Where a superblock is mounted for the first process: paths below `root` appear below `text`. */
struct uc_mount_point {
	struct rcu_head rcu;
	/* The whole superblock is mounted here, and nowhere else in that namespace. */
	bool only;
	u32 root_length;
	u32 length;
	const char *root;
	const char *text;
	char bytes[];
};

struct uc_mark {
	struct fsnotify_mark mark;
	struct uc_mount_point __rcu *mount_point;
};

/* A group and the events it wants from every file system with files in it. */
struct uc_watch {
	const struct fsnotify_ops *ops;
	u32 mask;
	bool permission;
	struct fsnotify_group *group;
	struct list_head list;
};

static inline struct uc_mark *uc_mark_of(struct fsnotify_iter_info *iter)
{
	struct fsnotify_mark *mark = fsnotify_iter_sb_mark(iter);

	return mark ? container_of(mark, struct uc_mark, mark) : NULL;
}

/*
 * Both sleep. When start returns, all superblocks are marked, unless a mount at work held that up
 * for seconds: then marks follow. When stop returns, no handler of the watch runs and none will.
 */
int uc_watch_start(struct uc_watch *watch);
void uc_watch_stop(struct uc_watch *watch);

/* Frees a mark; for the watch's fsnotify_ops. */
void uc_mark_free(struct fsnotify_mark *mark);

/* Marks go on file systems that users mount. Kernel-internal ones (memfd, shared memory) have no
 * files to open by name. */
static inline bool uc_marks_cover(const struct super_block *sb)
{
	return !(sb->s_flags & (SB_KERNMOUNT | SB_NOUSER));
}

#endif /* UC_MARKS_H */
