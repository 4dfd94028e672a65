/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Files created, opened, written and closed, and opens refused. What a handle wrote is summed up in
 * a context of that handle and told once, at its cleanup.
 */
#include "undercroft.h"

/* Internal opens of the I/O manager: of a rename's target folder, of paging files. */
#define INTERNAL_OPENS (SL_OPEN_TARGET_DIRECTORY | SL_OPEN_PAGING_FILE)
#define WRITE_ACCESS (FILE_WRITE_DATA | FILE_APPEND_DATA)
#define ANY_FILE_SENSOR (UC_SENSOR_FILE | UC_SENSOR_FILE_CLOSE)

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_file_emit(const struct uc_file_record *file, PCUNICODE_STRING path,
		  PCUNICODE_STRING old_path)
{
	struct uc_event_header header;
	struct uc_file_event body;
	struct uc_event event;

	memset(&body, 0, sizeof(body));
	body.size_bytes = file->size_bytes;
	body.flags = file->flags;
	uc_identity_current(&header);
	if (!uc_event_begin(&event, UC_ROUTINE, file->type, &header, &body,
			    uc_text_bytes(path) + uc_text_bytes(old_path)))
		return;
	uc_event_text(&event, UC_FIELD_PATH, path);
	uc_event_text(&event, UC_FIELD_OLD_PATH, old_path);
	uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool is_internal(PFLT_CALLBACK_DATA data)
{
	return (data->Iopb->OperationFlags & INTERNAL_OPENS) != 0;
}

/* No name, no refusal: a guest must go on where the file system cannot say what it opens. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool is_refused(PFLT_CALLBACK_DATA data)
{
	PFLT_FILE_NAME_INFORMATION name;
	struct uc_event_header header;
	bool refused;

	/* The kernel's own opens keep the guest running. */
	if (data->RequestorMode == KernelMode || !uc_verdict_wanted(UC_OPERATION_OPEN))
		return false;
	if (!NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)))
		return false;
	uc_identity_current(&header);
	refused = uc_verdict_refuses(UC_OPERATION_OPEN, &name->Name, &header);
	FltReleaseFileNameInformation(name);
	return refused;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_create(PFLT_CALLBACK_DATA data,
					       PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
	(void)objects;
	*context = NULL;
	if (is_internal(data))
		return FLT_PREOP_SUCCESS_NO_CALLBACK;
	if (is_refused(data)) {
		data->IoStatus.Status = STATUS_ACCESS_DENIED;
		data->IoStatus.Information = 0;
		return FLT_PREOP_COMPLETE;
	}
	return uc_sensor_is_on(ANY_FILE_SENSOR) ? FLT_PREOP_SUCCESS_WITH_CALLBACK :
						  FLT_PREOP_SUCCESS_NO_CALLBACK;
}

/* What a successful create did; 0: nothing to tell. The kernel's own mere opens are not told. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static uint16_t type_of(PFLT_CALLBACK_DATA data, bool is_directory)
{
	switch (data->IoStatus.Information) {
	case FILE_CREATED:
	case FILE_OVERWRITTEN:
	case FILE_SUPERSEDED:
		return UC_RECORD_FILE_CREATE;
	case FILE_OPENED:
		return is_directory || data->RequestorMode == KernelMode ? 0 : UC_RECORD_FILE_OPEN;
	default:
		return 0;
	}
}

/* Takes the name over on success. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool attach_context(PCFLT_RELATED_OBJECTS objects, PFLT_FILE_NAME_INFORMATION name,
			   uint32_t flags, bool delete_on_close)
{
	struct uc_handle_context *handle;
	PFLT_CONTEXT made;
	NTSTATUS status;

	if (!NT_SUCCESS(FltAllocateContext(uc_filter, FLT_STREAMHANDLE_CONTEXT, sizeof(*handle),
					   NonPagedPoolNx, &made)))
		return false;
	handle = made;
	memset(handle, 0, sizeof(*handle));
	handle->flags = flags;
	handle->delete_on_close = delete_on_close;
	handle->name = name;
	status = FltSetStreamHandleContext(objects->Instance, objects->FileObject,
					   FLT_SET_CONTEXT_KEEP_IF_EXISTS, made, NULL);
	if (!NT_SUCCESS(status))
		handle->name = NULL;
	/* Ours; the handle has its own reference now, or there is none and it is freed. */
	FltReleaseContext(made);
	return NT_SUCCESS(status);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool wants_context(PFLT_CALLBACK_DATA data, bool is_directory)
{
	const FLT_PARAMETERS *parameters = &data->Iopb->Parameters;
	const ACCESS_MASK access = parameters->Create.SecurityContext->DesiredAccess;

	if (parameters->Create.Options & FILE_DELETE_ON_CLOSE)
		return true;
	if (is_directory)
		return false;
	return uc_sensor_is_on(UC_SENSOR_FILE_CLOSE) || (access & WRITE_ACCESS) != 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_created(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
		       PFLT_FILE_NAME_INFORMATION name)
{
	const FLT_PARAMETERS *parameters = &data->Iopb->Parameters;
	const bool deletes = (parameters->Create.Options & FILE_DELETE_ON_CLOSE) != 0;
	struct uc_file_record file = { 0 };
	BOOLEAN is_directory = FALSE;

	FltIsDirectory(objects->FileObject, objects->Instance, &is_directory);
	file.type = type_of(data, is_directory);
	file.flags = is_directory ? UC_FILE_DIRECTORY : 0;
	if (parameters->Create.SecurityContext->DesiredAccess & FILE_EXECUTE && !is_directory)
		file.flags |= UC_FILE_EXECUTE;
	if (file.type && uc_sensor_is_on(UC_SENSOR_FILE))
		uc_file_emit(&file, &name->Name, NULL);
	if (!wants_context(data, is_directory) ||
	    !attach_context(objects, name, file.flags, deletes))
		FltReleaseFileNameInformation(name);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
FLT_POSTOP_CALLBACK_STATUS FLTAPI uc_post_create(PFLT_CALLBACK_DATA data,
						 PCFLT_RELATED_OBJECTS objects, PVOID context,
						 FLT_POST_OPERATION_FLAGS flags)
{
	PFLT_FILE_NAME_INFORMATION name;

	(void)context;
	/* A reparse is no open: the open comes again, with the other name. */
	if (flags & FLTFL_POST_OPERATION_DRAINING || !NT_SUCCESS(data->IoStatus.Status) ||
	    data->IoStatus.Status == STATUS_REPARSE)
		return FLT_POSTOP_FINISHED_PROCESSING;
	if (!NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)) &&
	    !NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
		if (data->IoStatus.Information != FILE_OPENED)
			uc_emit_lose(UC_RECORD_FILE_CREATE, UC_LOSS_ENCODE_ERROR);
		return FLT_POSTOP_FINISHED_PROCESSING;
	}
	on_created(data, objects, name);
	return FLT_POSTOP_FINISHED_PROCESSING;
}

/* What was asked for, not what arrived: good enough for a sum, and no callback on the way back. */
_IRQL_requires_max_(APC_LEVEL)
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_write(PFLT_CALLBACK_DATA data,
					      PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
	PFLT_CONTEXT found;

	*context = NULL;
	if (KeGetCurrentIrql() <= APC_LEVEL && uc_sensor_is_on(ANY_FILE_SENSOR) &&
	    NT_SUCCESS(FltGetStreamHandleContext(objects->Instance, objects->FileObject, &found))) {
		struct uc_handle_context *handle = found;

		uc_atomic_fetch_add_u64(&handle->bytes_written,
					data->Iopb->Parameters.Write.Length);
		FltReleaseContext(found);
	}
	return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_cleanup(const struct uc_handle_context *handle)
{
	const uint64_t written = uc_counter_load(&handle->bytes_written);
	struct uc_file_record file = { UC_RECORD_FILE_WRITE, handle->flags, written };
	PCUNICODE_STRING path = &handle->name->Name;

	if (written && uc_sensor_is_on(UC_SENSOR_FILE))
		uc_file_emit(&file, path, NULL);
	file.size_bytes = 0;
	if (handle->delete_on_close && uc_sensor_is_on(UC_SENSOR_FILE)) {
		file.type = UC_RECORD_FILE_DELETE;
		uc_file_emit(&file, path, NULL);
	}
	file.type = UC_RECORD_FILE_CLOSE;
	file.flags |= written ? UC_FILE_WRITTEN : 0;
	if ((written && uc_sensor_is_on(UC_SENSOR_FILE)) || uc_sensor_is_on(UC_SENSOR_FILE_CLOSE))
		uc_file_emit(&file, path, NULL);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_cleanup(PFLT_CALLBACK_DATA data,
						PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
	PFLT_CONTEXT found;

	(void)data;
	*context = NULL;
	if (uc_sensor_is_on(ANY_FILE_SENSOR) &&
	    NT_SUCCESS(FltGetStreamHandleContext(objects->Instance, objects->FileObject, &found))) {
		on_cleanup(found);
		FltReleaseContext(found);
	}
	return FLT_PREOP_SUCCESS_NO_CALLBACK;
}
