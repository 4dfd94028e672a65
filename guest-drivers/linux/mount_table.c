// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Reads what is mounted for the first process from the kernel's own text, because the tables
 * behind it are not for modules. Called by marks.c in a work queue; it never walks a path, so a
 * dead network mount cannot hold it.
 */
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "marks.h"
#include "mount_table.h"

#define TABLE_BYTES_MIN 0x8000
#define TABLE_BYTES_MAX 0x200000
#define TYPES_MAX 32
#define TYPE_BYTES 24
#define FIELDS 5

/* A line: id parent major:minor root mount-point options [fields..] - type source options */
struct uc_mount_table {
	size_t length;
	char bytes[];
};

/* They hold no files, or only what the kernel says about itself, and are opened all the time. */
static const char *const skipped_types[] = {
	"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
	"efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rootfs",
	"rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs",
};

/* NULL when there is no memory; *whole says whether all of the text fitted. */
static struct uc_mount_table *read_table(size_t room, bool *whole)
{
	struct uc_mount_table *table = kvmalloc(sizeof(*table) + room + 1, GFP_KERNEL);
	struct file *file;
	loff_t position = 0;
	ssize_t got = 1;

	if (!table)
		return NULL;
	table->length = 0;
	file = filp_open("/proc/self/mountinfo", O_RDONLY, 0);
	if (!IS_ERR(file)) {
		while (got > 0 && table->length < room) {
			got = kernel_read(file, table->bytes + table->length,
					  room - table->length, &position);
			if (got > 0)
				table->length += got;
		}
		fput(file);
	}
	table->bytes[table->length] = '\0';
	*whole = table->length < room;
	return table;
}

struct uc_mount_table *uc_mount_table_read(void)
{
	struct uc_mount_table *table;
	size_t room = TABLE_BYTES_MIN;
	bool whole;

	while ((table = read_table(room, &whole)) && !whole && room < TABLE_BYTES_MAX) {
		kvfree(table);
		room *= 4;
	}
	return table;
}

void uc_mount_table_free(struct uc_mount_table *table)
{
	kvfree(table);
}

static bool is_skipped(const char *type, size_t length)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(skipped_types); i++) {
		if (strlen(skipped_types[i]) == length && !memcmp(skipped_types[i], type, length))
			return true;
	}
	return false;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Points at the type in a line and gives its length; NULL in a line that is cut. */
static const char *type_in(const char *line, size_t *length)
{
	const char *end = next_line(line);
	const char *mark = strnstr(line, " - ", end - line);

	if (!mark)
		return NULL;
	mark += 3;
	*length = strcspn(mark, " \n");
	return mark;
}

void uc_mount_table_each_type(struct uc_mount_table *table,
			      void (*visit)(const char *type, void *table))
{
	char seen[TYPES_MAX][TYPE_BYTES];
	size_t count = 0, length, i;
	const char *line, *type;

	for (line = table->bytes; *line && count < TYPES_MAX; line = next_line(line)) {
		type = type_in(line, &length);
		if (!type || length >= TYPE_BYTES || is_skipped(type, length))
			continue;
		for (i = 0; i < count; i++) {
			if (!strncmp(seen[i], type, length) && !seen[i][length])
				break;
		}
		if (i < count)
			continue;
		memcpy(seen[count], type, length);
		seen[count][length] = '\0';
		visit(seen[count++], table);
	}
}

/* The kernel writes blanks and the like as a backslash and three octal digits. */
static u32 unescape(char *to, const char *from, size_t length)
{
	size_t at = 0;
	u32 count = 0;

	while (at < length) {
		if (from[at] == '\\' && at + 3 < length && from[at + 1] >= '0' &&
		    from[at + 1] <= '3') {
			to[count++] = (from[at + 1] - '0') << 6 | (from[at + 2] - '0') << 3 |
				      (from[at + 3] - '0');
			at += 4;
		} else {
			to[count++] = from[at++];
		}
	}
	return count;
}

/* Splits the first five fields of a line; false when there are fewer. */
static bool split(const char *line, const char *field[FIELDS], size_t length[FIELDS])
{
	int i;

	for (i = 0; i < FIELDS; i++) {
		field[i] = line;
		length[i] = strcspn(line, " \n");
		line += length[i];
		if (*line++ != ' ')
			return false;
	}
	return true;
}

static bool is_device(const char *text, dev_t device)
{
	unsigned int major, minor;

	return sscanf(text, "%u:%u", &major, &minor) == 2 && MKDEV(major, minor) == device;
}

static struct uc_mount_point *mount_point(const char *root, size_t root_length, const char *text,
					  size_t length)
{
	struct uc_mount_point *point = kmalloc(sizeof(*point) + root_length + length, GFP_KERNEL);

	if (!point)
		return NULL;
	point->root_length = unescape(point->bytes, root, root_length);
	point->length = unescape(point->bytes + point->root_length, text, length);
	point->root = point->bytes;
	point->text = point->bytes + point->root_length;
	/* A lone slash stands for nothing before, and nothing after. */
	if (point->root_length == 1)
		point->root_length = 0;
	if (point->length == 1)
		point->length = 0;
	return point;
}

struct uc_mount_point *uc_mount_table_find(const struct uc_mount_table *table, dev_t device)
{
	const char *field[FIELDS], *best[FIELDS];
	size_t length[FIELDS], best_length[FIELDS];
	struct uc_mount_point *point;
	const char *line;
	u32 found = 0;

	if (!table)
		return NULL;
	for (line = table->bytes; *line; line = next_line(line)) {
		if (!split(line, field, length) || !is_device(field[2], device))
			continue;
		/* The whole file system is better than a part of it; then the first counts. */
		if (found++ && (best_length[3] == 1 || length[3] > 1))
			continue;
		memcpy(best, field, sizeof(best));
		memcpy(best_length, length, sizeof(best_length));
	}
	if (!found)
		return NULL;
	point = mount_point(best[3], best_length[3], best[4], best_length[4]);
	if (point)
		point->only = found == 1 && !point->root_length;
	return point;
}
