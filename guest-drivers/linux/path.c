// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Paths as texts. What has a mount is shown as the acting process sees it (its root, its
 * namespace); what has only a directory entry is shown below a mount of the process that holds it,
 * else below where the superblock is mounted for the first process (marks.c).
 */
#include <linux/cgroup.h>
#include <linux/fs_struct.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/string.h>
#include "marks.h"
#include "undercroft.h"

static const char deleted[] = " (deleted)";

/* d_path says on which paths the last link is gone; rules and analysts want the name. */
static u32 length_without_mark(const char *text, u32 length, const struct dentry *dentry)
{
	u32 mark = sizeof(deleted) - 1;

	if (!d_unlinked((struct dentry *)dentry) || (dentry->d_op && dentry->d_op->d_dname))
		return length;
	if (length <= mark || memcmp(text + length - mark, deleted, mark))
		return length;
	return length - mark;
}

static struct uc_text text_of(const char *rendered, const char *end, const struct dentry *dentry)
{
	struct uc_text text = { .bytes = "", .truncated = true };

	if (IS_ERR_OR_NULL(rendered))
		return text;
	text.bytes = rendered;
	text.length = length_without_mark(rendered, end - rendered, dentry);
	text.truncated = false;
	return text;
}

/* buffer holds PATH_MAX bytes. The text is empty and marked as cut when it does not fit. */
struct uc_text uc_text_path(const struct path *path, char *buffer)
{
	/* A process that is ending has no root any more, and d_path would ask for it. */
	if (unlikely(!current->fs))
		return text_of(NULL, NULL, path->dentry);
	return text_of(d_path(path, buffer, PATH_MAX), buffer + PATH_MAX - 1, path->dentry);
}

static bool below(struct vfsmount *mount, struct dentry *dentry)
{
	return mount->mnt_sb == dentry->d_sb &&
	       (mount->mnt_root == dentry->d_sb->s_root || is_subdir(dentry, mount->mnt_root));
}

/* Finds what to show dentry below. May not be called with preemption off; pairs with _release. */
void uc_place_find(struct uc_place *place, struct dentry *dentry, struct uc_mark *mark)
{
	struct path path;

	place->mount = NULL;
	place->mark = mark;
	if (!current->fs)
		return;
	get_fs_pwd(current->fs, &path);
	if (!below(path.mnt, dentry)) {
		path_put(&path);
		get_fs_root(current->fs, &path);
		if (!below(path.mnt, dentry)) {
			path_put(&path);
			return;
		}
	}
	place->mount = mntget(path.mnt);
	path_put(&path);
}

void uc_place_release(struct uc_place *place)
{
	if (place->mount)
		mntput(place->mount);
}

/* Where the superblock is mounted, then the path inside it. room: bytes that may be used. */
static char *render_below_mark(struct dentry *dentry, struct uc_mark *mark, char *buffer, int room)
{
	char *inner = dentry_path_raw(dentry, buffer, room);
	const struct uc_mount_point *point;
	u32 skip = 0;

	if (IS_ERR(inner) || !mark)
		return inner;
	rcu_read_lock();
	point = rcu_dereference(mark->mount_point);
	if (point && !strncmp(inner, point->root, point->root_length) &&
	    (inner[point->root_length] == '/' || !inner[point->root_length]))
		skip = point->root_length;
	if (point && inner + skip - buffer >= point->length) {
		inner += skip;
		/* The root of the mount itself is shown without a slash at its end. */
		if (point->length && inner[0] == '/' && !inner[1])
			inner[0] = '\0';
		inner -= point->length;
		memmove(inner, point->text, point->length);
	}
	rcu_read_unlock();
	return inner;
}

/*
 * The path of dentry, or of the entry `name` in that directory. buffer holds PATH_MAX bytes.
 */
struct uc_text uc_text_dentry(const struct uc_place *place, struct dentry *dentry,
			      const struct qstr *name, char *buffer)
{
	int extra = name ? name->len + 1 : 0;
	int room = PATH_MAX - extra;
	char *rendered, *end;

	if (room < 2)
		return text_of(NULL, NULL, dentry);
	if (place->mount) {
		struct path path = { .mnt = place->mount, .dentry = dentry };

		rendered = d_path(&path, buffer, room);
	} else {
		rendered = render_below_mark(dentry, place->mark, buffer, room);
	}
	if (IS_ERR(rendered))
		return text_of(NULL, NULL, dentry);
	end = rendered + strlen(rendered);
	end = rendered + length_without_mark(rendered, end - rendered, dentry);
	if (name) {
		if (end == rendered || end[-1] != '/')
			*end++ = '/';
		memcpy(end, name->name, name->len);
		end += name->len;
	}
	return (struct uc_text){ .bytes = rendered, .length = end - rendered };
}

struct uc_text uc_text_cgroup(struct uc_scratch *scratch, struct task_struct *task)
{
	struct cgroup *cgroup;
	int length;

	rcu_read_lock();
	cgroup = task_dfl_cgroup(task);
	if (cgroup_id(cgroup) != scratch->cgroup_id) {
		length = cgroup_path(cgroup, scratch->cgroup, PATH_MAX);
		scratch->cgroup_id = cgroup_id(cgroup);
		scratch->cgroup_truncated = length < 0 || length >= PATH_MAX;
		scratch->cgroup_length = strnlen(scratch->cgroup, PATH_MAX);
	}
	rcu_read_unlock();
	return (struct uc_text){ .bytes = scratch->cgroup, .length = scratch->cgroup_length,
				 .truncated = scratch->cgroup_truncated };
}

struct uc_scratch __percpu *uc_scratch;

int uc_scratch_init(void)
{
	uc_scratch = alloc_percpu(struct uc_scratch);
	return uc_scratch ? 0 : -ENOMEM;
}

void uc_scratch_exit(void)
{
	free_percpu(uc_scratch);
}
