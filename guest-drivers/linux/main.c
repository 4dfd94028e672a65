// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Load and unload, and the PCI device behind the region. What is set up in order is taken down in
 * mirrored order; nothing here knows what a record looks like.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include "undercroft.h"

#define REGION_BAR 2
#define PCI_VENDOR_QUMRANET 0x1af4
#define PCI_DEVICE_IVSHMEM 0x1110

u64 uc_sensors_on;
u64 uc_capabilities;

/* Hooks in by load, on by START_MONITORING. Optional ones that fail only clear their capability. */
struct sensor {
	const char *name;
	u64 capability;
	bool required;
	int (*register_hooks)(void);
	void (*unregister_hooks)(void);
	/* For hooks that cost even while off. */
	int (*start)(void);
	void (*stop)(void);
};

static const struct sensor sensors[] = {
	{
		.name = "hash",
		.capability = UC_SENSOR_HASH,
		.register_hooks = uc_hash_init,
		.unregister_hooks = uc_hash_exit,
	},
	{
		.name = "process",
		.capability = UC_SENSOR_PROCESS | UC_ACTION_KILL,
		.required = true,
		.register_hooks = uc_process_register,
		.unregister_hooks = uc_process_unregister,
	},
	{
		.name = "file",
		.capability = UC_SENSOR_FILE,
		.start = uc_file_start,
		.stop = uc_file_stop,
	},
	{
		.name = "file close",
		.capability = UC_SENSOR_FILE_CLOSE,
		.start = uc_file_close_start,
		.stop = uc_file_close_stop,
	},
	{
		.name = "module",
		.capability = UC_SENSOR_MODULE,
		.register_hooks = uc_module_register,
		.unregister_hooks = uc_module_unregister,
	},
	{
		.name = "image",
		.capability = UC_SENSOR_IMAGE,
		.register_hooks = uc_image_register,
		.unregister_hooks = uc_image_unregister,
	},
	{
		.name = "socket",
		.capability = UC_SENSOR_SOCKET,
		.register_hooks = uc_socket_register,
		.unregister_hooks = uc_socket_unregister,
		.start = uc_socket_start,
		.stop = uc_socket_stop,
	},
};

static void unregister_sensors(size_t count)
{
	while (count--) {
		if (uc_capabilities & sensors[count].capability && sensors[count].unregister_hooks)
			sensors[count].unregister_hooks();
		uc_capabilities &= ~sensors[count].capability;
	}
}

static int register_sensors(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sensors); i++) {
		int error = sensors[i].register_hooks ? sensors[i].register_hooks() : 0;

		if (!error) {
			uc_capabilities |= sensors[i].capability;
			continue;
		}
		pr_warn("%s sensor is not available: %d\n", sensors[i].name, error);
		if (sensors[i].required) {
			unregister_sensors(i);
			return error;
		}
	}
	return 0;
}

int uc_sensors_start(u64 wanted)
{
	u64 turn_on = wanted & uc_capabilities & UC_SENSORS_ALL;
	size_t i;
	int error;

	for (i = 0; i < ARRAY_SIZE(sensors); i++) {
		bool want = turn_on & sensors[i].capability;
		bool is_on = uc_sensor_is_on(sensors[i].capability);

		if (want && !is_on && sensors[i].start) {
			error = sensors[i].start();
			if (error)
				return error;
		} else if (!want && is_on && sensors[i].stop) {
			sensors[i].stop();
		}
		if (want)
			WRITE_ONCE(uc_sensors_on, uc_sensors_on | (turn_on & sensors[i].capability));
		else
			WRITE_ONCE(uc_sensors_on, uc_sensors_on & ~sensors[i].capability);
	}
	return 0;
}

void uc_sensors_stop(void)
{
	uc_sensors_start(0);
}

/* One region a guest. Held by probe and remove. */
static struct {
	struct pci_dev *device;
	void *memory;
	u64 bytes;
	u32 map_kind;
} region;

/*
 * Below 4 GiB the processor's range registers make the BAR uncachable whatever is asked for, and
 * memremap() says nothing; write-combining can be had there.
 */
static int map_region(struct pci_dev *device)
{
	resource_size_t start = pci_resource_start(device, REGION_BAR);

	region.bytes = pci_resource_len(device, REGION_BAR);
	if (region.bytes < UC_REGION_BYTES_MIN)
		return -ENODEV;
	if (start >= SZ_4G) {
		region.map_kind = UC_MAP_WRITE_BACK;
		region.memory = memremap(start, region.bytes, MEMREMAP_WB);
	} else {
		region.map_kind = UC_MAP_WRITE_COMBINING;
		region.memory = (void __force *)pci_ioremap_wc_bar(device, REGION_BAR);
	}
	return region.memory ? 0 : -ENOMEM;
}

static void unmap_region(void)
{
	if (region.map_kind == UC_MAP_WRITE_BACK)
		memunmap(region.memory);
	else
		iounmap((void __iomem __force *)region.memory);
	region.memory = NULL;
}

static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	int error;

	if (region.device)
		return -EBUSY;
	error = pci_enable_device(device);
	if (error)
		return error;
	error = pci_request_region(device, REGION_BAR, KBUILD_MODNAME);
	if (error)
		goto disable;
	error = map_region(device);
	if (error)
		goto release;
	uc_doorbell_open(device);
	error = uc_link_run(region.memory, region.bytes, region.map_kind);
	if (error)
		goto unmap;
	region.device = device;
	pci_info(device, "region of %llu KiB mapped %s, %s\n", region.bytes >> 10,
		 region.map_kind == UC_MAP_WRITE_BACK ? "write-back" : "write-combining",
		 uc_doorbell_is_there() ? "with a doorbell" : "polled");
	return 0;
unmap:
	uc_doorbell_close();
	unmap_region();
release:
	pci_release_region(device, REGION_BAR);
disable:
	pci_disable_device(device);
	return error;
}

static void leave(u32 reason)
{
	uc_link_stop(reason);
	uc_emit_free();
}

static void remove(struct pci_dev *device)
{
	leave(UC_UNREGISTER_UNLOAD);
	uc_doorbell_close();
	unmap_region();
	pci_release_region(device, REGION_BAR);
	pci_disable_device(device);
	region.device = NULL;
}

static void shutdown(struct pci_dev *device)
{
	leave(UC_UNREGISTER_SHUTDOWN);
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_QUMRANET, PCI_DEVICE_IVSHMEM) },
	{}
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = KBUILD_MODNAME,
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.shutdown = shutdown,
};

static int __init load(void)
{
	int error;

	error = uc_stats_init();
	if (error)
		return error;
	error = uc_scratch_init();
	if (error)
		goto stats;
	uc_identity_init();
	error = register_sensors();
	if (error)
		goto scratch;
	uc_capabilities |= uc_verdict_test();
	if (!(uc_capabilities & UC_ACTION_DENY_OPEN))
		pr_warn("this kernel asks no permission of us: opens and execs cannot be refused\n");
	error = pci_register_driver(&driver);
	if (error)
		goto sensors;
	return 0;
sensors:
	unregister_sensors(ARRAY_SIZE(sensors));
scratch:
	uc_scratch_exit();
stats:
	uc_stats_exit();
	return error;
}

static void __exit unload(void)
{
	pci_unregister_driver(&driver);
	unregister_sensors(ARRAY_SIZE(sensors));
	uc_marks_exit();
	uc_scratch_exit();
	uc_stats_exit();
}

module_init(load);
module_exit(unload);

MODULE_DESCRIPTION("Undercroft guest driver: events out, verdicts and kills in, by shared memory");
MODULE_VERSION(UC_DRIVER_VERSION);
MODULE_LICENSE("Dual MIT/GPL");
