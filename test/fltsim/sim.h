/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulator's files say to each other. It stands in for the Windows kernel: holds the
 * driver to the IRQL of each function it calls, counts every reference it takes, fails calls when
 * told to, and calls the driver's registered callbacks as scripted.
 */
#ifndef UC_SIM_H
#define UC_SIM_H

#include "sim_nt.h"
#include "../../guest-drivers/windows/uc_fltmgr.h"
#include "platform.h"

/* ---- sim_check.c: rules kept, references balanced, failures planned ---------------------- */

/* Kinds of things that the driver takes and must give back. */
enum sim_kind {
	SIM_POOL,
	SIM_LOOKASIDE,
	SIM_PROCESS_REFERENCE,
	SIM_THREAD_REFERENCE,
	SIM_TOKEN,
	SIM_HANDLE,
	SIM_FILE_NAME,
	SIM_CONTEXT,
	SIM_KEY_NAME,
	SIM_VOLUME_REFERENCE,
	SIM_DEVICE,
	SIM_DEVICE_REFERENCE,
	SIM_MAPPING,
	SIM_CALLBACK,
	SIM_KINDS
};

void sim_take(enum sim_kind kind);
void sim_give(enum sim_kind kind);
/* Prints what is out of balance; the number of such kinds. */
uint32_t sim_imbalance(void);
/* A rule was broken: said on standard output, and counted. */
void sim_violation(const char *format, ...);
uint32_t sim_violations(void);
/* The calling function's limit. */
void sim_need_irql(const char *function, KIRQL max);
#define SIM_IRQL(max) sim_need_irql(__func__, max)

/* Calls that can be made to fail, by name. */
enum sim_failure {
	SIM_FAIL_ALLOCATE,
	SIM_FAIL_NAME,
	SIM_FAIL_CONTEXT,
	SIM_FAIL_KEY_NAME,
	SIM_FAIL_TOKEN,
	SIM_FAIL_IMAGE_NAME,
	SIM_FAIL_COPY,
	SIM_FAIL_TERMINATE,
	SIM_FAIL_OPEN,
	SIM_FAILURES
};

/* So many calls fail, after so many that do not. False: no such name. */
int sim_plan_failure(const char *name, uint32_t count, uint32_t after);
/* Every call fails with one chance in so many; 0: never. */
void sim_fail_randomly(uint32_t one_in, uint32_t seed);
int sim_fails(enum sim_failure what);

/* ---- sim_kernel.c ------------------------------------------------------------------------ */

/* Who runs on this thread; a system thread is of process 4. */
void sim_become(uint32_t pid, uint32_t tid, uint32_t cpu);
uint32_t sim_pid(void);
int sim_is_system_thread(void);
uint64_t sim_boot_ns(void);
NTSTATUS sim_copy_memory(PVOID target, const void *source, SIZE_T bytes, ULONG flags,
			 PSIZE_T copied);
ULONG64 sim_interrupt_time(PULONG64 exact);
/* Memory that may be touched at low IRQL only, or only by MmCopyMemory. Freed as given. */
void *sim_paged(const void *bytes, size_t count);
void sim_paged_free(void *memory);
void *sim_user(const void *bytes, size_t count);
void sim_user_free(void *memory);
/* A text from UTF-8 in paged memory; freed with sim_text_free(). */
void sim_text(UNICODE_STRING *text, const char *utf8);
void sim_text_free(UNICODE_STRING *text);
/* Of whatever an object is; for ObDereferenceObject(). */
#define SIM_MAGIC_PROCESS 0x50524f4345535321ull
#define SIM_MAGIC_THREAD 0x5448524541444f21ull
#define SIM_MAGIC_DEVICE 0x4445564943454f21ull
#define SIM_MAGIC_EVENT 0x4556454e544f4f21ull
struct sim_header {
	uint64_t magic;
	LONG references;
};
HANDLE sim_handle(void *object);
void *sim_handle_object(HANDLE handle);
/* The system thread that the driver started; for the handle test. NULL: none. */
void *sim_driver_thread(void);

/* ---- sim_process.c ----------------------------------------------------------------------- */

struct sim_process_plan {
	uint32_t pid;
	uint32_t parent;
	const char *sid;
	uint32_t integrity;
	const char *path;
	const char *command_line;
};

void sim_processes_init(void);
/* False: the driver refused it. */
int sim_process_start(const struct sim_process_plan *plan);
/* Without the driver being told, as before it was loaded. */
void sim_process_exists(const struct sim_process_plan *plan);
int sim_process_exit(uint32_t pid, uint32_t code);
int sim_process_alive(uint32_t pid);
void sim_image(uint32_t pid, const char *path, uint64_t base, uint64_t bytes);
void sim_remote_thread(uint32_t actor, uint32_t target, uint32_t tid, uint64_t address);
ACCESS_MASK sim_thread_handle(ACCESS_MASK wanted, int duplicate, int kernel, int other);

NTSTATUS sim_set_process_notify(PCREATE_PROCESS_NOTIFY_ROUTINE_EX routine, BOOLEAN remove);
NTSTATUS sim_ob_register(POB_CALLBACK_REGISTRATION registration, PVOID *handle);
void sim_ob_unregister(PVOID handle);
HANDLE sim_parent_of(PEPROCESS process);
ULONG sim_session_of(PEPROCESS process);
NTSTATUS sim_query_system(int what, PVOID target, ULONG bytes, PULONG needed);
NTSTATUS sim_query_thread(HANDLE thread, int what, PVOID target, ULONG bytes, PULONG needed);

/* ---- sim_files.c ------------------------------------------------------------------------- */

/* What is done to a file: words of the script. Returns 0 when the driver refused it. */
struct sim_file_plan {
	const char *operation;
	const char *path;
	const char *argument;
	int kernel_mode;
	/* The file system itself fails what the operation is about. */
	int fails;
};

int sim_file(const struct sim_file_plan *plan);
void sim_volume_attach(const char *device, const char *mount, int network);
void sim_volume_detach(const char *device);
/* Asks the filter to go, as FltMgr does. */
NTSTATUS sim_filter_unload(int mandatory);
int sim_filter_is_registered(void);

/* ---- sim_registry.c ---------------------------------------------------------------------- */

struct sim_key_plan {
	const char *operation;
	const char *key;
	const char *name;
	uint32_t type;
	const uint8_t *data;
	uint32_t data_bytes;
	int fails;
};

void sim_key(const struct sim_key_plan *plan);
NTSTATUS sim_cm_register(PEX_CALLBACK_FUNCTION routine, PCUNICODE_STRING altitude, PVOID driver,
			 PVOID context, PLARGE_INTEGER cookie, PVOID reserved);
NTSTATUS sim_cm_unregister(LARGE_INTEGER cookie);
NTSTATUS sim_cm_key_name(PLARGE_INTEGER cookie, PVOID object, PULONG_PTR id,
			 PCUNICODE_STRING *name, ULONG flags);
void sim_cm_release_name(PCUNICODE_STRING name);

/* ---- sim_device.c ------------------------------------------------------------------------ */

extern DRIVER_OBJECT sim_driver;

void sim_device_use(const char *region_path);
/* "start", "stop", "remove", "surprise", "shutdown", "power"; the request's status. */
NTSTATUS sim_device(const char *what);
PVOID sim_map_io_space_ex(PHYSICAL_ADDRESS start, SIZE_T bytes, ULONG protect);
/* Memory type that the driver asked for last. */
uint32_t sim_map_protect(void);
void sim_device_place(uint64_t start);

/* ---- sim_script.c, sim_fuzz.c ------------------------------------------------------------ */

/* Lines of standard input until its end. */
void sim_script(void);
void sim_fuzz(uint32_t seed, uint32_t operations, uint32_t threads, uint32_t fail_one_in);
NTSTATUS sim_load(void);
int sim_is_loaded(void);
NTSTATUS sim_unload(int mandatory);

#endif /* UC_SIM_H */
