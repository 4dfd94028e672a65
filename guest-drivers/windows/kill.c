/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Ends a process by command, in the link's system thread. TRUST: the server is obeyed, but not
 * believed about which process a number names; and nothing is ended whose end would end Windows.
 */
#include "undercroft.h"

#define PID_SYSTEM 4u
/* ProcessBreakOnTermination of ZwQueryInformationProcess. */
#define QUERY_CRITICAL 29

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t terminate(HANDLE handle, uint32_t *detail)
{
	ULONG critical = 0;
	NTSTATUS status;

	status = ZwQueryInformationProcess(handle, (PROCESSINFOCLASS)QUERY_CRITICAL, &critical,
					   sizeof(critical), NULL);
	if (!NT_SUCCESS(status) || critical) {
		*detail = (uint32_t)status;
		return UC_RESULT_REFUSED;
	}
	status = ZwTerminateProcess(handle, STATUS_ACCESS_DENIED);
	if (NT_SUCCESS(status))
		return UC_RESULT_DONE;
	*detail = (uint32_t)status;
	return status == STATUS_PROCESS_IS_TERMINATING ? UC_RESULT_NOT_FOUND : UC_RESULT_FAILED;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_kill(const struct uc_command_kill_process *kill, uint32_t *detail)
{
	PEPROCESS process;
	NTSTATUS status;
	uint32_t result;
	HANDLE handle;

	*detail = 0;
	if (kill->pid <= PID_SYSTEM)
		return UC_RESULT_REFUSED;
	status = PsLookupProcessByProcessId((HANDLE)(ULONG_PTR)kill->pid, &process);
	if (!NT_SUCCESS(status)) {
		*detail = (uint32_t)status;
		return UC_RESULT_NOT_FOUND;
	}
	/* A process keeps its program here, so the generation is always 0. */
	if (uc_boottime_of(PsGetProcessCreateTimeQuadPart(process)) != kill->process_start_ns ||
	    (kill->exec_generation != UC_EXEC_GENERATION_ANY && kill->exec_generation != 0)) {
		ObDereferenceObject(process);
		return UC_RESULT_NOT_FOUND;
	}
	status = ObOpenObjectByPointer(process, OBJ_KERNEL_HANDLE, NULL, PROCESS_TERMINATE,
				       *PsProcessType, KernelMode, &handle);
	if (NT_SUCCESS(status)) {
		result = terminate(handle, detail);
		ZwClose(handle);
	} else {
		*detail = (uint32_t)status;
		result = UC_RESULT_FAILED;
	}
	ObDereferenceObject(process);
	return result;
}
