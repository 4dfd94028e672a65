/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Keys and values of the registry. Changes are told after they happened, with their status; a key's
 * name is taken before where it is gone or another one after. Opens, closes and reads have a sensor
 * of their own, because there are hundreds of them for each change.
 */
#include "undercroft.h"

/* Of a value's data. */
#define DATA_BYTES_MAX 1024u

static LARGE_INTEGER cookie;

/* A key's name between the two halves of an operation. */
struct pending {
	PCUNICODE_STRING key;
};

struct registry_record {
	uint16_t type;
	uint32_t status;
	uint32_t value_type;
	uint32_t data_bytes;
	const void *data;
	PCUNICODE_STRING name;
};

/* Released with release_name(); NULL when the kernel does not say. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static PCUNICODE_STRING name_of(PVOID object)
{
	PCUNICODE_STRING name = NULL;

	if (!object || !NT_SUCCESS(uc_optional.cm_key_name(&cookie, object, NULL, &name, 0)))
		return NULL;
	return name;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void release_name(PCUNICODE_STRING name)
{
	if (name)
		uc_optional.cm_release_name(name);
}

/* TRUST: data is the caller's memory, copied once; what cannot be read is told as cut. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void add_data(struct uc_event *event, const struct registry_record *record)
{
	const uint32_t wanted =
		record->data_bytes < DATA_BYTES_MAX ? record->data_bytes : DATA_BYTES_MAX;
	uint32_t room;
	void *target;

	if (!wanted)
		return;
	target = uc_record_field_reserve(&event->record, UC_FIELD_DATA, wanted, &room);
	if (target) {
		const uint32_t copied = uc_copy_from_caller(target, record->data, room);

		uc_record_field_commit(&event->record, copied, copied < record->data_bytes);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void emit(const struct registry_record *record, PCUNICODE_STRING key)
{
	struct uc_registry_event body = { record->value_type, record->data_bytes, record->status,
					  0 };
	struct uc_event_header header;
	struct uc_event event;

	uc_identity_current(&header);
	if (!uc_event_begin(&event, UC_ROUTINE, record->type, &header, &body,
			    uc_text_bytes(key) + uc_text_bytes(record->name) +
				    uc_field_bytes(DATA_BYTES_MAX)))
		return;
	uc_event_text(&event, UC_FIELD_KEY, key);
	uc_event_text(&event, UC_FIELD_NAME, record->name);
	add_data(&event, record);
	uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void emit_object(const struct registry_record *record, PVOID object)
{
	PCUNICODE_STRING key = name_of(object);

	if (key)
		emit(record, key);
	else
		uc_emit_lose(record->type, UC_LOSS_ENCODE_ERROR);
	release_name(key);
}

/* Keeps the name for the second half; without memory the operation goes untold, and counted. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void before(uint16_t type, PVOID object, PVOID *call_context)
{
	struct pending *pending;

	*call_context = NULL;
	if (!uc_sensor_is_on(UC_SENSOR_REGISTRY))
		return;
	pending = ExAllocatePoolWithTag(PagedPool, sizeof(*pending), UC_POOL_TAG);
	if (pending) {
		pending->key = name_of(object);
		if (pending->key) {
			*call_context = pending;
			return;
		}
		ExFreePoolWithTag(pending, UC_POOL_TAG);
	}
	uc_emit_lose(type, UC_LOSS_ENCODE_ERROR);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void after(struct registry_record *record, const REG_POST_OPERATION_INFORMATION *info)
{
	struct pending *pending = info->CallContext;

	if (!pending)
		return;
	if (uc_sensor_is_on(UC_SENSOR_REGISTRY))
		emit(record, pending->key);
	release_name(pending->key);
	ExFreePoolWithTag(pending, UC_POOL_TAG);
}

/* Opened, or made: the kernel says which where the caller asked for it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_created(const REG_POST_OPERATION_INFORMATION *info, struct registry_record *record)
{
	const REG_CREATE_KEY_INFORMATION *pre = info->PreInformation;
	ULONG disposition = REG_CREATED_NEW_KEY;

	if (pre && pre->Disposition)
		uc_copy_from_caller(&disposition, pre->Disposition, sizeof(disposition));
	if (disposition != REG_CREATED_NEW_KEY)
		record->type = UC_RECORD_KEY_OPEN;
	if (uc_sensor_is_on(record->type == UC_RECORD_KEY_OPEN ? UC_SENSOR_REGISTRY_READ :
								 UC_SENSOR_REGISTRY))
		emit_object(record, info->Object);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_value(const REG_POST_OPERATION_INFORMATION *info, struct registry_record *record)
{
	const REG_SET_VALUE_KEY_INFORMATION *set = info->PreInformation;
	const REG_DELETE_VALUE_KEY_INFORMATION *removed = info->PreInformation;

	if (!uc_sensor_is_on(UC_SENSOR_REGISTRY) || !info->PreInformation)
		return;
	if (record->type == UC_RECORD_VALUE_SET) {
		record->name = set->ValueName;
		record->value_type = set->Type;
		record->data_bytes = set->DataSize;
		record->data = set->Data;
	} else {
		record->name = removed->ValueName;
	}
	emit_object(record, info->Object);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_read(REG_NOTIFY_CLASS what, const REG_POST_OPERATION_INFORMATION *info,
		    struct registry_record *record)
{
	const REG_QUERY_VALUE_KEY_INFORMATION *query = info->PreInformation;

	if (!uc_sensor_is_on(UC_SENSOR_REGISTRY_READ) || !NT_SUCCESS(info->Status))
		return;
	if (what == RegNtPostQueryValueKey && query)
		record->name = query->ValueName;
	emit_object(record, info->Object);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_after(REG_NOTIFY_CLASS what, const REG_POST_OPERATION_INFORMATION *info)
{
	struct registry_record record = { .status = (uint32_t)info->Status };
	const REG_RENAME_KEY_INFORMATION *rename = info->PreInformation;

	switch (what) {
	case RegNtPostCreateKeyEx:
	case RegNtPostOpenKeyEx:
		record.type = what == RegNtPostOpenKeyEx ? UC_RECORD_KEY_OPEN : UC_RECORD_KEY_CREATE;
		/* Only a success has an object to name. */
		if (info->Status != STATUS_SUCCESS)
			break;
		if (what == RegNtPostCreateKeyEx)
			on_created(info, &record);
		else if (uc_sensor_is_on(UC_SENSOR_REGISTRY_READ))
			emit_object(&record, info->Object);
		break;
	case RegNtPostSetValueKey:
	case RegNtPostDeleteValueKey:
		record.type = what == RegNtPostSetValueKey ? UC_RECORD_VALUE_SET :
							     UC_RECORD_VALUE_DELETE;
		on_value(info, &record);
		break;
	case RegNtPostDeleteKey:
		record.type = UC_RECORD_KEY_DELETE;
		after(&record, info);
		break;
	case RegNtPostRenameKey:
		record.type = UC_RECORD_KEY_RENAME;
		record.name = rename ? rename->NewName : NULL;
		after(&record, info);
		break;
	default:
		record.type = UC_RECORD_KEY_READ;
		on_read(what, info, &record);
		break;
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS NTAPI on_registry(PVOID context, PVOID argument, PVOID information)
{
	const REG_NOTIFY_CLASS what = (REG_NOTIFY_CLASS)(ULONG_PTR)argument;
	REG_DELETE_KEY_INFORMATION *remove = information;
	REG_RENAME_KEY_INFORMATION *rename = information;
	REG_KEY_HANDLE_CLOSE_INFORMATION *close = information;
	struct registry_record record = { .type = UC_RECORD_KEY_CLOSE };

	(void)context;
	switch (what) {
	case RegNtPreDeleteKey:
		before(UC_RECORD_KEY_DELETE, remove->Object, &remove->CallContext);
		break;
	case RegNtPreRenameKey:
		before(UC_RECORD_KEY_RENAME, rename->Object, &rename->CallContext);
		break;
	case RegNtPreKeyHandleClose:
		if (uc_sensor_is_on(UC_SENSOR_REGISTRY_READ))
			emit_object(&record, close->Object);
		break;
	case RegNtPostCreateKeyEx:
	case RegNtPostOpenKeyEx:
	case RegNtPostSetValueKey:
	case RegNtPostDeleteValueKey:
	case RegNtPostDeleteKey:
	case RegNtPostRenameKey:
	case RegNtPostQueryKey:
	case RegNtPostQueryValueKey:
	case RegNtPostEnumerateKey:
	case RegNtPostEnumerateValueKey:
	case RegNtPostQueryMultipleValueKey:
		on_after(what, information);
		break;
	default:
		break;
	}
	return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_registry_register(PDRIVER_OBJECT driver)
{
	UNICODE_STRING altitude;

	if (!uc_optional.cm_register || !uc_optional.cm_unregister || !uc_optional.cm_key_name ||
	    !uc_optional.cm_release_name)
		return STATUS_NOT_SUPPORTED;
	RtlInitUnicodeString(&altitude, UC_ALTITUDE);
	return uc_optional.cm_register(on_registry, &altitude, driver, NULL, &cookie, NULL);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_registry_unregister(void)
{
	uc_optional.cm_unregister(cookie);
}
