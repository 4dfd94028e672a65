/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The PCI function 1af4:1110 behind the region: a plain function driver that maps BAR 2 when the
 * device starts and gives it back when it stops. Requests that are not about that go on down.
 */
#include "undercroft.h"

#define FOUR_GIB 0x100000000ll
/* Documented values of page protection, for MmMapIoSpaceEx. */
#define PROTECT_READWRITE 0x04u
#define PROTECT_WRITECOMBINE 0x400u

struct extension {
	PDEVICE_OBJECT lower;
	PHYSICAL_ADDRESS start;
	uint64_t bytes;
	void *memory;
	bool shutdown_registered;
};

static uint8_t boot_id[16];
/* The device that holds the region: there is one region a guest. */
static PDEVICE_OBJECT bound;

/* BAR 2 is the only one of a region's size: 0 is registers, 1 the interrupt table. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool find_region(struct extension *extension, PCM_RESOURCE_LIST resources)
{
	PCM_PARTIAL_RESOURCE_LIST list;
	PCM_PARTIAL_RESOURCE_DESCRIPTOR part;
	ULONG i;

	extension->bytes = 0;
	if (!resources || resources->Count < 1)
		return false;
	list = &resources->List[0].PartialResourceList;
	for (i = 0; i < list->Count; i++) {
		part = &list->PartialDescriptors[i];
		if (part->Type != CmResourceTypeMemory ||
		    part->u.Memory.Length < UC_REGION_BYTES_MIN)
			continue;
		extension->start = part->u.Memory.Start;
		extension->bytes = part->u.Memory.Length;
	}
	return extension->bytes != 0;
}

/*
 * Below 4 GiB the processor's range registers make the BAR uncachable whatever is asked for;
 * write-combining can be had there.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t map_region(struct extension *extension)
{
	const bool high = extension->start.QuadPart >= FOUR_GIB;
	const ULONG protect = PROTECT_READWRITE | (high ? 0 : PROTECT_WRITECOMBINE);

	if (uc_optional.map_io_space_ex)
		extension->memory = uc_optional.map_io_space_ex(extension->start,
								extension->bytes, protect);
	else
		extension->memory = MmMapIoSpace(extension->start, extension->bytes,
						 high ? MmCached : MmWriteCombined);
	return high ? UC_MAP_WRITE_BACK : UC_MAP_WRITE_COMBINING;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS bind(PDEVICE_OBJECT device, PCM_RESOURCE_LIST resources)
{
	struct extension *extension = device->DeviceExtension;
	uint32_t map_kind;
	NTSTATUS status;

	if (bound)
		return STATUS_DEVICE_BUSY;
	if (!find_region(extension, resources))
		return STATUS_DEVICE_CONFIGURATION_ERROR;
	map_kind = map_region(extension);
	if (!extension->memory)
		return STATUS_INSUFFICIENT_RESOURCES;
	status = uc_link_run(extension->memory, extension->bytes, map_kind, boot_id);
	if (!NT_SUCCESS(status)) {
		MmUnmapIoSpace(extension->memory, extension->bytes);
		extension->memory = NULL;
		return status;
	}
	bound = device;
	extension->shutdown_registered = NT_SUCCESS(IoRegisterShutdownNotification(device));
	return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void unbind(PDEVICE_OBJECT device)
{
	struct extension *extension = device->DeviceExtension;

	if (bound != device)
		return;
	if (extension->shutdown_registered)
		IoUnregisterShutdownNotification(device);
	extension->shutdown_registered = false;
	uc_link_stop(UC_UNREGISTER_UNLOAD);
	MmUnmapIoSpace(extension->memory, extension->bytes);
	extension->memory = NULL;
	bound = NULL;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS complete(PIRP irp, NTSTATUS status)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = 0;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static NTSTATUS NTAPI pass_down(PDEVICE_OBJECT device, PIRP irp)
{
	struct extension *extension = device->DeviceExtension;

	IoSkipCurrentIrpStackLocation(irp);
	return IoCallDriver(extension->lower, irp);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS start_device(PDEVICE_OBJECT device, PIRP irp)
{
	struct extension *extension = device->DeviceExtension;
	PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);

	/* The bus first: before it has, nothing is there to be mapped. */
	if (!IoForwardIrpSynchronously(extension->lower, irp))
		return complete(irp, STATUS_UNSUCCESSFUL);
	if (!NT_SUCCESS(irp->IoStatus.Status))
		return complete(irp, irp->IoStatus.Status);
	return complete(
		irp, bind(device, stack->Parameters.StartDevice.AllocatedResourcesTranslated));
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS remove_device(PDEVICE_OBJECT device, PIRP irp)
{
	struct extension *extension = device->DeviceExtension;
	PDEVICE_OBJECT lower = extension->lower;
	NTSTATUS status;

	unbind(device);
	irp->IoStatus.Status = STATUS_SUCCESS;
	status = pass_down(device, irp);
	IoDetachDevice(lower);
	IoDeleteDevice(device);
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS NTAPI on_pnp(PDEVICE_OBJECT device, PIRP irp)
{
	switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
	case IRP_MN_START_DEVICE:
		return start_device(device, irp);
	case IRP_MN_REMOVE_DEVICE:
		return remove_device(device, irp);
	case IRP_MN_STOP_DEVICE:
	case IRP_MN_SURPRISE_REMOVAL:
		unbind(device);
		irp->IoStatus.Status = STATUS_SUCCESS;
		break;
	case IRP_MN_QUERY_STOP_DEVICE:
	case IRP_MN_CANCEL_STOP_DEVICE:
	case IRP_MN_QUERY_REMOVE_DEVICE:
	case IRP_MN_CANCEL_REMOVE_DEVICE:
		irp->IoStatus.Status = STATUS_SUCCESS;
		break;
	default:
		break;
	}
	return pass_down(device, irp);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static NTSTATUS NTAPI on_power(PDEVICE_OBJECT device, PIRP irp)
{
	struct extension *extension = device->DeviceExtension;

	PoStartNextPowerIrp(irp);
	IoSkipCurrentIrpStackLocation(irp);
	return PoCallDriver(extension->lower, irp);
}

/* The region stays mapped: the machine goes off under it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS NTAPI on_shutdown(PDEVICE_OBJECT device, PIRP irp)
{
	if (bound == device)
		uc_link_stop(UC_UNREGISTER_SHUTDOWN);
	return complete(irp, STATUS_SUCCESS);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical)
{
	struct extension *extension;
	PDEVICE_OBJECT device;
	NTSTATUS status;

	status = IoCreateDevice(driver, sizeof(*extension), NULL, FILE_DEVICE_UNKNOWN,
				FILE_DEVICE_SECURE_OPEN, FALSE, &device);
	if (!NT_SUCCESS(status))
		return status;
	extension = device->DeviceExtension;
	memset(extension, 0, sizeof(*extension));
	extension->lower = IoAttachDeviceToDeviceStack(device, physical);
	if (!extension->lower) {
		IoDeleteDevice(device);
		return STATUS_NO_SUCH_DEVICE;
	}
	device->Flags |= extension->lower->Flags &
			 (DO_BUFFERED_IO | DO_DIRECT_IO | DO_POWER_PAGABLE);
	device->Flags &= ~DO_DEVICE_INITIALIZING;
	return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_device_dispatch(PDRIVER_OBJECT driver, const uint8_t id[16])
{
	int i;

	memcpy(boot_id, id, sizeof(boot_id));
	for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
		driver->MajorFunction[i] = pass_down;
	driver->MajorFunction[IRP_MJ_PNP] = on_pnp;
	driver->MajorFunction[IRP_MJ_POWER] = on_power;
	driver->MajorFunction[IRP_MJ_SHUTDOWN] = on_shutdown;
	driver->DriverExtension->AddDevice = add_device;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_device_is_bound(void)
{
	return bound != NULL;
}
