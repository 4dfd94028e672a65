/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Threads that one process starts in another. The first thread of every process is started by its
 * parent and is none of these. The callback runs in the starting thread.
 */
#include "undercroft.h"

/* ThreadQuerySetWin32StartAddress */
#define START_ADDRESS 9
#define PID_SYSTEM 4u
#define FRESH_SLOTS 256u

/* Processes that have no thread yet. A slot that two share costs a report, at worst. */
static LONG fresh[FRESH_SLOTS];

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_thread_expect_first(uint32_t pid)
{
	InterlockedExchange(&fresh[(pid >> 2) % FRESH_SLOTS], (LONG)pid);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static bool is_first(uint32_t pid)
{
	return InterlockedCompareExchange(&fresh[(pid >> 2) % FRESH_SLOTS], 0, (LONG)pid) ==
	       (LONG)pid;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint64_t start_address_of(HANDLE tid)
{
	PVOID address = NULL;
	PETHREAD thread;
	HANDLE handle;

	if (!uc_optional.query_thread || !NT_SUCCESS(PsLookupThreadByThreadId(tid, &thread)))
		return 0;
	if (NT_SUCCESS(ObOpenObjectByPointer(thread, OBJ_KERNEL_HANDLE, NULL, 0, *PsThreadType,
					     KernelMode, &handle))) {
		if (!NT_SUCCESS(uc_optional.query_thread(handle, START_ADDRESS, &address,
							 sizeof(address), NULL)))
			address = NULL;
		ZwClose(handle);
	}
	ObDereferenceObject(thread);
	return (uint64_t)(ULONG_PTR)address;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void report(uint32_t pid, HANDLE tid)
{
	struct uc_remote_thread body;
	struct uc_event_header header;
	struct uc_event event;

	body.target_start_ns = uc_process_start(pid);
	body.start_address = start_address_of(tid);
	body.target_pid = pid;
	body.target_tid = (uint32_t)(ULONG_PTR)tid;
	uc_identity_current(&header);
	if (uc_event_begin(&event, UC_PRIORITY, UC_RECORD_REMOTE_THREAD, &header, &body, 0))
		uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI on_thread(HANDLE process, HANDLE thread, BOOLEAN create)
{
	const uint32_t pid = (uint32_t)(ULONG_PTR)process;
	const uint32_t actor = (uint32_t)(ULONG_PTR)PsGetCurrentProcessId();

	if (!create || is_first(pid) || actor == pid || actor == PID_SYSTEM)
		return;
	if (uc_sensor_is_on(UC_SENSOR_REMOTE_THREAD))
		report(pid, thread);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_thread_register(void)
{
	return PsSetCreateThreadNotifyRoutine(on_thread);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_thread_unregister(void)
{
	PsRemoveCreateThreadNotifyRoutine(on_thread);
}
