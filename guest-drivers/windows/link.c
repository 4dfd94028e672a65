/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The thread that keeps the guest registered: it polls the server's pages, carries out commands,
 * refreshes the heartbeat and flushes rings that have gone quiet. All state here is its own.
 */
#include "undercroft.h"
#include "../core/uc_command.h"
#include "../core/uc_link.h"

#define HEARTBEAT_NS 250000000ull
#define TICK_NS 4000000ull
#define CLOCK_NS 10000000000ull
/* After a command more often come at once. */
#define BUSY_NS 100000000ull
#define GOODBYE_NS 500000000ull
#define TICKS_PER_MS 10000ll

struct link_thread {
	struct uc_link link;
	struct uc_command_reader reader;
	bool reader_ready;
	void *command_buffer;
	struct uc_status status;
	uint64_t status_ns;
	uint64_t tick_ns;
	uint64_t clock_ns;
	uint64_t busy_until_ns;
	/* Referenced; NULL while there is no thread. */
	void *thread;
	KEVENT wake;
	/* Set by who wants us gone. */
	uint32_t leave_reason;
};

static struct link_thread self;

_IRQL_requires_max_(PASSIVE_LEVEL)
static void park(void *context)
{
	(void)context;
	uc_emit_close();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static int start(void *context, const struct uc_link *link)
{
	const struct uc_ring_place *place = uc_region_ring(&link->map, UC_RING_COMMAND, 0);

	(void)context;
	if (!place)
		return -1;
	if (!self.reader_ready || !uc_command_place(&self.reader, link->region, place))
		uc_command_init(&self.reader, link->region, place, self.command_buffer);
	self.reader_ready = true;
	uc_command_start(&self.reader, link->session.session_id, link->session.features,
			 link->map.server_epoch);
	return uc_emit_open(link);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void stamp(void *context, struct uc_hello *hello)
{
	(void)context;
	hello->clock_boottime_ns = uc_now_ns();
	hello->clock_realtime_ns = uc_realtime_ns();
	hello->sequence = uc_counter_load(&uc_sequence.last);
}

static const struct uc_link_ops link_ops = { park, start, stamp };

_IRQL_requires_max_(PASSIVE_LEVEL)
static void write_status(void)
{
	struct uc_status *status = &self.status;
	const uint64_t heartbeat = status->heartbeat + 1;

	memset(status, 0, sizeof(*status));
	status->heartbeat = heartbeat;
	status->boottime_ns = uc_now_ns();
	status->sensors = uc_sensors();
	status->commands_done = self.reader.commands_done;
	status->commands_failed = self.reader.commands_failed;
	uc_verdict_add_to(status);
	uc_emit_add_losses(status);
	/* Last: it must not be behind the losses it covers. */
	status->sequence = uc_counter_load(&uc_sequence.last);
	uc_region_write_status(self.link.region, status);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void run_commands(void)
{
	struct uc_command_item item;

	while (uc_command_next(&self.reader, uc_now_ns(), &item) > 0) {
		if (item.run)
			uc_commands_execute(&item);
		uc_command_finish(&self.reader, &item);
		uc_event_plain(UC_PRIORITY, UC_RECORD_COMMAND_RESULT, &item.result);
		self.busy_until_ns = uc_now_ns() + BUSY_NS;
		/* Last: nothing may be written once parked. */
		if (item.kind == UC_COMMAND_QUIESCE && item.result.result == UC_RESULT_DONE) {
			uc_link_quiesce(&self.link);
			return;
		}
		uc_commands_follow_up();
	}
}

/* False: no space for the word. It is worth another try, or the server never hears of it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static bool say_goodbye(void)
{
	const struct uc_unregister body = { self.leave_reason, 0 };

	if (self.link.state == UC_LINK_READY &&
	    !uc_event_plain(UC_PRIORITY, UC_RECORD_UNREGISTER, &body))
		return false;
	uc_link_leave(&self.link);
	return true;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void serve(uint64_t now_ns)
{
	run_commands();
	if (now_ns >= self.tick_ns) {
		uc_emit_tick();
		self.tick_ns = now_ns + TICK_NS;
	}
	if (now_ns >= self.clock_ns) {
		const struct uc_clock body = { uc_now_ns(), uc_realtime_ns() };

		uc_event_plain(UC_PRIORITY, UC_RECORD_CLOCK, &body);
		if (uc_sensors())
			uc_volumes_tell(false);
		self.clock_ns = now_ns + CLOCK_NS;
	}
}

/* The last words: what is counted until here is also on the page. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void finish(void)
{
	if (self.link.state == UC_LINK_LEFT)
		return;
	uc_sensors_set(0);
	if (self.link.state != UC_LINK_OFFLINE)
		write_status();
	uc_link_finish(&self.link);
}

/* One round; returns the link's state after it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static uint32_t step(void)
{
	const uint64_t now_ns = uc_now_ns();
	const uint32_t state = uc_link_poll(&self.link, now_ns);

	if (state == UC_LINK_LEFT)
		return state;
	if (state == UC_LINK_READY || state == UC_LINK_LEAVING)
		serve(now_ns);
	/* A region without a good superblock is not ours to write to. */
	if (state != UC_LINK_OFFLINE && now_ns >= self.status_ns) {
		write_status();
		self.status_ns = now_ns + HEARTBEAT_NS;
	}
	if (self.link.state == UC_LINK_LEAVING && uc_commands_acknowledged())
		finish();
	return self.link.state;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void rest(void)
{
	LARGE_INTEGER wait;

	wait.QuadPart = -TICKS_PER_MS * (uc_now_ns() < self.busy_until_ns ? 1 : 4);
	KeWaitForSingleObject(&self.wake, Executive, KernelMode, FALSE, &wait);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI run(PVOID context)
{
	uint64_t deadline_ns = 0;
	bool said_goodbye = false;
	uint32_t reason;

	(void)context;
	for (;;) {
		reason = __atomic_load_n(&self.leave_reason, __ATOMIC_ACQUIRE);
		if (reason && !deadline_ns)
			deadline_ns = uc_now_ns() + GOODBYE_NS;
		if (reason && !said_goodbye)
			said_goodbye = say_goodbye();
		if (step() == UC_LINK_LEFT || (deadline_ns && uc_now_ns() > deadline_ns))
			break;
		rest();
	}
	finish();
	PsTerminateSystemThread(STATUS_SUCCESS);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void introduce(struct uc_hello *hello, uint32_t map_kind, const uint8_t boot_id[16])
{
	static const char windows[] = "Windows ";
	RTL_OSVERSIONINFOW version;
	uint32_t used = sizeof(windows) - 1;
	ULONG parts[3];
	int i;

	memset(hello, 0, sizeof(*hello));
	hello->capabilities = uc_capabilities;
	memcpy(hello->boot_id, boot_id, sizeof(hello->boot_id));
	hello->attach_ns = uc_now_ns();
	hello->map_kind = map_kind;
	hello->cpu_count = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
	hello->os = UC_OS_WINDOWS;
	memcpy(hello->driver_version, UC_DRIVER_VERSION, sizeof(UC_DRIVER_VERSION));
	memset(&version, 0, sizeof(version));
	version.dwOSVersionInfoSize = sizeof(version);
	RtlGetVersion(&version);
	parts[0] = version.dwMajorVersion;
	parts[1] = version.dwMinorVersion;
	parts[2] = version.dwBuildNumber;
	memcpy(hello->os_version, windows, used);
	for (i = 0; i < 3; i++) {
		if (i)
			hello->os_version[used++] = '.';
		used += uc_put_number((char *)hello->os_version + used, parts[i]);
	}
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS start_thread(void)
{
	OBJECT_ATTRIBUTES attributes;
	NTSTATUS status;
	HANDLE handle;

	InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
	status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, &attributes, NULL, NULL, run,
				      NULL);
	if (!NT_SUCCESS(status))
		return status;
	status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode,
					   &self.thread, NULL);
	if (!NT_SUCCESS(status)) {
		/* It runs, and there is no other way to know when it has ended. */
		__atomic_store_n(&self.leave_reason, UC_UNREGISTER_UNLOAD, __ATOMIC_RELEASE);
		ZwWaitForSingleObject(handle, FALSE, NULL);
		self.thread = NULL;
	}
	ZwClose(handle);
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_link_run(void *region, uint64_t region_bytes, uint32_t map_kind,
		     const uint8_t boot_id[16])
{
	struct uc_hello hello;
	NTSTATUS status;

	if (self.thread)
		return STATUS_DEVICE_BUSY;
	memset(&self, 0, sizeof(self));
	self.command_buffer =
		ExAllocatePoolWithTag(NonPagedPoolNx, UC_RECORD_BYTES_MAX, UC_POOL_TAG);
	if (!self.command_buffer)
		return STATUS_INSUFFICIENT_RESOURCES;
	KeInitializeEvent(&self.wake, SynchronizationEvent, FALSE);
	introduce(&hello, map_kind, boot_id);
	uc_link_init(&self.link, region, region_bytes, &link_ops, NULL, &hello,
		     UC_FEATURE_CRC32C);
	uc_emit_reset();
	uc_commands_reset();
	status = start_thread();
	if (!NT_SUCCESS(status)) {
		ExFreePoolWithTag(self.command_buffer, UC_POOL_TAG);
		self.command_buffer = NULL;
	}
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_link_stop(uint32_t reason)
{
	if (!self.thread)
		return;
	__atomic_store_n(&self.leave_reason, reason, __ATOMIC_RELEASE);
	KeSetEvent(&self.wake, IO_NO_INCREMENT, FALSE);
	KeWaitForSingleObject(self.thread, Executive, KernelMode, FALSE, NULL);
	ObDereferenceObject(self.thread);
	self.thread = NULL;
	uc_emit_set_leaving();
	uc_sensors_set(0);
	uc_verdict_exit();
	ExFreePoolWithTag(self.command_buffer, UC_POOL_TAG);
	self.command_buffer = NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void *uc_link_thread(void)
{
	return __atomic_load_n(&self.thread, __ATOMIC_RELAXED);
}
