/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Which device is mounted as which drive. The filter manager says which volumes there are; letters
 * are asked for later and from our own thread, because asking during a mount can wait for it.
 */
#include "undercroft.h"

#define VOLUMES_MAX 64u
/* Folded UTF-8; a name that is longer is not told and not shortened. */
#define NAME_BYTES_MAX 128u
#define NAME_UNITS_MAX 128u

struct volume {
	/* Referenced while it is in the table. */
	PFLT_VOLUME volume;
	uint32_t device_units;
	uint32_t mount_units;
	WCHAR device[NAME_UNITS_MAX];
	WCHAR mount[NAME_UNITS_MAX];
	uint32_t device_bytes;
	uint32_t mount_bytes;
	uint8_t device_folded[NAME_BYTES_MAX];
	uint8_t mount_folded[NAME_BYTES_MAX];
	bool told;
};

static FAST_MUTEX lock;
static struct volume volumes[VOLUMES_MAX];

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_init(void)
{
	ExInitializeFastMutex(&lock);
	memset(volumes, 0, sizeof(volumes));
}

/* 0: too long to be kept. */
_IRQL_requires_max_(APC_LEVEL)
static uint32_t fold_name(uint8_t folded[NAME_BYTES_MAX], const WCHAR *name, uint32_t units)
{
	uint32_t bytes;

	if (uc_utf8_bytes(name, units) > NAME_BYTES_MAX)
		return 0;
	bytes = uc_utf8_from(name, units, folded, NAME_BYTES_MAX);
	uc_fold(folded, bytes);
	return bytes;
}

/* Returns the volume that left the table, whose reference the caller gives back. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static PFLT_VOLUME forget(uint32_t index)
{
	PFLT_VOLUME volume;

	ExAcquireFastMutex(&lock);
	volume = volumes[index].volume;
	memset(&volumes[index], 0, sizeof(volumes[index]));
	ExReleaseFastMutex(&lock);
	return volume;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_exit(void)
{
	PFLT_VOLUME volume;
	uint32_t i;

	for (i = 0; i < VOLUMES_MAX; i++) {
		volume = forget(i);
		if (volume)
			FltObjectDereference(volume);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool insert(PFLT_VOLUME volume, const WCHAR *device, uint32_t units)
{
	bool inserted = false;
	uint32_t i;

	ExAcquireFastMutex(&lock);
	for (i = 0; i < VOLUMES_MAX && !inserted; i++) {
		if (volumes[i].volume)
			continue;
		memset(&volumes[i], 0, sizeof(volumes[i]));
		volumes[i].volume = volume;
		volumes[i].device_units = units;
		memcpy(volumes[i].device, device, units * sizeof(WCHAR));
		volumes[i].device_bytes = fold_name(volumes[i].device_folded, device, units);
		inserted = true;
	}
	ExReleaseFastMutex(&lock);
	return inserted;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volume_add(PFLT_VOLUME volume)
{
	WCHAR device[NAME_UNITS_MAX];
	UNICODE_STRING name;

	name.Buffer = device;
	name.Length = 0;
	name.MaximumLength = sizeof(device);
	if (!NT_SUCCESS(FltGetVolumeName(volume, &name, NULL)) ||
	    !NT_SUCCESS(FltObjectReference(volume)))
		return;
	if (!insert(volume, device, name.Length / sizeof(WCHAR)))
		FltObjectDereference(volume);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void tell(const struct volume *entry, uint32_t state)
{
	const struct uc_volume body = { state, 0 };
	struct uc_event_header header;
	struct uc_event event;
	UNICODE_STRING device;
	UNICODE_STRING mount;

	device.Buffer = (WCHAR *)entry->device;
	device.Length = device.MaximumLength = (USHORT)(entry->device_units * sizeof(WCHAR));
	mount.Buffer = (WCHAR *)entry->mount;
	mount.Length = mount.MaximumLength = (USHORT)(entry->mount_units * sizeof(WCHAR));
	uc_identity_current(&header);
	if (!uc_event_begin(&event, UC_PRIORITY, UC_RECORD_VOLUME, &header, &body,
			    uc_text_bytes(&device) + uc_text_bytes(&mount)))
		return;
	uc_event_text(&event, UC_FIELD_PATH, &device);
	uc_event_text(&event, UC_FIELD_NAME, &mount);
	uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool copy_entry(struct volume *copy, uint32_t index)
{

	ExAcquireFastMutex(&lock);
	*copy = volumes[index];
	/* For as long as the copy is used. */
	if (copy->volume && !NT_SUCCESS(FltObjectReference(copy->volume)))
		copy->volume = NULL;
	ExReleaseFastMutex(&lock);
	return copy->volume != NULL;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volume_remove(PFLT_VOLUME volume)
{
	struct volume *copy = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*copy), UC_POOL_TAG);
	PFLT_VOLUME gone;
	uint32_t i;

	for (i = 0; i < VOLUMES_MAX; i++) {
		if (volumes[i].volume != volume)
			continue;
		if (copy && copy_entry(copy, i)) {
			if (copy->told)
				tell(copy, UC_VOLUME_GONE);
			FltObjectDereference(copy->volume);
		}
		gone = forget(i);
		if (gone)
			FltObjectDereference(gone);
	}
	if (copy)
		ExFreePoolWithTag(copy, UC_POOL_TAG);
}

/* True: it has a drive now that it had not before. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool find_mount(struct volume *copy, uint32_t index)
{
	PDEVICE_OBJECT device;
	UNICODE_STRING name;
	bool found = false;

	if (copy->mount_units || !NT_SUCCESS(FltGetDiskDeviceObject(copy->volume, &device)))
		return false;
	if (NT_SUCCESS(IoVolumeDeviceToDosName(device, &name))) {
		if (name.Length && name.Length <= sizeof(copy->mount)) {
			copy->mount_units = name.Length / sizeof(WCHAR);
			memcpy(copy->mount, name.Buffer, name.Length);
			copy->mount_bytes =
				fold_name(copy->mount_folded, copy->mount, copy->mount_units);
			found = true;
		}
		ExFreePool(name.Buffer);
	}
	ObDereferenceObject(device);
	ExAcquireFastMutex(&lock);
	if (found && volumes[index].volume == copy->volume)
		volumes[index] = *copy;
	ExReleaseFastMutex(&lock);
	return found;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_tell(bool all)
{
	struct volume *copy = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*copy), UC_POOL_TAG);
	uint32_t i;

	if (!copy)
		return;
	for (i = 0; i < VOLUMES_MAX; i++) {
		if (!copy_entry(copy, i))
			continue;
		if (find_mount(copy, i) || all || !copy->told)
			tell(copy, UC_VOLUME_MOUNTED);
		/* One word is flipped; a volume that left meanwhile is cleared when it is added. */
		volumes[i].told = true;
		FltObjectDereference(copy->volume);
	}
	ExFreePoolWithTag(copy, UC_POOL_TAG);
}

_IRQL_requires_max_(APC_LEVEL)
static bool is_below(const struct volume *entry, const uint8_t *path, uint32_t bytes)
{
	return entry->device_bytes && entry->mount_bytes && entry->device_bytes < bytes &&
	       entry->mount_bytes <= entry->device_bytes && path[entry->device_bytes] == '/' &&
	       memcmp(path, entry->device_folded, entry->device_bytes) == 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_volumes_shorten(uint8_t *path, uint32_t bytes)
{
	static const char dos_prefix[] = { '/', '?', '?', '/' };
	const struct volume *entry;
	uint32_t i;

	if (bytes > 4 && memcmp(path, dos_prefix, sizeof(dos_prefix)) == 0) {
		memmove(path, path + 4, bytes - 4);
		return bytes - 4;
	}
	ExAcquireFastMutex(&lock);
	for (i = 0; i < VOLUMES_MAX; i++) {
		entry = &volumes[i];
		if (!entry->volume || !is_below(entry, path, bytes))
			continue;
		memcpy(path, entry->mount_folded, entry->mount_bytes);
		memmove(path + entry->mount_bytes, path + entry->device_bytes,
			bytes - entry->device_bytes);
		bytes = bytes - entry->device_bytes + entry->mount_bytes;
		break;
	}
	ExReleaseFastMutex(&lock);
	return bytes;
}
