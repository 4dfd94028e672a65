/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Plug and Play manager and a PCI bus with one device, whose BAR 2 is a region file. Requests
 * go through the driver's dispatch table and must be completed exactly once.
 */
#include <stdlib.h>

#include "sim.h"

static DRIVER_EXTENSION extension;
DRIVER_OBJECT sim_driver = { .DriverExtension = &extension };

static DEVICE_OBJECT bus = { .magic = SIM_MAGIC_DEVICE };
/* The driver's device above the bus. */
static PDEVICE_OBJECT function;
static const char *region_path;
static uint64_t region_bytes;
static void *mapping;
static uint64_t place = 0x100000000ull;
static uint32_t protect_asked;
static int shutdown_wanted;

void sim_device_use(const char *path)
{
	region_path = path;
}

void sim_device_place(uint64_t start)
{
	place = start;
}

uint32_t sim_map_protect(void)
{
	return protect_asked;
}

PVOID sim_map_io_space_ex(PHYSICAL_ADDRESS start, SIZE_T bytes, ULONG protect)
{
	SIM_IRQL(DISPATCH_LEVEL);
	protect_asked = protect;
	if ((uint64_t)start.QuadPart != place || bytes != region_bytes)
		sim_violation("another range mapped than the device has");
	if (sim_fails(SIM_FAIL_OPEN))
		return NULL;
	mapping = platform_map(region_path, &region_bytes);
	if (mapping)
		sim_take(SIM_MAPPING);
	return mapping;
}

PVOID MmMapIoSpace(PHYSICAL_ADDRESS start, SIZE_T bytes, MEMORY_CACHING_TYPE caching)
{
	return sim_map_io_space_ex(start, bytes, caching == MmCached ? 0x04 : 0x404);
}

void MmUnmapIoSpace(PVOID memory, SIZE_T bytes)
{
	if (memory != mapping || bytes != region_bytes)
		sim_violation("another range unmapped than was mapped");
	platform_unmap(memory, bytes);
	mapping = NULL;
	sim_give(SIM_MAPPING);
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG bytes, PUNICODE_STRING name, ULONG type,
			ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device)
{
	(void)name;
	(void)type;
	(void)characteristics;
	(void)exclusive;
	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	*device = calloc(1, sizeof(**device) + bytes);
	if (!*device)
		abort();
	(*device)->magic = SIM_MAGIC_DEVICE;
	(*device)->DriverObject = driver;
	(*device)->Flags = DO_DEVICE_INITIALIZING;
	(*device)->DeviceExtension = *device + 1;
	sim_take(SIM_DEVICE);
	return STATUS_SUCCESS;
}

void IoDeleteDevice(PDEVICE_OBJECT device)
{
	if (bus.AttachedDevice == device)
		sim_violation("a device deleted that is attached");
	if (function == device)
		function = NULL;
	free(device);
	sim_give(SIM_DEVICE);
}

PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT device, PDEVICE_OBJECT below)
{
	if (sim_fails(SIM_FAIL_CONTEXT))
		return NULL;
	below->AttachedDevice = device;
	function = device;
	return below;
}

void IoDetachDevice(PDEVICE_OBJECT below)
{
	below->AttachedDevice = NULL;
}

NTSTATUS IoRegisterShutdownNotification(PDEVICE_OBJECT device)
{
	(void)device;
	shutdown_wanted++;
	return STATUS_SUCCESS;
}

void IoUnregisterShutdownNotification(PDEVICE_OBJECT device)
{
	(void)device;
	shutdown_wanted--;
}

/* The bus's driver: agrees to everything. */
NTSTATUS IoCallDriver(PDEVICE_OBJECT device, PIRP irp)
{
	if (device != &bus)
		sim_violation("a request sent to no device of the stack");
	irp->completions++;
	return irp->IoStatus.Status;
}

NTSTATUS PoCallDriver(PDEVICE_OBJECT device, PIRP irp)
{
	return IoCallDriver(device, irp);
}

void PoStartNextPowerIrp(PIRP irp)
{
	(void)irp;
}

BOOLEAN IoForwardIrpSynchronously(PDEVICE_OBJECT device, PIRP irp)
{
	SIM_IRQL(APC_LEVEL);
	if (device != &bus)
		sim_violation("a request sent to no device of the stack");
	irp->IoStatus.Status = sim_fails(SIM_FAIL_TERMINATE) ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
	return TRUE;
}

void IoCompleteRequest(PIRP irp, CCHAR boost)
{
	(void)boost;
	irp->completions++;
}

static NTSTATUS send(UCHAR major, UCHAR minor)
{
	CM_RESOURCE_LIST resources = { .Count = 1 };
	CM_PARTIAL_RESOURCE_LIST *list = &resources.List[0].PartialResourceList;
	IRP irp = { .IoStatus = { .Status = STATUS_NOT_SUPPORTED } };
	NTSTATUS status;

	/* BAR 0 and 1 are small. */
	list->Count = 3;
	list->PartialDescriptors[0].Type = CmResourceTypeMemory;
	list->PartialDescriptors[0].u.Memory.Length = 256;
	list->PartialDescriptors[1].Type = 2;
	list->PartialDescriptors[2].Type = CmResourceTypeMemory;
	list->PartialDescriptors[2].u.Memory.Start.QuadPart = (LONGLONG)place;
	list->PartialDescriptors[2].u.Memory.Length = (ULONG)region_bytes;
	irp.stack.MajorFunction = major;
	irp.stack.MinorFunction = minor;
	irp.stack.Parameters.StartDevice.AllocatedResourcesTranslated = &resources;
	status = sim_driver.MajorFunction[major](function, &irp);
	if (irp.completions != 1)
		sim_violation("a request completed %d times", irp.completions);
	return status;
}

static NTSTATUS start(void)
{
	void *memory = platform_map(region_path, &region_bytes);
	NTSTATUS status;

	if (!memory)
		return STATUS_NO_SUCH_DEVICE;
	platform_unmap(memory, region_bytes);
	if (!function) {
		status = extension.AddDevice(&sim_driver, &bus);
		if (!NT_SUCCESS(status))
			return status;
		if (function->Flags & DO_DEVICE_INITIALIZING)
			sim_violation("a device that is for ever being made");
	}
	return send(IRP_MJ_PNP, IRP_MN_START_DEVICE);
}

NTSTATUS sim_device(const char *what)
{
	if (!sim_is_loaded())
		return STATUS_NO_SUCH_DEVICE;
	if (!strcmp(what, "start"))
		return start();
	if (!function)
		return STATUS_NO_SUCH_DEVICE;
	if (!strcmp(what, "stop"))
		return send(IRP_MJ_PNP, IRP_MN_STOP_DEVICE);
	if (!strcmp(what, "query"))
		return send(IRP_MJ_PNP, IRP_MN_QUERY_REMOVE_DEVICE);
	if (!strcmp(what, "surprise"))
		return send(IRP_MJ_PNP, IRP_MN_SURPRISE_REMOVAL);
	if (!strcmp(what, "power"))
		return send(IRP_MJ_POWER, 2);
	if (!strcmp(what, "shutdown"))
		return shutdown_wanted ? send(IRP_MJ_SHUTDOWN, 0) : STATUS_NOT_SUPPORTED;
	if (!strcmp(what, "remove"))
		return send(IRP_MJ_PNP, IRP_MN_REMOVE_DEVICE);
	return STATUS_INVALID_PARAMETER;
}
