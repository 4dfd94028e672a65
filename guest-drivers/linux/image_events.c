// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Files mapped to be executed: libraries, and the interpreters of dynamic programs. From a kprobe
 * that only looks. It has no post_handler: with one, another tool's probe on the same function
 * crashes the kernel once we are gone. Not required: without kprobes the capability is missing.
 */
#include <linux/file.h>
#include <linux/kprobes.h>
#include <linux/mman.h>
#include <linux/ptrace.h>
#include "compat.h"
#include "undercroft.h"

static void report(const struct file *file)
{
	const struct inode *inode = file_inode(file);
	struct uc_image_load body = {
		.inode = inode->i_ino,
		.device = uc_device_number(inode->i_sb),
		.size_bytes = i_size_read(inode),
	};
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_text path = uc_text_path(&file->f_path, scratch->path);
	struct uc_event_header header;
	struct uc_emit emit;

	uc_identity_fill(&header, current);
	if (uc_emit_begin(&emit, UC_ROUTINE, UC_RECORD_IMAGE_LOAD, &header, &body,
			  uc_text_bytes(&path))) {
		uc_emit_text(&emit, UC_FIELD_PATH, &path);
		uc_emit_end(&emit);
	}
	uc_scratch_put();
}

/* int security_mmap_file(struct file *file, unsigned long prot, unsigned long flags) */
static int before_mmap(struct kprobe *probe, struct pt_regs *regs)
{
	const struct file *file = (const struct file *)regs_get_kernel_argument(regs, 0);
	unsigned long protection = regs_get_kernel_argument(regs, 1);

	if (!uc_sensor_is_on(UC_SENSOR_IMAGE) || !file || !(protection & PROT_EXEC))
		return 0;
	/* The program itself is reported by its exec. */
	if (current->in_execve || current->flags & PF_KTHREAD)
		return 0;
	if (uc_emit_may_run(UC_RECORD_IMAGE_LOAD))
		report(file);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "security_mmap_file",
	.pre_handler = before_mmap,
};

int uc_image_register(void)
{
	return register_kprobe(&probe);
}

void uc_image_unregister(void)
{
	unregister_kprobe(&probe);
	/* So that loading us again finds the probe as it was at first. */
	probe.addr = NULL;
	probe.flags = 0;
}
