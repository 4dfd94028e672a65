/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The one file that knows kernel versions. Everything else is written against the newest shape and
 * calls the uc_* shims below. Built and tested on 6.1 and 6.12; other branches follow the headers
 * of the kernels named and have not run.
 */
#ifndef UC_COMPAT_H
#define UC_COMPAT_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/ns_common.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/time64.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
#error "The Undercroft driver needs Linux 6.0 or newer"
#endif

#ifdef CONFIG_PREEMPT_RT
#error "The Undercroft driver holds off interrupts where a real-time kernel must not"
#endif

/*
 * From 6.10 a group of lower priority is never asked for permission and the open just succeeds;
 * before, any priority above the lowest would do. Set before the first mark, it counts from there.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define UC_PRIORITY_CONTENT FSNOTIFY_PRIO_CONTENT
#else
#define UC_PRIORITY_CONTENT FS_PRIO_1
#endif

static inline int uc_compat_add_sb_mark(struct fsnotify_mark *mark, struct super_block *sb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return fsnotify_add_mark(mark, sb, FSNOTIFY_OBJ_TYPE_SB, 0);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return fsnotify_add_mark(mark, &sb->s_fsnotify_marks, FSNOTIFY_OBJ_TYPE_SB, 0);
#else
	return fsnotify_add_mark(mark, &sb->s_fsnotify_marks, FSNOTIFY_OBJ_TYPE_SB, 0, NULL);
#endif
}

/* The group's mark on a superblock, with a reference, or NULL. */
static inline struct fsnotify_mark *uc_compat_find_sb_mark(struct super_block *sb,
							   struct fsnotify_group *group)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return fsnotify_find_mark(sb, FSNOTIFY_OBJ_TYPE_SB, group);
#else
	return fsnotify_find_mark(&sb->s_fsnotify_marks, group);
#endif
}


/* The executable of an address space, with a reference, or NULL. */
static inline struct file *uc_compat_exe_file(struct mm_struct *mm)
{
	struct file *file;

	rcu_read_lock();
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	file = get_file_rcu(&mm->exe_file);
#else
	file = rcu_dereference(mm->exe_file);
	if (file && !get_file_rcu(file))
		file = NULL;
#endif
	rcu_read_unlock();
	return file;
}

/* From 6.16 the exit tracepoint says itself whether the whole process has ended. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define UC_EXIT_PROTO void *data, struct task_struct *task, bool group_dead
#define UC_EXIT_GROUP_DEAD(task) (group_dead)
#else
#define UC_EXIT_PROTO void *data, struct task_struct *task
#define UC_EXIT_GROUP_DEAD(task) (atomic_read(&(task)->signal->live) == 0)
#endif

static inline u64 uc_compat_module_bytes(const struct module *module)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	u64 bytes = 0;
	int type;

	for (type = 0; type < MOD_MEM_NUM_TYPES; type++)
		bytes += module->mem[type].size;
	return bytes;
#else
	return module->core_layout.size + module->init_layout.size;
#endif
}

/* When content or attributes last changed. Content can change without mtime, but not both. */
static inline u64 uc_compat_change_ns(const struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	struct timespec64 time = inode_get_ctime(inode);
#else
	struct timespec64 time = inode->i_ctime;
#endif
	return (u64)time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static inline u64 uc_compat_modify_ns(const struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	struct timespec64 time = inode_get_mtime(inode);
#else
	struct timespec64 time = inode->i_mtime;
#endif
	return (u64)time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

/*
 * The kernel keeps the layout of mount namespaces to itself, but all its namespaces begin with
 * ns_common. TRUST: load checks that guess against the running kernel (identity.c) before use.
 */
static inline struct ns_common *uc_compat_mount_ns(struct nsproxy *proxy)
{
	return (struct ns_common *)proxy->mnt_ns;
}

#endif /* UC_COMPAT_H */
