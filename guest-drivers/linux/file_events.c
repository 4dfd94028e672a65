// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What happens to files, from an fsnotify group of our own with a mark on every superblock. The
 * handlers run in the acting process, often with the parent directory locked: they look nothing
 * up, open nothing and allocate nothing.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include "compat.h"
#include "marks.h"
#include "undercroft.h"

/*
 * A close after mere reading is not watched: it tells nothing that its open did not, and would
 * double what an open costs (README.md has the figures).
 */
#define WATCHED (FS_OPEN | FS_CLOSE_WRITE | FS_MODIFY | FS_ATTRIB | FS_CREATE | FS_DELETE | \
		 FS_RENAME)

/* Writes of one process to one file within this time are one event; closing starts afresh. */
#define WRITE_INTERVAL_MS 1000
#define WRITE_SLOTS_LOG2 10

/* Races between CPUs here cost or save one record and nothing else. */
static struct {
	u64 key;
	unsigned long reported;
} writes[1 << WRITE_SLOTS_LOG2];

static u64 write_key(const struct inode *inode)
{
	return (unsigned long)inode ^ (u64)current->tgid << 48 ^ inode->i_ino << 24;
}

static bool write_is_news(const struct inode *inode)
{
	u64 key = write_key(inode);
	u32 slot = hash_64(key, WRITE_SLOTS_LOG2);
	unsigned long reported = READ_ONCE(writes[slot].reported);

	if (READ_ONCE(writes[slot].key) == key &&
	    time_before(jiffies, reported + msecs_to_jiffies(WRITE_INTERVAL_MS)))
		return false;
	WRITE_ONCE(writes[slot].reported, jiffies);
	WRITE_ONCE(writes[slot].key, key);
	return true;
}

static void forget_write(const struct inode *inode)
{
	u64 key = write_key(inode);
	u32 slot = hash_64(key, WRITE_SLOTS_LOG2);

	if (READ_ONCE(writes[slot].key) == key)
		WRITE_ONCE(writes[slot].key, 0);
}

/* Pipes, sockets and terminals are opened all the time and hold nothing. */
static bool is_watched_kind(const struct inode *inode)
{
	return S_ISREG(inode->i_mode) || S_ISDIR(inode->i_mode) || S_ISLNK(inode->i_mode) ||
	       S_ISBLK(inode->i_mode);
}

static void fill_body(struct uc_file_event *body, const struct inode *inode, u32 flags)
{
	body->inode = inode->i_ino;
	body->device = uc_device_number(inode->i_sb);
	body->size_bytes = i_size_read(inode);
	body->mode = inode->i_mode;
	body->flags = flags | (S_ISDIR(inode->i_mode) ? UC_FILE_DIRECTORY : 0);
}

static void report(u16 type, const struct uc_file_event *body, const struct uc_text *path,
		   const struct uc_text *old_path)
{
	struct uc_event_header header;
	struct uc_emit emit;
	u32 fields = uc_text_bytes(path) + (old_path ? uc_text_bytes(old_path) : 0);

	uc_identity_fill(&header, current);
	if (!uc_emit_begin(&emit, UC_ROUTINE, type, &header, body, fields))
		return;
	uc_emit_text(&emit, UC_FIELD_PATH, path);
	if (old_path)
		uc_emit_text(&emit, UC_FIELD_OLD_PATH, old_path);
	uc_emit_end(&emit);
}

/* Events on something open: the kernel gives the mount, so the path is the process's own view. */
static void on_open_file(u16 type, const struct path *path, u32 flags, struct uc_mark *mark)
{
	struct uc_place nowhere = { .mark = mark };
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_file_event body;
	struct uc_text text;

	fill_body(&body, d_inode(path->dentry), flags);
	text = likely(current->fs) ? uc_text_path_quick(path, mark, scratch->path) :
				     uc_text_dentry(&nowhere, path->dentry, NULL, scratch->path);
	report(type, &body, &text, NULL);
	uc_scratch_put();
}

/* Events on a directory entry: no mount comes with them. name: an entry of dentry, or NULL. */
static void on_entry(u16 type, struct inode *inode, struct dentry *dentry,
		     const struct qstr *name, struct uc_mark *mark)
{
	struct uc_scratch *scratch;
	struct uc_file_event body;
	struct uc_place place;
	struct uc_text path;

	uc_place_find(&place, dentry, mark);
	scratch = uc_scratch_get();
	fill_body(&body, inode, 0);
	path = uc_text_dentry(&place, dentry, name, scratch->path);
	report(type, &body, &path, NULL);
	uc_scratch_put();
	uc_place_release(&place);
}

/* The entry has moved already: dentry is where it went, old_parent and old_name whence it came. */
static void on_rename(struct dentry *dentry, struct dentry *old_parent,
		      const struct qstr *old_name, struct uc_mark *mark)
{
	struct uc_scratch *scratch;
	struct uc_file_event body;
	struct uc_place place;
	struct uc_text path, old_path;

	uc_place_find(&place, dentry, mark);
	scratch = uc_scratch_get();
	fill_body(&body, d_inode(dentry), 0);
	path = uc_text_dentry(&place, dentry, NULL, scratch->path);
	old_path = uc_text_dentry(&place, old_parent, old_name, scratch->second);
	report(UC_RECORD_FILE_RENAME, &body, &path, &old_path);
	uc_scratch_put();
	uc_place_release(&place);
}

static void on_file_use(u32 mask, const struct path *path, struct uc_mark *mark)
{
	const struct inode *inode = d_inode(path->dentry);

	if (mask & FS_OPEN)
		on_open_file(UC_RECORD_FILE_OPEN, path, mask & FS_OPEN_EXEC ? UC_FILE_EXECUTE : 0,
			     mark);
	if (mask & FS_CLOSE_WRITE) {
		forget_write(inode);
		on_open_file(UC_RECORD_FILE_CLOSE, path, UC_FILE_WRITTEN, mark);
	}
	if (mask & FS_MODIFY && write_is_news(inode))
		on_open_file(UC_RECORD_FILE_WRITE, path, 0, mark);
}

static void on_directory_change(u32 mask, struct inode *inode, struct dentry *dentry,
				struct inode *directory, const struct qstr *name,
				struct uc_mark *mark)
{
	struct dentry *parent = d_find_any_alias(directory);

	if (!parent)
		return;
	if (mask & FS_CREATE)
		on_entry(UC_RECORD_FILE_CREATE, inode, parent, name, mark);
	if (mask & FS_DELETE)
		on_entry(UC_RECORD_FILE_DELETE, inode, parent, name, mark);
	if (mask & FS_RENAME && dentry)
		on_rename(dentry, parent, name, mark);
	dput(parent);
}

/* Changes told of a directory entry or an inode, where no one has to have it open. */
static void on_change(u32 mask, struct inode *inode, struct dentry *dentry,
		      struct inode *directory, const struct qstr *name, struct uc_mark *mark)
{
	if (mask & (FS_CREATE | FS_DELETE | FS_RENAME) && directory && name)
		on_directory_change(mask, inode, dentry, directory, name, mark);
	/* Attributes without an entry: only the count of links changed. */
	if (!dentry)
		return;
	if (mask & FS_MODIFY && write_is_news(inode))
		on_entry(UC_RECORD_FILE_WRITE, inode, dentry, NULL, mark);
	if (mask & FS_ATTRIB)
		on_entry(UC_RECORD_FILE_ATTRIBUTES, inode, dentry, NULL, mark);
}

static int on_event(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
		    struct inode *directory, const struct qstr *name, u32 cookie,
		    struct fsnotify_iter_info *iter)
{
	struct inode *inode;

	if (!uc_sensor_is_on(UC_SENSOR_FILE) || current->flags & PF_KTHREAD)
		return 0;
	if (!uc_emit_may_run(UC_RECORD_FILE_OPEN))
		return 0;
	inode = fsnotify_data_inode(data, data_type);
	/* Some file systems tell of an entry before it has an inode; its open follows. */
	if (!inode || !is_watched_kind(inode))
		return 0;
	if (data_type == FSNOTIFY_EVENT_PATH)
		on_file_use(mask, data, uc_mark_of(iter));
	else
		on_change(mask, inode, fsnotify_data_dentry(data, data_type), directory, name,
			  uc_mark_of(iter));
	return 0;
}

static const struct fsnotify_ops file_ops = {
	.handle_event = on_event,
	.free_mark = uc_mark_free,
};

static struct uc_watch file_watch = {
	.ops = &file_ops,
	.mask = WATCHED,
};

static int on_close(struct fsnotify_group *group, u32 mask, const void *data, int data_type,
		    struct inode *directory, const struct qstr *name, u32 cookie,
		    struct fsnotify_iter_info *iter)
{
	const struct path *path = fsnotify_data_path(data, data_type);

	if (!path || current->flags & PF_KTHREAD || !is_watched_kind(d_inode(path->dentry)))
		return 0;
	if (uc_emit_may_run(UC_RECORD_FILE_CLOSE))
		on_open_file(UC_RECORD_FILE_CLOSE, path, 0, uc_mark_of(iter));
	return 0;
}

static const struct fsnotify_ops close_ops = {
	.handle_event = on_close,
	.free_mark = uc_mark_free,
};

/* A group of its own: who does not ask for these closes pays nothing for them. */
static struct uc_watch close_watch = {
	.ops = &close_ops,
	.mask = FS_CLOSE_NOWRITE,
};

int uc_file_start(void)
{
	return uc_watch_start(&file_watch);
}

void uc_file_stop(void)
{
	uc_watch_stop(&file_watch);
}

int uc_file_close_start(void)
{
	return uc_watch_start(&close_watch);
}

void uc_file_close_stop(void)
{
	uc_watch_stop(&close_watch);
}
