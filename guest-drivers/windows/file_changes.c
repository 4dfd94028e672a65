/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Files renamed, deleted, cut, and with other attributes or access rights. The name before is taken
 * on the way down, the record is made on the way back, when it is known that it happened.
 */
#include "undercroft.h"

/* Classes of IRP_MJ_SET_INFORMATION that some headers lack. */
#define CLASS_DISPOSITION_EX 64
#define CLASS_RENAME_EX 65
/* FILE_DISPOSITION_INFORMATION_EX.Flags */
#define DISPOSITION_DELETE 0x1u

/* Opens with the same byte in both forms: a truth value, or flags whose lowest bit is the wish. */
_IRQL_requires_max_(APC_LEVEL)
static bool asks_delete(const FLT_PARAMETERS *parameters)
{
	const uint8_t *bytes = parameters->SetFileInformation.InfoBuffer;

	return bytes && parameters->SetFileInformation.Length >= 1 &&
	       (bytes[0] & DISPOSITION_DELETE) != 0;
}

/* 0: none of ours. */
_IRQL_requires_max_(APC_LEVEL)
static uint16_t type_of(PFLT_CALLBACK_DATA data)
{
	const FLT_PARAMETERS *parameters = &data->Iopb->Parameters;

	if (data->Iopb->MajorFunction == IRP_MJ_SET_SECURITY)
		return UC_RECORD_FILE_ATTRIBUTES;
	switch ((int)parameters->SetFileInformation.FileInformationClass) {
	case FileBasicInformation:
		return UC_RECORD_FILE_ATTRIBUTES;
	case FileRenameInformation:
	case CLASS_RENAME_EX:
		return UC_RECORD_FILE_RENAME;
	case FileDispositionInformation:
	case CLASS_DISPOSITION_EX:
		return asks_delete(parameters) ? UC_RECORD_FILE_DELETE : 0;
	case FileEndOfFileInformation:
		return UC_RECORD_FILE_WRITE;
	default:
		return 0;
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_change(PFLT_CALLBACK_DATA data,
					       PCFLT_RELATED_OBJECTS objects, PVOID *context)
{
	PFLT_FILE_NAME_INFORMATION name;
	uint16_t type;

	(void)objects;
	*context = NULL;
	if (!uc_sensor_is_on(UC_SENSOR_FILE))
		return FLT_PREOP_SUCCESS_NO_CALLBACK;
	type = type_of(data);
	if (!type)
		return FLT_PREOP_SUCCESS_NO_CALLBACK;
	if (!NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &name)) &&
	    !NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT, &name))) {
		uc_emit_lose(type, UC_LOSS_ENCODE_ERROR);
		return FLT_PREOP_SUCCESS_NO_CALLBACK;
	}
	*context = name;
	/* The way back is then in this thread, where names may be asked for. */
	return FLT_PREOP_SYNCHRONIZE;
}

/* Asks for the new name; without it the record still says what went away. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_renamed(PFLT_CALLBACK_DATA data, const struct uc_file_record *file,
		       PFLT_FILE_NAME_INFORMATION old)
{
	PFLT_FILE_NAME_INFORMATION fresh;

	if (!NT_SUCCESS(FltGetFileNameInformation(
		    data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &fresh))) {
		uc_file_emit(file, NULL, &old->Name);
		return;
	}
	uc_file_emit(file, &fresh->Name, &old->Name);
	FltReleaseFileNameInformation(fresh);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
FLT_POSTOP_CALLBACK_STATUS FLTAPI uc_post_change(PFLT_CALLBACK_DATA data,
						 PCFLT_RELATED_OBJECTS objects, PVOID context,
						 FLT_POST_OPERATION_FLAGS flags)
{
	PFLT_FILE_NAME_INFORMATION name = context;
	struct uc_file_record file = { 0 };

	(void)objects;
	if (!(flags & FLTFL_POST_OPERATION_DRAINING) && NT_SUCCESS(data->IoStatus.Status)) {
		file.type = type_of(data);
		if (file.type == UC_RECORD_FILE_RENAME)
			on_renamed(data, &file, name);
		else if (file.type)
			uc_file_emit(&file, &name->Name, NULL);
	}
	FltReleaseFileNameInformation(name);
	return FLT_POSTOP_FINISHED_PROCESSING;
}
