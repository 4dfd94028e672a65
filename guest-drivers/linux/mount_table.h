/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A snapshot of what is mounted for the first process, for marks.c.
 */
#ifndef UC_MOUNT_TABLE_H
#define UC_MOUNT_TABLE_H

#include <linux/types.h>

struct uc_mount_point;
struct uc_mount_table;

/* Empty when there is none to read (no /proc yet); NULL when there is no memory. */
struct uc_mount_table *uc_mount_table_read(void);
void uc_mount_table_free(struct uc_mount_table *table);

/* Calls visit once a distinct file-system type that can hold files. */
void uc_mount_table_each_type(struct uc_mount_table *table,
			      void (*visit)(const char *type, void *table));

/* A new mount point (kfree) for a superblock by its device, or NULL. */
struct uc_mount_point *uc_mount_table_find(const struct uc_mount_table *table, dev_t device);

#endif /* UC_MOUNT_TABLE_H */
