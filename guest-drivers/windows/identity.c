/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Who acts: number, start, parent, user and integrity level of processes. Reading a process's token
 * costs, so what was read is kept in a small table by number; a start time tells its users apart.
 */
#include "undercroft.h"

#define SLOTS 1024u

static KSPIN_LOCK lock;
static struct uc_identity slots[SLOTS];

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_init(void)
{
	KeInitializeSpinLock(&lock);
	memset(slots, 0, sizeof(slots));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static struct uc_identity *slot_of(uint32_t pid)
{
	/* Numbers of processes are multiples of four. */
	return &slots[(pid >> 2) % SLOTS];
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_identity_remember(const struct uc_identity *identity)
{
	const KIRQL irql = KeAcquireSpinLockRaiseToDpc(&lock);

	*slot_of(identity->pid) = *identity;
	KeReleaseSpinLock(&lock, irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static bool recall(struct uc_identity *identity, uint32_t pid, uint64_t start_ns)
{
	const KIRQL irql = KeAcquireSpinLockRaiseToDpc(&lock);

	*identity = *slot_of(pid);
	KeReleaseSpinLock(&lock, irql);
	return identity->pid == pid && identity->start_ns == start_ns && pid != 0;
}

/* S-1-5-21-..; the authority of every identifier in use fits 32 bits, so decimal it is. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void put_sid(struct uc_user *user, const SID *sid)
{
	uint64_t authority = 0;
	uint32_t used = 2;
	uint32_t i;

	user->sid[0] = 'S';
	user->sid[1] = '-';
	used += uc_put_number(user->sid + used, sid->Revision);
	for (i = 0; i < 6; i++)
		authority = authority << 8 | sid->IdentifierAuthority.Value[i];
	user->sid[used++] = '-';
	used += uc_put_number(user->sid + used, authority);
	for (i = 0; i < sid->SubAuthorityCount && i < SID_MAX_SUB_AUTHORITIES; i++) {
		user->sid[used++] = '-';
		used += uc_put_number(user->sid + used, sid->SubAuthority[i]);
	}
	user->bytes = used;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t last_part(const SID *sid)
{
	const uint32_t count = sid->SubAuthorityCount;

	return count && count <= SID_MAX_SUB_AUTHORITIES ? sid->SubAuthority[count - 1] : 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void read_token(struct uc_identity *identity, struct uc_user *user, PEPROCESS process)
{
	PACCESS_TOKEN token = PsReferencePrimaryToken(process);
	TOKEN_MANDATORY_LABEL *label;
	TOKEN_USER *owner;

	if (!token)
		return;
	if (NT_SUCCESS(SeQueryInformationToken(token, TokenUser, (PVOID *)&owner))) {
		if (user)
			put_sid(user, owner->User.Sid);
		identity->uid = last_part(owner->User.Sid);
		ExFreePool(owner);
	}
	if (NT_SUCCESS(SeQueryInformationToken(token, TokenIntegrityLevel, (PVOID *)&label))) {
		identity->integrity = last_part(label->Label.Sid);
		ExFreePool(label);
	}
	PsDereferencePrimaryToken(token);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
uint64_t uc_process_start(uint32_t pid)
{
	PEPROCESS process;
	uint64_t start_ns;

	if (!pid || !NT_SUCCESS(PsLookupProcessByProcessId((HANDLE)(ULONG_PTR)pid, &process)))
		return 0;
	start_ns = uc_boottime_of(PsGetProcessCreateTimeQuadPart(process));
	ObDereferenceObject(process);
	return start_ns;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_read(struct uc_identity *identity, struct uc_user *user, PEPROCESS process,
		      uint32_t parent_pid)
{
	if (user)
		user->bytes = 0;
	memset(identity, 0, sizeof(*identity));
	identity->pid = (uint32_t)(ULONG_PTR)PsGetProcessId(process);
	identity->start_ns = uc_boottime_of(PsGetProcessCreateTimeQuadPart(process));
	if (!parent_pid && uc_optional.parent_of)
		parent_pid = (uint32_t)(ULONG_PTR)uc_optional.parent_of(process);
	identity->parent_pid = parent_pid;
	identity->parent_start_ns = uc_process_start(parent_pid);
	/* Its number was given out again: that is not the parent. */
	if (identity->parent_start_ns > identity->start_ns)
		identity->parent_start_ns = 0;
	if (uc_optional.session_of)
		identity->session = uc_optional.session_of(process);
	read_token(identity, user, process);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_identity_fill(struct uc_event_header *header, const struct uc_identity *identity)
{
	memset(header, 0, sizeof(*header));
	header->boottime_ns = uc_now_ns();
	header->process_start_ns = identity->start_ns;
	header->cgroup_id = identity->session;
	header->pid = identity->pid;
	header->parent_pid = identity->parent_pid;
	header->uid = identity->uid;
	header->gid = identity->integrity;
	header->cpu = KeGetCurrentProcessorNumberEx(NULL);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_current(struct uc_event_header *header)
{
	PEPROCESS process = PsGetCurrentProcess();
	const uint32_t pid = (uint32_t)(ULONG_PTR)PsGetProcessId(process);
	const uint64_t start_ns = uc_boottime_of(PsGetProcessCreateTimeQuadPart(process));
	struct uc_identity identity;

	if (!recall(&identity, pid, start_ns)) {
		uc_identity_read(&identity, NULL, process, 0);
		uc_identity_remember(&identity);
	}
	uc_identity_fill(header, &identity);
	header->tid = (uint32_t)(ULONG_PTR)PsGetCurrentThreadId();
}
