/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What ran already when monitoring began: each process once, in the link's thread.
 */
#include "undercroft.h"

/* Numbers of the documented query functions that some headers lack. */
#define SYSTEM_PROCESSES 5
#define PROCESS_COMMAND_LINE 60
#define LIST_BYTES_MIN 0x10000u
#define LIST_BYTES_MAX 0x1000000u
#define LINE_BYTES_MAX 0x10400u

/* The opening of an entry, as documented; the rest of it is of no use here. */
struct process_entry {
	ULONG next_offset;
	ULONG thread_count;
	uint8_t reserved[48];
	UNICODE_STRING image_name;
	LONG base_priority;
	ULONG padding;
	HANDLE pid;
};

/* Freed by the caller; NULL when the kernel does not say. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static uint8_t *list_processes(uint32_t *bytes)
{
	NTSTATUS status = STATUS_INFO_LENGTH_MISMATCH;
	ULONG needed;
	uint8_t *list;
	uint32_t room;

	if (!uc_optional.query_system)
		return NULL;
	for (room = LIST_BYTES_MIN; room <= LIST_BYTES_MAX; room *= 2) {
		list = ExAllocatePoolWithTag(PagedPool, room, UC_POOL_TAG);
		if (!list)
			return NULL;
		status = uc_optional.query_system(SYSTEM_PROCESSES, list, room, &needed);
		if (NT_SUCCESS(status)) {
			*bytes = room;
			return list;
		}
		ExFreePoolWithTag(list, UC_POOL_TAG);
		if (status != STATUS_INFO_LENGTH_MISMATCH)
			return NULL;
	}
	return NULL;
}

/* Windows before 8.1 does not say; the field is left out then. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static PUNICODE_STRING command_line_of(PEPROCESS process)
{
	PUNICODE_STRING line = NULL;
	NTSTATUS status;
	HANDLE handle;

	status = ObOpenObjectByPointer(process, OBJ_KERNEL_HANDLE, NULL, 0, *PsProcessType,
				       KernelMode, &handle);
	if (!NT_SUCCESS(status))
		return NULL;
	line = ExAllocatePoolWithTag(PagedPool, LINE_BYTES_MAX, UC_POOL_TAG);
	if (line &&
	    !NT_SUCCESS(ZwQueryInformationProcess(handle, (PROCESSINFOCLASS)PROCESS_COMMAND_LINE,
						  line, LINE_BYTES_MAX, NULL))) {
		ExFreePoolWithTag(line, UC_POOL_TAG);
		line = NULL;
	}
	ZwClose(handle);
	return line;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void report(HANDLE pid, PUNICODE_STRING image_name)
{
	struct uc_process_text text = { image_name, NULL, NULL };
	struct uc_identity identity;
	PUNICODE_STRING program;
	PUNICODE_STRING line;
	struct uc_user user;
	PEPROCESS process;

	if (!NT_SUCCESS(PsLookupProcessByProcessId(pid, &process)))
		return;
	uc_identity_read(&identity, &user, process, 0);
	uc_identity_remember(&identity);
	if (!NT_SUCCESS(SeLocateProcessImageName(process, &program)))
		program = NULL;
	if (program && program->Length)
		text.path = program;
	line = command_line_of(process);
	text.command_line = line;
	uc_process_emit(UC_RECORD_PROCESS_EXISTING, &identity, &user, &text);
	if (line)
		ExFreePoolWithTag(line, UC_POOL_TAG);
	if (program)
		ExFreePool(program);
	ObDereferenceObject(process);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_snapshot(void)
{
	struct process_entry *entry;
	uint32_t bytes = 0;
	uint8_t *list = list_processes(&bytes);
	uint32_t at = 0;

	if (!list)
		return;
	while (at + sizeof(*entry) <= bytes) {
		entry = (struct process_entry *)(list + at);
		/* Number 0 is the idle time, no process. */
		if (entry->pid)
			report(entry->pid, &entry->image_name);
		if (!entry->next_offset)
			break;
		at += entry->next_offset;
	}
	ExFreePoolWithTag(list, UC_POOL_TAG);
}
