// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Paths as texts. What has a mount is shown as the acting process sees it (its root, its
 * namespace); what has only a directory entry is shown below a mount of the process that holds it,
 * else below where the superblock is mounted for the first process (marks.c).
 */
#include <linux/cgroup.h>
#include <linux/fs_struct.h>
#include <linux/mount.h>
#include <linux/nsproxy.h>
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

/* In the root and the namespace that mark->mount_point speaks of. */
static bool is_at_home(void)
{
	const struct fs_struct *ours = current->fs, *first = init_task.fs;

	return ours && (ours == first || (ours->root.dentry == first->root.dentry &&
					  ours->root.mnt == first->root.mnt)) &&
	       current->nsproxy && current->nsproxy->mnt_ns == init_task.nsproxy->mnt_ns;
}

/*
 * Puts a name in front of `at`; NULL when there is no room or a rename is under way. Names end in
 * a NUL wherever they are kept, so that a length that belongs to another name does no harm.
 */
static char *put_name(char *at, const char *start, const struct dentry *dentry)
{
	const char *name = READ_ONCE(dentry->d_name.name);
	u32 length = READ_ONCE(dentry->d_name.len), i;

	if (name == (const char *)dentry->d_iname && length >= DNAME_INLINE_LEN)
		return NULL;
	if (at - start <= length)
		return NULL;
	at -= length;
	for (i = 0; i < length; i++) {
		char byte = READ_ONCE(name[i]);

		if (!byte)
			return NULL;
		at[i] = byte;
	}
	*--at = '/';
	return at;
}

static char *walk_up(const struct dentry *dentry, char *at, const char *start)
{
	const struct dentry *root = dentry->d_sb->s_root;
	unsigned int sequence = read_seqbegin(&rename_lock);

	while (at && dentry != root) {
		const struct dentry *parent = READ_ONCE(dentry->d_parent);

		if (parent == dentry)
			return NULL;
		at = put_name(at, start, dentry);
		dentry = parent;
	}
	return read_seqretry(&rename_lock, sequence) ? NULL : at;
}

/*
 * What uc_text_path gives, for a third of its cost, where the superblock is known to be mounted
 * once. For events only: it may be a second behind a mount that moves.
 */
struct uc_text uc_text_path_quick(const struct path *path, const struct uc_mark *mark,
				  char *buffer)
{
	char *at = NULL, *end = buffer + PATH_MAX;
	const struct uc_mount_point *point;

	if (!mark || d_unlinked(path->dentry) || !is_at_home())
		return uc_text_path(path, buffer);
	rcu_read_lock();
	point = rcu_dereference(mark->mount_point);
	if (point && point->only && path->mnt->mnt_root == path->dentry->d_sb->s_root) {
		at = walk_up(path->dentry, end, buffer + point->length);
		if (at && (at < end || point->length)) {
			at -= point->length;
			uc_region_copy(at, point->text, point->length);
		} else {
			at = NULL;
		}
	}
	rcu_read_unlock();
	if (!at)
		return uc_text_path(path, buffer);
	return (struct uc_text){ .bytes = at, .length = end - at };
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
