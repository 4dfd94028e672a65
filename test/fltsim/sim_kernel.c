/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's bottom: IRQL, locks, pool, texts, time, threads and waiting for them. Paged memory
 * is poisoned for AddressSanitizer while its thread is at DISPATCH_LEVEL, user memory always but
 * inside MmCopyMemory: a driver that touches either where it must not is stopped on the spot.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(memory, bytes) ASAN_POISON_MEMORY_REGION(memory, bytes)
#define UNPOISON(memory, bytes) ASAN_UNPOISON_MEMORY_REGION(memory, bytes)
#else
#define POISON(memory, bytes) ((void)(memory), (void)(bytes))
#define UNPOISON(memory, bytes) ((void)(memory), (void)(bytes))
#endif

#define CPUS 2
#define BLOCK_MAGIC 0x504f4f4c424c4f43ull

struct block {
	uint64_t magic;
	size_t bytes;
	uint32_t tag;
	uint32_t paged;
	struct block *next;
	struct block *previous;
};

static SIM_THREAD_LOCAL KIRQL irql;
static SIM_THREAD_LOCAL uint32_t current_pid;
static SIM_THREAD_LOCAL uint32_t current_tid;
static SIM_THREAD_LOCAL uint32_t current_cpu;
static SIM_THREAD_LOCAL int is_system_thread;
/* Paged memory that this thread allocated. */
static SIM_THREAD_LOCAL struct block *paged_blocks;
static uint64_t boot_ns;

/* ---- IRQL and locks -------------------------------------------------------------------------- */

KIRQL KeGetCurrentIrql(void)
{
	return irql;
}

static void set_irql(KIRQL fresh)
{
	struct block *block;

	if ((irql >= DISPATCH_LEVEL) != (fresh >= DISPATCH_LEVEL)) {
		for (block = paged_blocks; block; block = block->next) {
			if (fresh >= DISPATCH_LEVEL)
				POISON(block + 1, block->bytes);
			else
				UNPOISON(block + 1, block->bytes);
		}
	}
	irql = fresh;
}

static void lock_word(KSPIN_LOCK *lock)
{
	uint32_t spins = 0;

	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) {
		if (++spins % 1000 == 0)
			platform_sleep_ms(0);
	}
}

void KeInitializeSpinLock(PKSPIN_LOCK lock)
{
	*lock = 0;
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock)
{
	const KIRQL old = irql;

	SIM_IRQL(DISPATCH_LEVEL);
	set_irql(DISPATCH_LEVEL);
	lock_word(lock);
	return old;
}

void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL old)
{
	if (irql != DISPATCH_LEVEL)
		sim_violation("spin lock released at IRQL %d", irql);
	if (!__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE))
		sim_violation("spin lock released that was not held");
	set_irql(old);
}

void ExInitializeFastMutex(PFAST_MUTEX mutex)
{
	mutex->lock = 0;
}

void ExAcquireFastMutex(PFAST_MUTEX mutex)
{
	const KIRQL old = irql;

	SIM_IRQL(APC_LEVEL);
	lock_word(&mutex->lock);
	mutex->old_irql = old;
	set_irql(APC_LEVEL);
}

void ExReleaseFastMutex(PFAST_MUTEX mutex)
{
	const KIRQL old = mutex->old_irql;

	if (irql != APC_LEVEL)
		sim_violation("fast mutex released at IRQL %d", irql);
	__atomic_store_n(&mutex->lock, 0, __ATOMIC_RELEASE);
	set_irql(old);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void *allocate(size_t bytes, uint32_t tag, uint32_t paged)
{
	struct block *block = malloc(sizeof(*block) + bytes);

	if (!block)
		abort();
	block->magic = BLOCK_MAGIC;
	block->bytes = bytes;
	block->tag = tag;
	block->paged = paged;
	block->next = NULL;
	block->previous = NULL;
	if (paged) {
		block->next = paged_blocks;
		if (paged_blocks)
			paged_blocks->previous = block;
		paged_blocks = block;
	}
	/* What the driver does not write it must not read. */
	memset(block + 1, 0xa5, bytes);
	return block + 1;
}

static void release(void *memory, uint32_t tag)
{
	struct block *block = (struct block *)memory - 1;

	if (block->magic != BLOCK_MAGIC) {
		sim_violation("pool memory freed that was not allocated");
		return;
	}
	if (tag && block->tag != tag)
		sim_violation("pool memory of another tag freed");
	if (block->paged) {
		if (block->previous)
			block->previous->next = block->next;
		else
			paged_blocks = block->next;
		if (block->next)
			block->next->previous = block->previous;
	}
	block->magic = 0;
	free(block);
}

PVOID ExAllocatePoolWithTag(POOL_TYPE pool, SIZE_T bytes, ULONG tag)
{
	SIM_IRQL(pool == PagedPool ? APC_LEVEL : DISPATCH_LEVEL);
	if (sim_fails(SIM_FAIL_ALLOCATE))
		return NULL;
	sim_take(SIM_POOL);
	return allocate(bytes, tag, pool == PagedPool);
}

void ExFreePoolWithTag(PVOID memory, ULONG tag)
{
	const struct block *block = (const struct block *)memory - 1;

	SIM_IRQL(block->paged ? APC_LEVEL : DISPATCH_LEVEL);
	sim_give(SIM_POOL);
	release(memory, tag);
}

void ExFreePool(PVOID memory)
{
	ExFreePoolWithTag(memory, 0);
}

void ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PVOID make, PVOID unmake,
				     ULONG flags, SIZE_T bytes, ULONG tag, USHORT depth)
{
	(void)make;
	(void)unmake;
	(void)flags;
	(void)depth;
	list->bytes = bytes;
	list->tag = tag;
	sim_take(SIM_LOOKASIDE);
}

void ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list)
{
	list->bytes = 0;
	sim_give(SIM_LOOKASIDE);
}

PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list)
{
	return ExAllocatePoolWithTag(NonPagedPoolNx, list->bytes, list->tag);
}

void ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PVOID memory)
{
	ExFreePoolWithTag(memory, list->tag);
}

void *sim_paged(const void *bytes, size_t count)
{
	void *memory = allocate(count, 0, 1);

	memcpy(memory, bytes, count);
	return memory;
}

void sim_paged_free(void *memory)
{
	release(memory, 0);
}

void *sim_user(const void *bytes, size_t count)
{
	void *memory = allocate(count, 0, 0);

	memcpy(memory, bytes, count);
	POISON(memory, count);
	return memory;
}

void sim_user_free(void *memory)
{
	struct block *block = (struct block *)memory - 1;

	UNPOISON(memory, block->bytes);
	release(memory, 0);
}

NTSTATUS sim_copy_memory(PVOID target, const void *source, SIZE_T bytes, ULONG flags,
			    PSIZE_T copied)
{
	const struct block *block = (const struct block *)source - 1;

	SIM_IRQL(APC_LEVEL);
	*copied = 0;
	if (flags != 2)
		sim_violation("MmCopyMemory with flags %u", flags);
	if (block->magic != BLOCK_MAGIC || bytes > block->bytes) {
		sim_violation("MmCopyMemory beyond what the caller gave");
		return STATUS_INVALID_PARAMETER;
	}
	/* As when the page is gone: half of it arrives. */
	if (sim_fails(SIM_FAIL_COPY))
		bytes /= 2;
	UNPOISON(source, block->bytes);
	memcpy(target, source, bytes);
	POISON(source, block->bytes);
	*copied = bytes;
	return STATUS_SUCCESS;
}

/* ---- Texts ----------------------------------------------------------------------------------- */

void RtlInitUnicodeString(PUNICODE_STRING text, PCWSTR source)
{
	size_t units = 0;

	while (source[units])
		units++;
	text->Buffer = (PWSTR)source;
	text->Length = (USHORT)(units * 2);
	text->MaximumLength = (USHORT)(units * 2 + 2);
}

static uint32_t next_character(const uint8_t **at)
{
	const uint8_t *bytes = *at;
	uint32_t count = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	uint32_t character = count == 1 ? bytes[0] : bytes[0] & (0xffu >> (count + 1));
	uint32_t i;

	for (i = 1; i < count && (bytes[i] & 0xc0) == 0x80; i++)
		character = character << 6 | (bytes[i] & 0x3fu);
	*at += i;
	return character;
}

void sim_text(UNICODE_STRING *text, const char *utf8)
{
	const uint8_t *at = (const uint8_t *)utf8;
	WCHAR *units = malloc(2 * (strlen(utf8) + 1));
	uint32_t used = 0;
	uint32_t character;

	if (!units)
		abort();
	while (*at && used < 32700) {
		character = next_character(&at);
		if (character >= 0x10000) {
			units[used++] = (WCHAR)(0xd800 + ((character - 0x10000) >> 10));
			character = 0xdc00 + (character & 0x3ff);
		}
		units[used++] = (WCHAR)character;
	}
	text->Length = text->MaximumLength = (USHORT)(used * 2);
	text->Buffer = sim_paged(units, used * 2u);
	free(units);
}

void sim_text_free(UNICODE_STRING *text)
{
	sim_paged_free(text->Buffer);
	text->Buffer = NULL;
}

/* ---- Time, processors, threads ----------------------------------------------------------- */

uint64_t sim_boot_ns(void)
{
	if (!boot_ns)
		boot_ns = platform_now_ns() - 3600000000000ull;
	return boot_ns;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency)
{
	LARGE_INTEGER counter;

	if (frequency)
		frequency->QuadPart = 10000000;
	counter.QuadPart = (LONGLONG)((platform_now_ns() - sim_boot_ns()) / 100);
	return counter;
}

ULONG64 sim_interrupt_time(PULONG64 exact)
{
	*exact = 0;
	return (platform_now_ns() - sim_boot_ns()) / 100;
}

void KeQuerySystemTime(PLARGE_INTEGER time)
{
	time->QuadPart = (LONGLONG)(platform_realtime_ns() / 100 + 116444736000000000ull);
}

ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number)
{
	(void)number;
	return current_cpu;
}

ULONG KeQueryActiveProcessorCountEx(USHORT group)
{
	(void)group;
	return CPUS;
}

void sim_become(uint32_t pid, uint32_t tid, uint32_t cpu)
{
	current_pid = pid;
	current_tid = tid;
	current_cpu = cpu;
}

uint32_t sim_pid(void)
{
	return current_pid;
}

int sim_is_system_thread(void)
{
	return is_system_thread;
}

HANDLE PsGetCurrentProcessId(void)
{
	return (HANDLE)(ULONG_PTR)current_pid;
}

HANDLE PsGetCurrentThreadId(void)
{
	return (HANDLE)(ULONG_PTR)current_tid;
}

struct system_thread {
	struct sim_header header;
	void *thread;
	PKSTART_ROUTINE routine;
	PVOID context;
	volatile LONG ended;
	/* All that ever were, so that a pointer to one never dangles. */
	struct system_thread *next;
};

static struct system_thread *driver_thread;

static void run_system_thread(void *context)
{
	struct system_thread *thread = context;

	is_system_thread = 1;
	sim_become(4, 8, 0);
	thread->routine(thread->context);
	sim_violation("a system thread returned instead of terminating itself");
	PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS PsCreateSystemThread(HANDLE *handle, ULONG access, POBJECT_ATTRIBUTES attributes,
			      HANDLE process, PCLIENT_ID id, PKSTART_ROUTINE routine,
			      PVOID context)
{
	struct system_thread *thread = calloc(1, sizeof(*thread));

	(void)access;
	(void)process;
	(void)id;
	SIM_IRQL(PASSIVE_LEVEL);
	if (!thread)
		abort();
	if (!(attributes->Attributes & OBJ_KERNEL_HANDLE))
		sim_violation("a handle that user space could use");
	thread->header.magic = SIM_MAGIC_THREAD;
	thread->header.references = 1;
	thread->routine = routine;
	thread->context = context;
	thread->next = driver_thread;
	driver_thread = thread;
	*handle = sim_handle(thread);
	thread->thread = platform_thread(run_system_thread, thread);
	return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS status)
{
	(void)status;
	if (irql != PASSIVE_LEVEL)
		sim_violation("a thread ended at IRQL %d", irql);
	__atomic_store_n(&driver_thread->ended, 1, __ATOMIC_RELEASE);
	platform_thread_exit();
}

void *sim_driver_thread(void)
{
	return driver_thread;
}

void KeInitializeEvent(PKEVENT event, EVENT_TYPE type, BOOLEAN state)
{
	(void)type;
	event->magic = SIM_MAGIC_EVENT;
	event->signalled = state;
}

LONG KeSetEvent(PKEVENT event, LONG increment, BOOLEAN wait)
{
	(void)increment;
	(void)wait;
	SIM_IRQL(DISPATCH_LEVEL);
	return __atomic_exchange_n(&event->signalled, 1, __ATOMIC_SEQ_CST);
}

NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
			       BOOLEAN alertable, PLARGE_INTEGER timeout)
{
	struct system_thread *thread = object;
	PKEVENT event = object;
	uint64_t until = 0;

	(void)reason;
	(void)mode;
	(void)alertable;
	SIM_IRQL(APC_LEVEL);
	if (thread->header.magic == SIM_MAGIC_THREAD) {
		if (thread->thread)
			platform_join(thread->thread);
		thread->thread = NULL;
		return STATUS_SUCCESS;
	}
	if (timeout)
		until = platform_now_ns() + (uint64_t)-timeout->QuadPart * 100;
	while (!__atomic_exchange_n(&event->signalled, 0, __ATOMIC_SEQ_CST)) {
		if (until && platform_now_ns() >= until)
			return STATUS_TIMEOUT;
		platform_sleep_ms(1);
	}
	return STATUS_SUCCESS;
}

NTSTATUS ZwWaitForSingleObject(HANDLE handle, BOOLEAN alertable, PLARGE_INTEGER timeout)
{
	return KeWaitForSingleObject(sim_handle_object(handle), Executive, KernelMode, alertable,
				     timeout);
}
