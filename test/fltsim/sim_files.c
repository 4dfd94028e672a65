/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter manager and a file system that says yes: each operation of the script runs through the
 * driver's callbacks in the order, at the IRQL and with the data that FltMgr documents.
 */
#include <stdlib.h>

#include "sim.h"

#define VOLUMES_MAX 16
#define NAME_MAGIC 0x464c544e414d4521ull
#define CONTEXT_MAGIC 0x464c54434f4e5421ull

struct _FLT_FILTER {
	const FLT_REGISTRATION *registration;
	int started;
};
struct _FLT_VOLUME {
	char device[128];
	char mount[64];
	LONG references;
	int attached;
	DEVICE_OBJECT disk;
};
struct _FILE_OBJECT {
	const char *path;
	int directory;
	struct sim_context *context;
};
struct sim_name {
	uint64_t magic;
	LONG references;
	FLT_FILE_NAME_INFORMATION information;
};
struct sim_context {
	uint64_t magic;
	LONG references;
	FLT_CONTEXT_TYPE type;
	_Alignas(16) uint8_t bytes[];
};

static struct _FLT_FILTER filter;
static struct _FLT_VOLUME volumes[VOLUMES_MAX];

/* One operation on its way through the driver. */
struct request {
	FLT_CALLBACK_DATA data;
	FLT_IO_PARAMETER_BLOCK parameters;
	FLT_RELATED_OBJECTS objects;
	struct _FILE_OBJECT file;
	IO_SECURITY_CONTEXT security;
	/* What the file is called now: differs after a rename. */
	const char *name_now;
};

NTSTATUS FltRegisterFilter(PDRIVER_OBJECT driver, const FLT_REGISTRATION *registration,
			   PFLT_FILTER *handle)
{
	SIM_IRQL(PASSIVE_LEVEL);
	if (driver != &sim_driver || registration->Size != sizeof(*registration) ||
	    registration->Version != FLT_REGISTRATION_VERSION)
		sim_violation("a filter registration that FltMgr refuses");
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	filter.registration = registration;
	*handle = &filter;
	sim_take(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

static void attach(struct _FLT_VOLUME *volume, int network)
{
	const FLT_RELATED_OBJECTS objects = { .Size = sizeof(objects),
					      .Filter = &filter,
					      .Volume = volume };

	if (!filter.started || volume->attached)
		return;
	volume->attached = NT_SUCCESS(filter.registration->InstanceSetupCallback(
		&objects, 0, network ? FILE_DEVICE_NETWORK_FILE_SYSTEM : FILE_DEVICE_DISK_FILE_SYSTEM,
		FLT_FSTYPE_NTFS));
}

static void detach(struct _FLT_VOLUME *volume)
{
	const FLT_RELATED_OBJECTS objects = { .Size = sizeof(objects),
					      .Filter = &filter,
					      .Volume = volume };

	if (!volume->attached)
		return;
	volume->attached = 0;
	filter.registration->InstanceTeardownCompleteCallback(&objects, 0);
	if (volume->references)
		sim_violation("%d references to a volume that is gone", volume->references);
}

NTSTATUS FltStartFiltering(PFLT_FILTER handle)
{
	int i;

	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	handle->started = 1;
	for (i = 0; i < VOLUMES_MAX; i++) {
		if (volumes[i].device[0])
			attach(&volumes[i], 0);
	}
	return STATUS_SUCCESS;
}

VOID FltUnregisterFilter(PFLT_FILTER handle)
{
	int i;

	SIM_IRQL(PASSIVE_LEVEL);
	for (i = 0; i < VOLUMES_MAX; i++)
		detach(&volumes[i]);
	handle->started = 0;
	handle->registration = NULL;
	sim_give(SIM_CALLBACK);
}

int sim_filter_is_registered(void)
{
	return filter.registration != NULL;
}

NTSTATUS sim_filter_unload(int mandatory)
{
	return filter.registration->FilterUnloadCallback(mandatory ? FLTFL_FILTER_UNLOAD_MANDATORY :
								     0);
}

void sim_volume_attach(const char *device, const char *mount, int network)
{
	int i = 0;

	while (i < VOLUMES_MAX - 1 && volumes[i].device[0] && strcmp(volumes[i].device, device))
		i++;
	strncpy(volumes[i].device, device, sizeof(volumes[i].device) - 1);
	strncpy(volumes[i].mount, mount, sizeof(volumes[i].mount) - 1);
	volumes[i].disk.magic = SIM_MAGIC_DEVICE;
	attach(&volumes[i], network);
}

void sim_volume_detach(const char *device)
{
	int i;

	for (i = 0; i < VOLUMES_MAX; i++) {
		if (strcmp(volumes[i].device, device))
			continue;
		detach(&volumes[i]);
		memset(&volumes[i], 0, sizeof(volumes[i]));
	}
}

/* ---- What the driver asks -------------------------------------------------------------------- */

static struct request *request_of(PFLT_CALLBACK_DATA data)
{
	return (struct request *)((uint8_t *)data - offsetof(struct request, data));
}

NTSTATUS FltGetFileNameInformation(PFLT_CALLBACK_DATA data, FLT_FILE_NAME_OPTIONS options,
				   PFLT_FILE_NAME_INFORMATION *information)
{
	struct sim_name *name;

	SIM_IRQL(APC_LEVEL);
	if (!(options & FLT_FILE_NAME_QUERY_DEFAULT))
		sim_violation("a name asked for without saying where");
	if (sim_fails(SIM_FAIL_NAME))
		return STATUS_NOT_FOUND;
	name = calloc(1, sizeof(*name));
	if (!name)
		abort();
	name->magic = NAME_MAGIC;
	name->references = 1;
	sim_text(&name->information.Name, request_of(data)->name_now);
	sim_take(SIM_FILE_NAME);
	*information = &name->information;
	return STATUS_SUCCESS;
}

VOID FltReleaseFileNameInformation(PFLT_FILE_NAME_INFORMATION information)
{
	struct sim_name *name =
		(struct sim_name *)((uint8_t *)information - offsetof(struct sim_name, information));

	SIM_IRQL(APC_LEVEL);
	if (name->magic != NAME_MAGIC) {
		sim_violation("a file name released that is none");
		return;
	}
	name->magic = 0;
	sim_text_free(&information->Name);
	sim_give(SIM_FILE_NAME);
	free(name);
}

NTSTATUS FltAllocateContext(PFLT_FILTER handle, FLT_CONTEXT_TYPE type, SIZE_T bytes, POOL_TYPE pool,
			    PFLT_CONTEXT *made)
{
	const FLT_CONTEXT_REGISTRATION *known = handle->registration->ContextRegistration;
	struct sim_context *context;

	(void)pool;
	SIM_IRQL(APC_LEVEL);
	if (known->ContextType != type || known->Size != bytes)
		sim_violation("a context that was not registered");
	if (sim_fails(SIM_FAIL_ALLOCATE))
		return STATUS_INSUFFICIENT_RESOURCES;
	context = calloc(1, sizeof(*context) + bytes);
	if (!context)
		abort();
	context->magic = CONTEXT_MAGIC;
	context->references = 1;
	context->type = type;
	memset(context->bytes, 0xa5, bytes);
	sim_take(SIM_CONTEXT);
	*made = context->bytes;
	return STATUS_SUCCESS;
}

static struct sim_context *context_of(PFLT_CONTEXT bytes)
{
	return (struct sim_context *)((uint8_t *)bytes - offsetof(struct sim_context, bytes));
}

NTSTATUS FltSetStreamHandleContext(PFLT_INSTANCE instance, PFILE_OBJECT file,
				   FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT fresh,
				   PFLT_CONTEXT *old)
{
	(void)instance;
	(void)old;
	SIM_IRQL(APC_LEVEL);
	if (operation != FLT_SET_CONTEXT_KEEP_IF_EXISTS)
		sim_violation("a context that would replace another");
	if (file->context || sim_fails(SIM_FAIL_CONTEXT))
		return STATUS_NOT_SUPPORTED;
	file->context = context_of(fresh);
	file->context->references++;
	sim_take(SIM_CONTEXT);
	return STATUS_SUCCESS;
}

NTSTATUS FltGetStreamHandleContext(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CONTEXT *context)
{
	(void)instance;
	SIM_IRQL(APC_LEVEL);
	if (!file->context)
		return STATUS_NOT_FOUND;
	file->context->references++;
	sim_take(SIM_CONTEXT);
	*context = file->context->bytes;
	return STATUS_SUCCESS;
}

VOID FltReleaseContext(PFLT_CONTEXT bytes)
{
	struct sim_context *context = context_of(bytes);

	SIM_IRQL(APC_LEVEL);
	if (context->magic != CONTEXT_MAGIC || context->references <= 0) {
		sim_violation("a context released that is none");
		return;
	}
	sim_give(SIM_CONTEXT);
	if (--context->references)
		return;
	filter.registration->ContextRegistration->ContextCleanupCallback(context->bytes,
									 context->type);
	context->magic = 0;
	free(context);
}

NTSTATUS FltIsDirectory(PFILE_OBJECT file, PFLT_INSTANCE instance, PBOOLEAN is_directory)
{
	(void)instance;
	SIM_IRQL(PASSIVE_LEVEL);
	*is_directory = (BOOLEAN)file->directory;
	return STATUS_SUCCESS;
}

NTSTATUS FltGetVolumeName(PFLT_VOLUME volume, PUNICODE_STRING name, PULONG needed)
{
	UNICODE_STRING made;

	(void)needed;
	SIM_IRQL(APC_LEVEL);
	if (sim_fails(SIM_FAIL_NAME))
		return STATUS_NOT_FOUND;
	sim_text(&made, volume->device);
	memcpy(name->Buffer, made.Buffer, made.Length);
	name->Length = made.Length;
	sim_text_free(&made);
	return STATUS_SUCCESS;
}

NTSTATUS FltGetDiskDeviceObject(PFLT_VOLUME volume, PDEVICE_OBJECT *device)
{
	SIM_IRQL(APC_LEVEL);
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_NO_SUCH_DEVICE;
	volume->disk.references++;
	sim_take(SIM_DEVICE_REFERENCE);
	*device = &volume->disk;
	return STATUS_SUCCESS;
}

NTSTATUS IoVolumeDeviceToDosName(PVOID device, PUNICODE_STRING name)
{
	const struct _FLT_VOLUME *volume =
		(struct _FLT_VOLUME *)((uint8_t *)device - offsetof(struct _FLT_VOLUME, disk));
	UNICODE_STRING made;

	SIM_IRQL(PASSIVE_LEVEL);
	if (!volume->mount[0])
		return STATUS_OBJECT_NAME_NOT_FOUND;
	sim_text(&made, volume->mount);
	name->Buffer = ExAllocatePoolWithTag(PagedPool, made.Length, 0);
	if (name->Buffer) {
		memcpy(name->Buffer, made.Buffer, made.Length);
		name->Length = name->MaximumLength = made.Length;
	}
	sim_text_free(&made);
	return name->Buffer ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS FltObjectReference(PVOID object)
{
	struct _FLT_VOLUME *volume = object;

	SIM_IRQL(APC_LEVEL);
	__atomic_fetch_add(&volume->references, 1, __ATOMIC_SEQ_CST);
	sim_take(SIM_VOLUME_REFERENCE);
	return STATUS_SUCCESS;
}

VOID FltObjectDereference(PVOID object)
{
	struct _FLT_VOLUME *volume = object;

	SIM_IRQL(APC_LEVEL);
	__atomic_fetch_sub(&volume->references, 1, __ATOMIC_SEQ_CST);
	sim_give(SIM_VOLUME_REFERENCE);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static const FLT_OPERATION_REGISTRATION *operation_of(UCHAR major)
{
	const FLT_OPERATION_REGISTRATION *operation;

	if (!filter.registration || !filter.started)
		return NULL;
	for (operation = filter.registration->OperationRegistration;
	     operation->MajorFunction != IRP_MJ_OPERATION_END; operation++) {
		if (operation->MajorFunction == major)
			return operation;
	}
	return NULL;
}

/* Down, the file system's answer, and up again. False: the driver completed it itself. */
static int pass(struct request *request, UCHAR major, NTSTATUS status, ULONG_PTR information,
		const char *name_after)
{
	const FLT_OPERATION_REGISTRATION *operation = operation_of(major);
	FLT_PREOP_CALLBACK_STATUS answer = FLT_PREOP_SUCCESS_NO_CALLBACK;
	const KIRQL irql = KeGetCurrentIrql();
	PVOID context = NULL;

	request->parameters.MajorFunction = major;
	if (operation && operation->PreOperation)
		answer = operation->PreOperation(&request->data, &request->objects, &context);
	if (KeGetCurrentIrql() != irql)
		sim_violation("a callback came back at another IRQL");
	if (answer == FLT_PREOP_COMPLETE)
		return 0;
	if (answer != FLT_PREOP_SUCCESS_WITH_CALLBACK && answer != FLT_PREOP_SYNCHRONIZE &&
	    answer != FLT_PREOP_SUCCESS_NO_CALLBACK)
		sim_violation("a callback answered %d", (int)answer);
	request->data.IoStatus.Status = status;
	request->data.IoStatus.Information = information;
	if (NT_SUCCESS(status) && name_after)
		request->name_now = name_after;
	if (answer != FLT_PREOP_SUCCESS_NO_CALLBACK) {
		if (!operation->PostOperation)
			sim_violation("a callback asked for one that there is not");
		else
			operation->PostOperation(&request->data, &request->objects, context, 0);
	}
	return 1;
}

static int open_file(struct request *request, const struct sim_file_plan *plan)
{
	const char *what = plan->operation;
	FLT_PARAMETERS *parameters = &request->parameters.Parameters;
	ULONG_PTR information = FILE_OPENED;

	memset(parameters, 0, sizeof(*parameters));
	parameters->Create.SecurityContext = &request->security;
	request->security.DesiredAccess = FILE_READ_DATA;
	if (!strcmp(what, "create") || !strcmp(what, "write") || !strcmp(what, "mkdir") ||
	    !strcmp(what, "doc"))
		information = FILE_CREATED;
	if (!strcmp(what, "overwrite"))
		information = FILE_OVERWRITTEN;
	if (!strcmp(what, "write") || !strcmp(what, "overwrite"))
		request->security.DesiredAccess |= FILE_WRITE_DATA;
	if (!strcmp(what, "execute"))
		request->security.DesiredAccess |= FILE_EXECUTE;
	if (!strcmp(what, "doc"))
		parameters->Create.Options = FILE_DELETE_ON_CLOSE;
	if (!strcmp(what, "internal"))
		request->parameters.OperationFlags = SL_OPEN_TARGET_DIRECTORY;
	request->file.directory = !strcmp(what, "mkdir") || !strcmp(what, "opendir");
	return pass(request, IRP_MJ_CREATE,
		    plan->fails && !strcmp(what, "open") ? STATUS_ACCESS_DENIED :
		    !strcmp(what, "reparse")		  ? STATUS_REPARSE :
							    STATUS_SUCCESS,
		    information, NULL);
}

static void set_information(struct request *request, const struct sim_file_plan *plan, int class,
			    void *buffer, ULONG bytes, const char *name_after)
{
	FLT_PARAMETERS *parameters = &request->parameters.Parameters;

	memset(parameters, 0, sizeof(*parameters));
	parameters->SetFileInformation.FileInformationClass = (FILE_INFORMATION_CLASS)class;
	parameters->SetFileInformation.InfoBuffer = buffer;
	parameters->SetFileInformation.Length = bytes;
	pass(request, IRP_MJ_SET_INFORMATION,
	     plan->fails ? STATUS_ACCESS_DENIED : STATUS_SUCCESS, 0, name_after);
}

static void work_on(struct request *request, const struct sim_file_plan *plan)
{
	const char *what = plan->operation;
	FLT_PARAMETERS *parameters = &request->parameters.Parameters;
	uint8_t buffer[64] = { 1 };

	if (!strcmp(what, "write") || !strcmp(what, "overwrite")) {
		memset(parameters, 0, sizeof(*parameters));
		parameters->Write.Length = (ULONG)strtoul(plan->argument, NULL, 10);
		pass(request, IRP_MJ_WRITE, STATUS_SUCCESS, parameters->Write.Length, NULL);
		pass(request, IRP_MJ_WRITE, STATUS_SUCCESS, parameters->Write.Length, NULL);
	} else if (!strcmp(what, "rename")) {
		set_information(request, plan, FileRenameInformation, buffer, sizeof(buffer),
				plan->argument);
	} else if (!strcmp(what, "renameex")) {
		set_information(request, plan, 65, buffer, sizeof(buffer), plan->argument);
	} else if (!strcmp(what, "delete")) {
		set_information(request, plan, FileDispositionInformation, buffer, 1, NULL);
	} else if (!strcmp(what, "deleteex")) {
		set_information(request, plan, 64, buffer, 4, NULL);
	} else if (!strcmp(what, "undelete")) {
		buffer[0] = 0;
		set_information(request, plan, FileDispositionInformation, buffer, 1, NULL);
	} else if (!strcmp(what, "attributes")) {
		set_information(request, plan, FileBasicInformation, buffer, 40, NULL);
	} else if (!strcmp(what, "truncate")) {
		set_information(request, plan, FileEndOfFileInformation, buffer, 8, NULL);
	} else if (!strcmp(what, "security")) {
		pass(request, IRP_MJ_SET_SECURITY,
		     plan->fails ? STATUS_ACCESS_DENIED : STATUS_SUCCESS, 0, NULL);
	}
}

int sim_file(const struct sim_file_plan *plan)
{
	struct request request;
	int opened;

	memset(&request, 0, sizeof(request));
	request.data.Iopb = &request.parameters;
	request.data.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION;
	request.data.RequestorMode = plan->kernel_mode ? KernelMode : UserMode;
	request.parameters.TargetFileObject = &request.file;
	request.objects.Size = sizeof(request.objects);
	request.objects.Filter = &filter;
	request.objects.FileObject = &request.file;
	request.file.path = plan->path;
	request.name_now = plan->path;
	opened = open_file(&request, plan);
	if (!opened && NT_SUCCESS(request.data.IoStatus.Status))
		sim_violation("an open completed by the driver, but not refused");
	if (opened && NT_SUCCESS(request.data.IoStatus.Status)) {
		work_on(&request, plan);
		memset(&request.parameters.Parameters, 0, sizeof(request.parameters.Parameters));
		pass(&request, IRP_MJ_CLEANUP, STATUS_SUCCESS, 0, NULL);
	}
	if (request.file.context)
		FltReleaseContext(request.file.context->bytes);
	return opened;
}
