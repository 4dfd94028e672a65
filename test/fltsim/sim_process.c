/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated processes: a table with tokens and references, and the callbacks that the kernel makes
 * when they start, end, load images and start threads. Process 4 is System.
 */
#include <stdlib.h>

#include "sim.h"

#define PROCESSES_MAX 4096
#define CRITICAL_FLAG 29
#define COMMAND_LINE 60
#define PROCESS_LIST 5
#define START_ADDRESS 9

struct _EPROCESS {
	struct sim_header header;
	uint32_t pid;
	uint32_t parent;
	uint32_t exit_code;
	int alive;
	int critical;
	int64_t create_time;
	SID user;
	SID integrity;
	char path[1024];
	char *command_line;
};

struct _ETHREAD {
	struct sim_header header;
	uint32_t tid;
	uint64_t start;
};

static struct _EPROCESS processes[PROCESSES_MAX];
static struct _ETHREAD remote;
static KSPIN_LOCK table_lock;
static PCREATE_PROCESS_NOTIFY_ROUTINE_EX on_process;
static PLOAD_IMAGE_NOTIFY_ROUTINE on_image;
static PCREATE_THREAD_NOTIFY_ROUTINE on_thread;
static POB_PRE_OPERATION_CALLBACK on_handle;
static POBJECT_TYPE types[2];
POBJECT_TYPE *PsProcessType = &types[0];
POBJECT_TYPE *PsThreadType = &types[1];

static void lock(void)
{
	while (__atomic_exchange_n(&table_lock, 1, __ATOMIC_ACQUIRE))
		platform_sleep_ms(0);
}

static void unlock(void)
{
	__atomic_store_n(&table_lock, 0, __ATOMIC_RELEASE);
}

static PEPROCESS find(uint32_t pid)
{
	PEPROCESS found = NULL;
	int i;

	for (i = 0; i < PROCESSES_MAX && !found; i++) {
		if (processes[i].alive && processes[i].pid == pid)
			found = &processes[i];
	}
	return found;
}

static void parse_sid(SID *sid, const char *text)
{
	char *end;

	memset(sid, 0, sizeof(*sid));
	/* "S-1-" authority, then the parts. */
	sid->Revision = 1;
	sid->IdentifierAuthority.Value[5] = (UCHAR)strtoul(text + 4, &end, 10);
	while (*end == '-' && sid->SubAuthorityCount < SID_MAX_SUB_AUTHORITIES)
		sid->SubAuthority[sid->SubAuthorityCount++] = (ULONG)strtoul(end + 1, &end, 10);
}

static PEPROCESS create(const struct sim_process_plan *plan)
{
	static int64_t order;
	PEPROCESS process = NULL;
	int i;

	lock();
	for (i = 0; i < PROCESSES_MAX && !process; i++) {
		if (!processes[i].alive && processes[i].header.references == 0)
			process = &processes[i];
	}
	if (!process)
		abort();
	free(process->command_line);
	memset(process, 0, sizeof(*process));
	process->header.magic = SIM_MAGIC_PROCESS;
	process->header.references = 0;
	process->pid = plan->pid;
	process->parent = plan->parent;
	process->alive = 1;
	/* Each a little later than the one before, whatever the clock's step. */
	process->create_time = (int64_t)(platform_realtime_ns() / 100 + 116444736000000000ull) +
			       ++order * 10;
	parse_sid(&process->user, plan->sid);
	process->integrity.Revision = 1;
	process->integrity.IdentifierAuthority.Value[5] = 16;
	process->integrity.SubAuthorityCount = 1;
	process->integrity.SubAuthority[0] = plan->integrity;
	process->critical = strstr(plan->path, "csrss.exe") != NULL;
	strncpy(process->path, plan->path, sizeof(process->path) - 1);
	process->command_line = malloc(strlen(plan->command_line) + 1);
	if (!process->command_line)
		abort();
	strcpy(process->command_line, plan->command_line);
	unlock();
	return process;
}

void sim_processes_init(void)
{
	const struct sim_process_plan system = {
		.pid = 4, .sid = "S-1-5-18", .integrity = 0x4000, .path = "", .command_line = "",
	};

	create(&system);
}

void sim_process_exists(const struct sim_process_plan *plan)
{
	create(plan);
}

int sim_process_start(const struct sim_process_plan *plan)
{
	const uint32_t before = sim_pid();
	PS_CREATE_NOTIFY_INFO info = { .Size = sizeof(info) };
	UNICODE_STRING command_line;
	UNICODE_STRING image;
	char requested[1100] = "\\??\\";
	PEPROCESS process = create(plan);

	sim_become(plan->parent, plan->parent + 1, plan->parent / 4 % 2);
	strncat(requested, plan->path, sizeof(requested) - 5);
	sim_text(&image, requested);
	sim_text(&command_line, plan->command_line);
	info.ParentProcessId = (HANDLE)(ULONG_PTR)plan->parent;
	info.CreatingThreadId.UniqueProcess = info.ParentProcessId;
	info.ImageFileName = &image;
	info.CommandLine = command_line.Length ? &command_line : NULL;
	if (on_process)
		on_process(process, (HANDLE)(ULONG_PTR)plan->pid, &info);
	if (!NT_SUCCESS(info.CreationStatus))
		process->alive = 0;
	else if (on_thread)
		on_thread((HANDLE)(ULONG_PTR)plan->pid, (HANDLE)(ULONG_PTR)(plan->pid + 1), TRUE);
	sim_text_free(&command_line);
	sim_text_free(&image);
	sim_become(before, before + 1, before / 4 % 2);
	return NT_SUCCESS(info.CreationStatus);
}

static void end(PEPROCESS process, uint32_t code)
{
	process->exit_code = code;
	if (on_process)
		on_process(process, (HANDLE)(ULONG_PTR)process->pid, NULL);
	process->alive = 0;
}

int sim_process_exit(uint32_t pid, uint32_t code)
{
	const uint32_t before = sim_pid();
	PEPROCESS process = find(pid);

	if (!process)
		return 0;
	sim_become(pid, pid + 1, pid / 4 % 2);
	end(process, code);
	sim_become(before, before + 1, before / 4 % 2);
	return 1;
}

int sim_process_alive(uint32_t pid)
{
	return find(pid) != NULL;
}

void sim_image(uint32_t pid, const char *path, uint64_t base, uint64_t bytes)
{
	const uint32_t before = sim_pid();
	IMAGE_INFO info = { .ImageBase = (PVOID)(ULONG_PTR)base, .ImageSize = bytes };
	UNICODE_STRING name;

	info.SystemModeImage = pid == 0;
	sim_become(pid ? pid : 4, pid + 1, pid / 4 % 2);
	sim_text(&name, path);
	if (on_image)
		on_image(*path ? &name : NULL, (HANDLE)(ULONG_PTR)pid, &info);
	sim_text_free(&name);
	sim_become(before, before + 1, before / 4 % 2);
}

void sim_remote_thread(uint32_t actor, uint32_t target, uint32_t tid, uint64_t address)
{
	const uint32_t before = sim_pid();

	remote.header.magic = SIM_MAGIC_THREAD;
	remote.tid = tid;
	remote.start = address;
	sim_become(actor, actor + 1, actor / 4 % 2);
	if (on_thread) {
		on_thread((HANDLE)(ULONG_PTR)target, (HANDLE)(ULONG_PTR)tid, TRUE);
		on_thread((HANDLE)(ULONG_PTR)target, (HANDLE)(ULONG_PTR)tid, FALSE);
	}
	sim_become(before, before + 1, before / 4 % 2);
}

/* What is left of the access that somebody asked for. */
ACCESS_MASK sim_thread_handle(ACCESS_MASK wanted, int duplicate, int kernel, int other)
{
	OB_PRE_OPERATION_PARAMETERS parameters = { .CreateHandleInformation = { wanted, wanted } };
	OB_PRE_OPERATION_INFORMATION info = { 0 };

	info.Operation = duplicate ? OB_OPERATION_HANDLE_DUPLICATE : OB_OPERATION_HANDLE_CREATE;
	info.KernelHandle = kernel != 0;
	info.Object = other ? (PVOID)&remote : sim_driver_thread();
	info.Parameters = &parameters;
	if (on_handle)
		on_handle(NULL, &info);
	return parameters.CreateHandleInformation.DesiredAccess;
}

/* ---- What the driver asks -------------------------------------------------------------------- */

PEPROCESS PsGetCurrentProcess(void)
{
	PEPROCESS process = find(sim_pid());

	/* Whoever acts was alive when it began to. */
	return process ? process : &processes[0];
}

HANDLE PsGetProcessId(PEPROCESS process)
{
	return (HANDLE)(ULONG_PTR)process->pid;
}

LONGLONG PsGetProcessCreateTimeQuadPart(PEPROCESS process)
{
	return process->create_time;
}

NTSTATUS PsGetProcessExitStatus(PEPROCESS process)
{
	return (NTSTATUS)process->exit_code;
}

HANDLE sim_parent_of(PEPROCESS process)
{
	return (HANDLE)(ULONG_PTR)process->parent;
}

ULONG sim_session_of(PEPROCESS process)
{
	return process->integrity.SubAuthority[0] >= 0x4000 ? 0 : 1;
}

NTSTATUS PsLookupProcessByProcessId(HANDLE pid, PEPROCESS *process)
{
	SIM_IRQL(APC_LEVEL);
	lock();
	*process = find((uint32_t)(ULONG_PTR)pid);
	if (*process)
		(*process)->header.references++;
	unlock();
	if (!*process)
		return STATUS_INVALID_PARAMETER;
	sim_take(SIM_PROCESS_REFERENCE);
	return STATUS_SUCCESS;
}

NTSTATUS PsLookupThreadByThreadId(HANDLE tid, PETHREAD *thread)
{
	SIM_IRQL(APC_LEVEL);
	if (remote.tid != (uint32_t)(ULONG_PTR)tid || sim_fails(SIM_FAIL_OPEN))
		return STATUS_INVALID_PARAMETER;
	__atomic_fetch_add(&remote.header.references, 1, __ATOMIC_SEQ_CST);
	sim_take(SIM_THREAD_REFERENCE);
	*thread = &remote;
	return STATUS_SUCCESS;
}

void ObDereferenceObject(PVOID object)
{
	struct sim_header *header = object;

	SIM_IRQL(DISPATCH_LEVEL);
	if (__atomic_fetch_sub(&header->references, 1, __ATOMIC_SEQ_CST) <= 0)
		sim_violation("an object lost a reference that it had not");
	if (header->magic == SIM_MAGIC_PROCESS)
		sim_give(SIM_PROCESS_REFERENCE);
	else if (header->magic == SIM_MAGIC_THREAD)
		sim_give(SIM_THREAD_REFERENCE);
	else if (header->magic == SIM_MAGIC_DEVICE)
		sim_give(SIM_DEVICE_REFERENCE);
	else
		sim_violation("a reference to what is no object");
}

NTSTATUS ObOpenObjectByPointer(PVOID object, ULONG attributes, PVOID state, ACCESS_MASK access,
			       POBJECT_TYPE type, KPROCESSOR_MODE mode, HANDLE *handle)
{
	(void)state;
	(void)access;
	(void)type;
	SIM_IRQL(PASSIVE_LEVEL);
	if (!(attributes & OBJ_KERNEL_HANDLE) || mode != KernelMode)
		sim_violation("a handle that user space could use");
	if (sim_fails(SIM_FAIL_OPEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	*handle = sim_handle(object);
	return STATUS_SUCCESS;
}

static NTSTATUS fill_text(const char *utf8, PVOID target, ULONG bytes)
{
	UNICODE_STRING *text = target;
	UNICODE_STRING made;
	NTSTATUS status = STATUS_INFO_LENGTH_MISMATCH;

	sim_text(&made, utf8);
	if (sizeof(*text) + made.Length <= bytes) {
		text->Length = text->MaximumLength = made.Length;
		text->Buffer = (PWSTR)(text + 1);
		memcpy(text + 1, made.Buffer, made.Length);
		status = STATUS_SUCCESS;
	}
	sim_text_free(&made);
	return status;
}

NTSTATUS ZwQueryInformationProcess(HANDLE handle, PROCESSINFOCLASS what, PVOID target,
				   ULONG bytes, PULONG needed)
{
	PEPROCESS process = sim_handle_object(handle);

	(void)needed;
	SIM_IRQL(PASSIVE_LEVEL);
	if (!process)
		return STATUS_INVALID_PARAMETER;
	if ((int)what == CRITICAL_FLAG) {
		*(ULONG *)target = (ULONG)process->critical;
		return STATUS_SUCCESS;
	}
	if ((int)what == COMMAND_LINE)
		return fill_text(process->command_line, target, bytes);
	return STATUS_NOT_SUPPORTED;
}

NTSTATUS ZwTerminateProcess(HANDLE handle, NTSTATUS status)
{
	PEPROCESS process = sim_handle_object(handle);

	SIM_IRQL(PASSIVE_LEVEL);
	if (!process)
		return STATUS_INVALID_PARAMETER;
	if (sim_fails(SIM_FAIL_TERMINATE))
		return STATUS_ACCESS_DENIED;
	if (!process->alive)
		return STATUS_PROCESS_IS_TERMINATING;
	end(process, (uint32_t)status);
	return STATUS_SUCCESS;
}

NTSTATUS SeLocateProcessImageName(PEPROCESS process, PUNICODE_STRING *name)
{
	UNICODE_STRING made;
	PUNICODE_STRING text;

	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_fails(SIM_FAIL_IMAGE_NAME))
		return STATUS_INSUFFICIENT_RESOURCES;
	sim_text(&made, process->path);
	text = ExAllocatePoolWithTag(PagedPool, sizeof(*text) + made.Length, 0);
	if (text) {
		text->Length = text->MaximumLength = made.Length;
		text->Buffer = (PWSTR)(text + 1);
		memcpy(text + 1, made.Buffer, made.Length);
	}
	sim_text_free(&made);
	*name = text;
	return text ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

PACCESS_TOKEN PsReferencePrimaryToken(PEPROCESS process)
{
	SIM_IRQL(APC_LEVEL);
	sim_take(SIM_TOKEN);
	return process;
}

void PsDereferencePrimaryToken(PACCESS_TOKEN token)
{
	(void)token;
	sim_give(SIM_TOKEN);
}

NTSTATUS SeQueryInformationToken(PACCESS_TOKEN token, TOKEN_INFORMATION_CLASS what, PVOID *target)
{
	const struct _EPROCESS *process = token;
	struct {
		SID_AND_ATTRIBUTES head;
		SID sid;
	} *made;

	SIM_IRQL(PASSIVE_LEVEL);
	if (sim_fails(SIM_FAIL_TOKEN))
		return STATUS_INSUFFICIENT_RESOURCES;
	made = ExAllocatePoolWithTag(PagedPool, sizeof(*made), 0);
	if (!made)
		return STATUS_INSUFFICIENT_RESOURCES;
	made->sid = what == TokenUser ? process->user : process->integrity;
	made->head.Sid = &made->sid;
	made->head.Attributes = 0;
	*target = made;
	return STATUS_SUCCESS;
}

/* Entries as the kernel lays them out, each followed by its name. */
NTSTATUS sim_query_system(int what, PVOID target, ULONG bytes, PULONG needed)
{
	const ULONG entry_bytes = 0x100 + 64 * 2;
	uint8_t *at = target;
	uint8_t *last = NULL;
	UNICODE_STRING *name;
	int i;

	SIM_IRQL(PASSIVE_LEVEL);
	if (what != PROCESS_LIST)
		return STATUS_NOT_SUPPORTED;
	*needed = PROCESSES_MAX * entry_bytes;
	if (bytes < *needed)
		return STATUS_INFO_LENGTH_MISMATCH;
	lock();
	for (i = 0; i < PROCESSES_MAX; i++) {
		if (!processes[i].alive)
			continue;
		memset(at, 0, entry_bytes);
		*(ULONG *)at = entry_bytes;
		name = (UNICODE_STRING *)(at + 0x38);
		name->Buffer = (PWSTR)(at + 0x100);
		*(HANDLE *)(at + 0x50) = (HANDLE)(ULONG_PTR)processes[i].pid;
		last = at;
		at += entry_bytes;
	}
	unlock();
	if (last)
		*(ULONG *)last = 0;
	return STATUS_SUCCESS;
}

NTSTATUS sim_query_thread(HANDLE handle, int what, PVOID target, ULONG bytes, PULONG needed)
{
	const struct _ETHREAD *thread = sim_handle_object(handle);

	(void)needed;
	if (!thread || what != START_ADDRESS || bytes != sizeof(PVOID))
		return STATUS_INVALID_PARAMETER;
	*(PVOID *)target = (PVOID)(ULONG_PTR)thread->start;
	return STATUS_SUCCESS;
}

/* ---- Registration ---------------------------------------------------------------------------- */

NTSTATUS sim_set_process_notify(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine, BOOLEAN remove)
{
	SIM_IRQL(PASSIVE_LEVEL);
	on_process = remove ? NULL : routine;
	(remove ? sim_give : sim_take)(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS PsSetLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE routine)
{
	SIM_IRQL(PASSIVE_LEVEL);
	on_image = routine;
	sim_take(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS PsRemoveLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE routine)
{
	if (on_image != routine)
		sim_violation("another image callback was removed");
	on_image = NULL;
	sim_give(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS PsSetCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE routine)
{
	SIM_IRQL(PASSIVE_LEVEL);
	on_thread = routine;
	sim_take(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS PsRemoveCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE routine)
{
	if (on_thread != routine)
		sim_violation("another thread callback was removed");
	on_thread = NULL;
	sim_give(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

NTSTATUS sim_ob_register(POB_CALLBACK_REGISTRATION registration, PVOID *handle)
{
	SIM_IRQL(PASSIVE_LEVEL);
	if (registration->Version != OB_FLT_REGISTRATION_VERSION ||
	    registration->OperationRegistrationCount != 1 || !registration->Altitude.Length)
		return STATUS_INVALID_PARAMETER;
	on_handle = registration->OperationRegistration->PreOperation;
	*handle = (PVOID)&on_handle;
	sim_take(SIM_CALLBACK);
	return STATUS_SUCCESS;
}

void sim_ob_unregister(PVOID handle)
{
	if (handle != (PVOID)&on_handle)
		sim_violation("object callbacks removed that were not registered");
	on_handle = NULL;
	sim_give(SIM_CALLBACK);
}
