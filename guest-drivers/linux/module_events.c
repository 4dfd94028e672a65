// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Kernel modules coming and going, from the module notifier. A module is reported before its own
 * code runs for the first time, while there is still someone to report it.
 */
#include <linux/module.h>
#include <linux/notifier.h>
#include "compat.h"
#include "undercroft.h"

static void report(u16 type, const struct module *module)
{
	struct uc_module_event body = {
		.size_bytes = uc_compat_module_bytes(module),
		.taints = (u32)module->taints,
	};
	struct uc_text name = { .bytes = module->name };
	struct uc_event_header header;
	struct uc_emit emit;

	name.length = strnlen(module->name, sizeof(module->name));
	preempt_disable();
	uc_identity_fill(&header, current);
	if (uc_emit_begin(&emit, UC_ROUTINE, type, &header, &body, uc_text_bytes(&name))) {
		uc_emit_text(&emit, UC_FIELD_NAME, &name);
		uc_emit_end(&emit);
	}
	preempt_enable();
}

static int on_module(struct notifier_block *block, unsigned long state, void *module)
{
	if (!uc_sensor_is_on(UC_SENSOR_MODULE))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING)
		report(UC_RECORD_MODULE_LOAD, module);
	else if (state == MODULE_STATE_GOING)
		report(UC_RECORD_MODULE_UNLOAD, module);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = on_module,
	/* Before others that might refuse the module: an attempt is news too. */
	.priority = INT_MAX,
};

int uc_module_register(void)
{
	return register_module_notifier(&notifier);
}

void uc_module_unregister(void)
{
	unregister_module_notifier(&notifier);
}
