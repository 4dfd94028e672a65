/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the files of the Windows guest driver say to each other. One section a file; nothing here
 * is seen outside the driver. The line above each prototype says up to which IRQL it may be called.
 */
#ifndef UC_UNDERCROFT_H
#define UC_UNDERCROFT_H

#include "uc_nt.h"
#include "uc_port.h"
#include "../core/uc_encode.h"
#include "../core/uc_rules.h"

#define UC_DRIVER_VERSION "0.1.0"
/* "Ucft" in a pool dump. */
#define UC_POOL_TAG 0x74666355ul
/* Of the group "FSFilter Activity Monitor"; who gives drivers out asks Microsoft for one's own. */
#define UC_ALTITUDE L"385201.1771"

/* ---- main.c ----------------------------------------------------------------------------- */

/* Sensors and actions that registered, as told in the hello. */
extern uint64_t uc_capabilities;

/* Tested first by every hook. Any IRQL. */
static inline bool uc_sensor_is_on(uint64_t sensors)
{
	extern uint64_t uc_sensors_on;

	return (uc_counter_load(&uc_sensors_on) & sensors) != 0;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_sensors(void);
/* Before the first command the early sensors are on: what they see waits in the pre-ring. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_sensors_set(uint64_t sensors);

/* ---- optional.c: functions that not every Windows has ------------------------------------- */

/* Documented signatures; NULL where this Windows has none. */
struct uc_optional {
	NTSTATUS (NTAPI *set_process_notify)(PCREATE_PROCESS_NOTIFY_ROUTINE_EX, BOOLEAN);
	NTSTATUS (NTAPI *cm_register)(PEX_CALLBACK_FUNCTION, PCUNICODE_STRING, PVOID, PVOID,
				      PLARGE_INTEGER, PVOID);
	NTSTATUS (NTAPI *cm_unregister)(LARGE_INTEGER);
	NTSTATUS (NTAPI *cm_key_name)(PLARGE_INTEGER, PVOID, PULONG_PTR, PCUNICODE_STRING *,
				      ULONG);
	VOID (NTAPI *cm_release_name)(PCUNICODE_STRING);
	NTSTATUS (NTAPI *ob_register)(POB_CALLBACK_REGISTRATION, PVOID *);
	VOID (NTAPI *ob_unregister)(PVOID);
	PVOID (NTAPI *map_io_space_ex)(PHYSICAL_ADDRESS, SIZE_T, ULONG);
	NTSTATUS (NTAPI *copy_memory)(PVOID, const void *, SIZE_T, ULONG, PSIZE_T);
	ULONG64 (NTAPI *interrupt_time)(PULONG64);
	VOID (NTAPI *system_time)(PLARGE_INTEGER);
	HANDLE (NTAPI *parent_of)(PEPROCESS);
	ULONG (NTAPI *session_of)(PEPROCESS);
	NTSTATUS (NTAPI *query_system)(int, PVOID, ULONG, PULONG);
	NTSTATUS (NTAPI *query_thread)(HANDLE, int, PVOID, ULONG, PULONG);
};

extern struct uc_optional uc_optional;

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_optional_resolve(void);
/* MM_COPY_MEMORY's view of where an address is. */
#define UC_COPY_VIRTUAL 2u
/*
 * Copies from an address that a caller gave to the kernel and that may be the caller's own memory.
 * Returns how many bytes arrived. A fault is no crash; without the kernel's help nothing is copied.
 */
_IRQL_requires_max_(APC_LEVEL)
uint32_t uc_copy_from_caller(void *target, const void *source, uint32_t bytes);

/* ---- clock.c ---------------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_clock_init(void);
/* Boot-time clock, sleep included. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_now_ns(void);
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_realtime_ns(void);
/* A system time of the kernel, such as a process's start, on the boot-time clock: the same for the
 * same time in one load of the driver, however often the wall clock is set. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_boottime_of(int64_t system_time);
/* The same in every load of one boot: kept in a registry key that no boot survives. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_boot_id(PUNICODE_STRING registry_path, uint8_t id[16]);

/* ---- text.c ----------------------------------------------------------------------------- */

/* What UTF-16 needs as UTF-8; lone surrogates become U+FFFD. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_utf8_bytes(const WCHAR *text, uint32_t units);
/* Converts as much as fits without cutting a character. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_utf8_from(const WCHAR *text, uint32_t units, uint8_t *target, uint32_t room);
/*
 * The form in which paths and patterns are compared: ASCII letters and those of Latin-1, Greek and
 * Cyrillic in lower case, backslashes as slashes. The length stays the same.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_fold(uint8_t *text, uint32_t bytes);

/* In decimal, without an end; at most 20 digits. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_put_number(char *target, uint64_t number);

/* ---- identity.c: who acts ----------------------------------------------------------------- */

#define UC_SID_TEXT_MAX 192

struct uc_identity {
	uint64_t start_ns;
	uint64_t session;
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t parent_start_ns;
	uint32_t uid;
	uint32_t integrity;
};

/* The user's security identifier as text. */
struct uc_user {
	uint32_t bytes;
	char sid[UC_SID_TEXT_MAX];
};

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_init(void);
/* Reads a process; user may be NULL; parent 0: ask the kernel. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_read(struct uc_identity *identity, struct uc_user *user, PEPROCESS process,
		      uint32_t parent_pid);
_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_identity_remember(const struct uc_identity *identity);
_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_identity_fill(struct uc_event_header *header, const struct uc_identity *identity);
/* The acting process of this thread. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_identity_current(struct uc_event_header *header);
/* Start of a process by its number, 0 when there is none. */
_IRQL_requires_max_(PASSIVE_LEVEL)
uint64_t uc_process_start(uint32_t pid);

/* ---- event.c: one record, built in nonpaged memory ---------------------------------------- */

/* Which ring: the CPU's own, or the one for what must survive a flood of file events. */
enum uc_urgency {
	UC_ROUTINE,
	UC_PRIORITY,
};

struct uc_event {
	struct uc_record record;
	uint8_t *buffer;
	uint16_t type;
	bool pooled;
	enum uc_urgency urgency;
};

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_event_init(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_event_exit(void);
/* field_bytes: upper bound of all fields, each with uc_field_bytes(). False: lost and counted. */
_IRQL_requires_max_(APC_LEVEL)
bool uc_event_begin(struct uc_event *event, enum uc_urgency urgency, uint16_t type,
		    const struct uc_event_header *header, const void *body, uint32_t field_bytes);
/* NULL and empty texts make no field. */
_IRQL_requires_max_(APC_LEVEL)
void uc_event_text(struct uc_event *event, uint16_t field, PCUNICODE_STRING text);
_IRQL_requires_max_(APC_LEVEL)
void uc_event_bytes(struct uc_event *event, uint16_t field, const void *bytes, uint32_t count);
_IRQL_requires_max_(APC_LEVEL)
void uc_event_end(struct uc_event *event);
/* A whole record of the current process without fields. */
_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_event_plain(enum uc_urgency urgency, uint16_t type, const void *body);

/* Upper bound of the field that a text makes. */
_IRQL_requires_max_(APC_LEVEL)
uint32_t uc_text_bytes(PCUNICODE_STRING text);

/* ---- emit.c: from a finished record into the right ring ------------------------------------- */

struct uc_link;

extern struct uc_sequence uc_sequence;

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_init(void);
/* An attach begins: sequence and losses count from zero. No sensor may be on. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_reset(void);
/* Counts a record that was never built. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void uc_emit_lose(uint16_t type, uint32_t reason);
/* False: lost and counted. */
_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_emit(enum uc_urgency urgency, uint16_t type, uint16_t flags, const void *payload,
	     uint32_t bytes);
_IRQL_requires_max_(PASSIVE_LEVEL)
int uc_emit_open(const struct uc_link *link);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_close(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_set_leaving(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_free(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_tick(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_emit_add_losses(struct uc_status *status);
/* Largest payload that every ring takes now. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t uc_emit_payload_max(void);

/* ---- pre_ring.c: what was seen before the server asked for it ------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_pre_ring_init(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_pre_ring_exit(void);
/* True: kept, or lost and counted. False: monitoring has begun, so send it. */
_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_pre_ring_keep(enum uc_urgency urgency, uint16_t type, uint16_t flags, const void *payload,
		      uint32_t bytes);
/* Monitoring begins: sends what is wanted of it, forgets the rest, keeps nothing more. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_pre_ring_flush(uint64_t sensors);

/* ---- link.c ----------------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_link_run(void *region, uint64_t region_bytes, uint32_t map_kind,
		     const uint8_t boot_id[16]);
/* Says goodbye, waits a little for the answer, ends the thread. Harmless when not running. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_link_stop(uint32_t reason);
/* The thread itself, for protect.c; NULL while there is none. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void *uc_link_thread(void);

/* ---- commands.c, kill.c: all in the link's thread ------------------------------------------- */

struct uc_command_item;

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_execute(struct uc_command_item *item);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_follow_up(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_commands_reset(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_commands_acknowledged(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_kill(const struct uc_command_kill_process *kill, uint32_t *detail);

/* ---- verdict.c -------------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_init(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_exit(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_verdict_rules(const struct uc_command_item *item);
_IRQL_requires_max_(DISPATCH_LEVEL)
bool uc_verdict_wanted(uint32_t operation);
/* True: a rule refuses it; said so in a record. */
_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_verdict_refuses(uint32_t operation, PCUNICODE_STRING path,
			const struct uc_event_header *header);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_verdict_add_to(struct uc_status *status);
_IRQL_requires_max_(PASSIVE_LEVEL)
uint64_t uc_verdict_generation(void);

/* ---- volumes.c -------------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_init(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_exit(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volume_add(PFLT_VOLUME volume);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volume_remove(PFLT_VOLUME volume);
/* Finds drive letters that were not known yet, tells what changed; all: tells everything again. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_volumes_tell(bool all);
/*
 * Replaces the device at the start of a UTF-8 path by its drive, in place and never longer.
 * Returns the new length.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
uint32_t uc_volumes_shorten(uint8_t *path, uint32_t bytes);

/* ---- filter.c, file_events.c, file_changes.c ------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_filter_register(PDRIVER_OBJECT driver);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_filter_unregister(void);
/* main.c's word on that. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS FLTAPI uc_filter_may_unload(FLT_FILTER_UNLOAD_FLAGS flags);

/* One open handle that may write, or all where each close is wanted. */
struct uc_handle_context {
	PFLT_FILE_NAME_INFORMATION name;
	uint64_t bytes_written;
	uint32_t flags;
	bool delete_on_close;
};

extern PFLT_FILTER uc_filter;

struct uc_file_record {
	uint16_t type;
	uint32_t flags;
	uint64_t size_bytes;
};

/* old_path: NULL but for a rename. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_file_emit(const struct uc_file_record *file, PCUNICODE_STRING path,
		  PCUNICODE_STRING old_path);

FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_create(PFLT_CALLBACK_DATA data,
					       PCFLT_RELATED_OBJECTS objects, PVOID *context);
FLT_POSTOP_CALLBACK_STATUS FLTAPI uc_post_create(PFLT_CALLBACK_DATA data,
						 PCFLT_RELATED_OBJECTS objects, PVOID context,
						 FLT_POST_OPERATION_FLAGS flags);
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_write(PFLT_CALLBACK_DATA data,
					      PCFLT_RELATED_OBJECTS objects, PVOID *context);
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_cleanup(PFLT_CALLBACK_DATA data,
						PCFLT_RELATED_OBJECTS objects, PVOID *context);
FLT_PREOP_CALLBACK_STATUS FLTAPI uc_pre_change(PFLT_CALLBACK_DATA data,
					       PCFLT_RELATED_OBJECTS objects, PVOID *context);
FLT_POSTOP_CALLBACK_STATUS FLTAPI uc_post_change(PFLT_CALLBACK_DATA data,
						 PCFLT_RELATED_OBJECTS objects, PVOID context,
						 FLT_POST_OPERATION_FLAGS flags);

/* ---- process_events.c, existing.c, image_events.c, thread_events.c --------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_process_register(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_unregister(void);
/* Reports what runs already. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_snapshot(void);

struct uc_process_text {
	PCUNICODE_STRING path;
	PCUNICODE_STRING requested_path;
	PCUNICODE_STRING command_line;
};

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_process_emit(uint16_t type, const struct uc_identity *identity,
		     const struct uc_user *user, const struct uc_process_text *text);
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_image_register(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_image_unregister(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_thread_register(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_thread_unregister(void);
/* The next thread of that process is its first, whoever starts it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_thread_expect_first(uint32_t pid);

/* ---- registry_events.c ------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_registry_register(PDRIVER_OBJECT driver);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_registry_unregister(void);

/* ---- protect.c -------------------------------------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_protect_register(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_protect_unregister(void);

/* ---- device.c: the PCI function behind the region ------------------------------------------- */

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_device_dispatch(PDRIVER_OBJECT driver, const uint8_t boot_id[16]);
/* True while a device holds the region: the driver cannot go then. */
_IRQL_requires_max_(PASSIVE_LEVEL)
bool uc_device_is_bound(void);

#ifdef UC_TEST_REGION
/* ---- test_region.c: a file in place of the device, never in a driver that is given out --- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS uc_test_region_open(PUNICODE_STRING registry_path, const uint8_t boot_id[16]);
_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_test_region_close(void);
#endif

#endif /* UC_UNDERCROFT_H */
