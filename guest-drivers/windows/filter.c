/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The driver as a minifilter: which operations on files it sees, and on which volumes. What it does
 * with them is in file_events.c and file_changes.c.
 */
#include "undercroft.h"

PFLT_FILTER uc_filter;

_IRQL_requires_max_(APC_LEVEL)
static VOID FLTAPI release_handle_context(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
	struct uc_handle_context *handle = context;

	(void)type;
	if (handle->name)
		FltReleaseFileNameInformation(handle->name);
}

static const FLT_CONTEXT_REGISTRATION contexts[] = {
	{ .ContextType = FLT_STREAMHANDLE_CONTEXT,
	  .ContextCleanupCallback = release_handle_context,
	  .Size = sizeof(struct uc_handle_context),
	  .PoolTag = UC_POOL_TAG },
	{ .ContextType = FLT_CONTEXT_END },
};

/* The cache manager's own writes come after those of the handle, which were counted. */
static const FLT_OPERATION_REGISTRATION operations[] = {
	{ IRP_MJ_CREATE, 0, uc_pre_create, uc_post_create, NULL },
	{ IRP_MJ_WRITE, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, uc_pre_write, NULL, NULL },
	{ IRP_MJ_CLEANUP, 0, uc_pre_cleanup, NULL, NULL },
	{ IRP_MJ_SET_INFORMATION, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, uc_pre_change,
	  uc_post_change, NULL },
	{ IRP_MJ_SET_SECURITY, 0, uc_pre_change, uc_post_change, NULL },
	{ .MajorFunction = IRP_MJ_OPERATION_END },
};

/* Another machine's files are watched there. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS FLTAPI on_attach(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags,
				 ULONG device_type, FLT_FILESYSTEM_TYPE filesystem)
{
	(void)flags;
	(void)filesystem;
	if (device_type == FILE_DEVICE_NETWORK_FILE_SYSTEM)
		return STATUS_FLT_DO_NOT_ATTACH;
	uc_volume_add(objects->Volume);
	return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS FLTAPI on_query_detach(PCFLT_RELATED_OBJECTS objects,
				       FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
	(void)objects;
	(void)flags;
	return STATUS_FLT_DO_NOT_DETACH;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID FLTAPI on_detach(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_TEARDOWN_FLAGS flags)
{
	(void)flags;
	uc_volume_remove(objects->Volume);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_filter_register(PDRIVER_OBJECT driver)
{
	static const FLT_REGISTRATION registration = {
		.Size = sizeof(registration),
		.Version = FLT_REGISTRATION_VERSION,
		.ContextRegistration = contexts,
		.OperationRegistration = operations,
		.FilterUnloadCallback = uc_filter_may_unload,
		.InstanceSetupCallback = on_attach,
		.InstanceQueryTeardownCallback = on_query_detach,
		.InstanceTeardownCompleteCallback = on_detach,
	};
	NTSTATUS status = FltRegisterFilter(driver, &registration, &uc_filter);

	if (!NT_SUCCESS(status))
		return status;
	status = FltStartFiltering(uc_filter);
	if (!NT_SUCCESS(status)) {
		FltUnregisterFilter(uc_filter);
		uc_filter = NULL;
	}
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_filter_unregister(void)
{
	FltUnregisterFilter(uc_filter);
	uc_filter = NULL;
}
