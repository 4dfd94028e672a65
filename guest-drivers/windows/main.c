/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Load and unload. What is set up in order is taken down in mirrored order; nothing here knows what
 * a record looks like.
 */
#include "undercroft.h"
#include "../wire/uc_wire_check.gen.h"
#include "layout.h"

/* What is watched from boot on, until the server says what it wants. */
#define EARLY_SENSORS (UC_SENSOR_PROCESS | UC_SENSOR_MODULE)

uint64_t uc_sensors_on;
uint64_t uc_capabilities;

static PDRIVER_OBJECT driver_object;
static bool loaded;

/* Hooks in by load. Optional ones that fail only clear their capability. */
struct sensor {
	uint64_t capability;
	NTSTATUS (*register_hooks)(void);
	void (*unregister_hooks)(void);
	bool registered;
};

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS register_registry(void)
{
	return uc_registry_register(driver_object);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS register_filter(void)
{
	return uc_filter_register(driver_object);
}

static struct sensor sensors[] = {
	{ UC_SENSOR_REMOTE_THREAD, uc_thread_register, uc_thread_unregister, false },
	{ UC_SENSOR_PROCESS | UC_ACTION_KILL | UC_ACTION_DENY_EXEC, uc_process_register,
	  uc_process_unregister, false },
	{ UC_SENSOR_IMAGE | UC_SENSOR_MODULE, uc_image_register, uc_image_unregister,
	  false },
	{ UC_SENSOR_REGISTRY | UC_SENSOR_REGISTRY_READ, register_registry,
	  uc_registry_unregister, false },
	{ 0, uc_protect_register, uc_protect_unregister, false },
	{ UC_SENSOR_FILE | UC_SENSOR_FILE_CLOSE | UC_ACTION_DENY_OPEN, register_filter,
	  uc_filter_unregister, false },
};

#define SENSOR_COUNT (sizeof(sensors) / sizeof(sensors[0]))

_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_sensors(void)
{
	return uc_counter_load(&uc_sensors_on);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_sensors_set(uint64_t wanted)
{
	uc_counter_store(&uc_sensors_on, wanted);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void register_sensors(void)
{
	NTSTATUS status;
	size_t i;

	for (i = 0; i < SENSOR_COUNT; i++) {
		status = sensors[i].register_hooks();
		sensors[i].registered = NT_SUCCESS(status);
		if (sensors[i].registered)
			uc_capabilities |= sensors[i].capability;
		else
			DbgPrint("undercroft: sensor %d is not available: 0x%08x\n", (int)i,
				 (unsigned int)status);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void unregister_sensors(void)
{
	size_t i = SENSOR_COUNT;

	while (i--) {
		if (sensors[i].registered)
			sensors[i].unregister_hooks();
		sensors[i].registered = false;
	}
	uc_capabilities = 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void unload_all(void)
{
	if (!loaded)
		return;
	loaded = false;
#ifdef UC_TEST_REGION
	uc_test_region_close();
#endif
	uc_sensors_set(0);
	unregister_sensors();
	uc_verdict_exit();
	uc_volumes_exit();
	uc_pre_ring_exit();
	uc_emit_free();
	uc_event_exit();
	DbgPrint("undercroft: unloaded\n");
}

/* Whoever unloads the filter unloads the driver: not while a device holds the region. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS FLTAPI uc_filter_may_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
	if (uc_device_is_bound() && !(flags & FLTFL_FILTER_UNLOAD_MANDATORY))
		return STATUS_FLT_DO_NOT_DETACH;
	unload_all();
	return STATUS_SUCCESS;
}

/* Comes after the filter's, or alone where there is no filter. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI on_unload(PDRIVER_OBJECT driver)
{
	(void)driver;
	unload_all();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path)
{
	uint8_t boot_id[16];
	NTSTATUS status;

	driver_object = driver;
	driver->DriverUnload = on_unload;
	uc_capabilities = 0;
	uc_optional_resolve();
	uc_clock_init();
	uc_boot_id(registry_path, boot_id);
	uc_emit_init();
	status = uc_pre_ring_init();
	if (!NT_SUCCESS(status))
		return status;
	uc_event_init();
	uc_identity_init();
	uc_volumes_init();
	uc_verdict_init();
	uc_sensors_set(EARLY_SENSORS);
	loaded = true;
	uc_device_dispatch(driver, boot_id);
	register_sensors();
#ifdef UC_TEST_REGION
	status = uc_test_region_open(registry_path, boot_id);
	if (!NT_SUCCESS(status)) {
		unload_all();
		return status;
	}
#endif
	DbgPrint("undercroft: loaded\n");
	return STATUS_SUCCESS;
}
