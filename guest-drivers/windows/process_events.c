/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Start and end of processes. The callback runs in the creating thread before the new process's
 * first instruction, and may still say no.
 */
#include "undercroft.h"

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_emit(uint16_t type, const struct uc_identity *identity,
		     const struct uc_user *user, const struct uc_process_text *text)
{
	struct uc_event_header header;
	struct uc_process_exec body;
	struct uc_event event;
	uint32_t arguments = 0;
	uint32_t room;
	uint8_t *target;

	memset(&body, 0, sizeof(body));
	if (text->command_line && text->command_line->Length)
		arguments = 1 + uc_utf8_bytes(text->command_line->Buffer,
					      text->command_line->Length / sizeof(WCHAR));
	body.parent_start_ns = identity->parent_start_ns;
	body.argument_count = arguments != 0;
	body.argument_bytes = arguments;
	body.effective_uid = identity->uid;
	uc_identity_fill(&header, identity);
	if (!uc_event_begin(&event, UC_PRIORITY, type, &header, &body,
			    uc_text_bytes(text->path) + uc_text_bytes(text->requested_path) +
				    uc_field_bytes(user->bytes) + uc_field_bytes(arguments)))
		return;
	uc_event_text(&event, UC_FIELD_PATH, text->path);
	uc_event_text(&event, UC_FIELD_REQUESTED_PATH, text->requested_path);
	uc_event_bytes(&event, UC_FIELD_USER, user->sid, user->bytes);
	/* Last, so that a small ring cuts arguments and not what is shorter. */
	target = arguments ? uc_record_field_reserve(&event.record, UC_FIELD_ARGUMENTS, arguments,
						     &room) :
			     NULL;
	if (target) {
		uint32_t used = uc_utf8_from(text->command_line->Buffer,
					     text->command_line->Length / sizeof(WCHAR), target,
					     room);

		if (used < room)
			target[used++] = 0;
		uc_record_field_commit(&event.record, used, used < arguments);
	}
	uc_event_end(&event);
}

/* The name by which the file system knows the program; freed with ExFreePool. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static PUNICODE_STRING program_of(PEPROCESS process)
{
	PUNICODE_STRING name;

	return NT_SUCCESS(SeLocateProcessImageName(process, &name)) ? name : NULL;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_start(PEPROCESS process, PPS_CREATE_NOTIFY_INFO info)
{
	PUNICODE_STRING program = program_of(process);
	struct uc_process_text text = { program, info->ImageFileName, info->CommandLine };
	struct uc_event_header header;
	struct uc_identity identity;
	struct uc_user user;

	if (!program || !program->Length)
		text.path = info->ImageFileName;
	uc_identity_read(&identity, &user, process,
			 (uint32_t)(ULONG_PTR)info->ParentProcessId);
	uc_identity_remember(&identity);
	uc_thread_expect_first(identity.pid);
	uc_identity_fill(&header, &identity);
	if (uc_verdict_refuses(UC_OPERATION_EXEC, text.path, &header))
		info->CreationStatus = STATUS_ACCESS_DENIED;
	else if (uc_sensor_is_on(UC_SENSOR_PROCESS))
		uc_process_emit(UC_RECORD_PROCESS_EXEC, &identity, &user, &text);
	if (program)
		ExFreePool(program);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void on_end(PEPROCESS process)
{
	struct uc_process_exit body = { (uint32_t)PsGetProcessExitStatus(process), 0 };
	struct uc_event_header header;
	struct uc_identity identity;
	struct uc_event event;

	uc_identity_read(&identity, NULL, process, 0);
	uc_identity_fill(&header, &identity);
	if (uc_event_begin(&event, UC_PRIORITY, UC_RECORD_PROCESS_EXIT, &header, &body, 0))
		uc_event_end(&event);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI on_process(PEPROCESS process, HANDLE pid, PPS_CREATE_NOTIFY_INFO info)
{
	(void)pid;
	if (info)
		on_start(process, info);
	else if (uc_sensor_is_on(UC_SENSOR_PROCESS))
		on_end(process);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_process_register(void)
{
	if (!uc_optional.set_process_notify)
		return STATUS_NOT_SUPPORTED;
	return uc_optional.set_process_notify(on_process, FALSE);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_unregister(void)
{
	uc_optional.set_process_notify(on_process, TRUE);
}
