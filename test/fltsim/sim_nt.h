/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's interface for the simulator: what guest-drivers/windows uses of it, declared anew so
 * that the driver's own sources compile as part of a user-mode program, natively (gcc, with 16-bit
 * wchar_t) and for Wine (mingw-w64). The driver's layout.h holds the layouts equal to Windows's.
 */
#ifndef UC_SIM_NT_H
#define UC_SIM_NT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NTAPI
#define VOID void
#define TRUE 1
#define FALSE 0

typedef void *PVOID, *HANDLE;
typedef char CHAR, CCHAR, KPROCESSOR_MODE;
typedef unsigned char UCHAR, BOOLEAN, KIRQL, *PBOOLEAN;
typedef unsigned short USHORT;
typedef int LONG, NTSTATUS;
typedef unsigned int ULONG, ACCESS_MASK, SECURITY_INFORMATION, *PULONG;
typedef int64_t LONGLONG;
typedef uint64_t ULONG64, *PULONG64;
typedef uintptr_t ULONG_PTR, SIZE_T, KSPIN_LOCK, *PULONG_PTR, *PSIZE_T, *PKSPIN_LOCK;
typedef intptr_t LONG_PTR;
typedef wchar_t WCHAR, *PWSTR;
typedef const wchar_t *PCWSTR;
typedef PVOID PSECURITY_DESCRIPTOR, PACCESS_TOKEN, PMDL;
_Static_assert(sizeof(WCHAR) == 2, "compile with -fshort-wchar");

typedef union _LARGE_INTEGER {
	struct {
		ULONG LowPart;
		LONG HighPart;
	} u;
	LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER, PHYSICAL_ADDRESS;

typedef struct _UNICODE_STRING {
	USHORT Length;
	USHORT MaximumLength;
	PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef struct _EPROCESS *PEPROCESS;
typedef struct _ETHREAD *PETHREAD;
typedef struct _OBJECT_TYPE *POBJECT_TYPE;
typedef struct _FILE_OBJECT *PFILE_OBJECT;

#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
#define STATUS_SUCCESS ((NTSTATUS)0)
#define STATUS_REPARSE ((NTSTATUS)0x00000104)
#define STATUS_TIMEOUT ((NTSTATUS)0x00000102)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_INFO_LENGTH_MISMATCH ((NTSTATUS)0xC0000004)
#define STATUS_INVALID_PARAMETER ((NTSTATUS)0xC000000D)
#define STATUS_NO_SUCH_DEVICE ((NTSTATUS)0xC000000E)
#define STATUS_ACCESS_DENIED ((NTSTATUS)0xC0000022)
#define STATUS_OBJECT_NAME_NOT_FOUND ((NTSTATUS)0xC0000034)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_PROCESS_IS_TERMINATING ((NTSTATUS)0xC000010A)
#define STATUS_DEVICE_CONFIGURATION_ERROR ((NTSTATUS)0xC0000182)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define STATUS_DEVICE_BUSY ((NTSTATUS)0x80000011)

/* ---- IRQL, locks, memory, waiting ----------------------------------------------------------- */

#define PASSIVE_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2

typedef enum _POOL_TYPE { NonPagedPool = 0, PagedPool = 1, NonPagedPoolNx = 512 } POOL_TYPE;
typedef enum _MEMORY_CACHING_TYPE { MmNonCached, MmCached, MmWriteCombined } MEMORY_CACHING_TYPE;
typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _KWAIT_REASON { Executive } KWAIT_REASON;
#define KernelMode 0
#define UserMode 1
#define IO_NO_INCREMENT 0
#define ALL_PROCESSOR_GROUPS 0xffff

typedef struct _FAST_MUTEX {
	KSPIN_LOCK lock;
	KIRQL old_irql;
} FAST_MUTEX, *PFAST_MUTEX;
typedef struct _KEVENT {
	uint64_t magic;
	volatile LONG signalled;
} KEVENT, *PKEVENT;
typedef struct _NPAGED_LOOKASIDE_LIST {
	SIZE_T bytes;
	ULONG tag;
} NPAGED_LOOKASIDE_LIST, *PNPAGED_LOOKASIDE_LIST;
typedef struct _PROCESSOR_NUMBER *PPROCESSOR_NUMBER;

KIRQL KeGetCurrentIrql(void);
void KeInitializeSpinLock(PKSPIN_LOCK lock);
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);
void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL irql);
void ExInitializeFastMutex(PFAST_MUTEX mutex);
void ExAcquireFastMutex(PFAST_MUTEX mutex);
void ExReleaseFastMutex(PFAST_MUTEX mutex);
PVOID ExAllocatePoolWithTag(POOL_TYPE pool, SIZE_T bytes, ULONG tag);
void ExFreePoolWithTag(PVOID memory, ULONG tag);
void ExFreePool(PVOID memory);
void ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PVOID allocate, PVOID release,
				     ULONG flags, SIZE_T bytes, ULONG tag, USHORT depth);
void ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list);
PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list);
void ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PVOID memory);
void KeInitializeEvent(PKEVENT event, EVENT_TYPE type, BOOLEAN state);
LONG KeSetEvent(PKEVENT event, LONG increment, BOOLEAN wait);
NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
			       BOOLEAN alertable, PLARGE_INTEGER timeout);
LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency);
void KeQuerySystemTime(PLARGE_INTEGER time);
ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number);
ULONG KeQueryActiveProcessorCountEx(USHORT group);
PVOID MmGetSystemRoutineAddress(PUNICODE_STRING name);
PVOID MmMapIoSpace(PHYSICAL_ADDRESS start, SIZE_T bytes, MEMORY_CACHING_TYPE caching);
void MmUnmapIoSpace(PVOID memory, SIZE_T bytes);
ULONG DbgPrint(const char *format, ...);
void RtlInitUnicodeString(PUNICODE_STRING text, PCWSTR source);
ULONG RtlRandomEx(PULONG seed);

static inline LONG InterlockedExchange(volatile LONG *target, LONG value)
{
	return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedCompareExchange(volatile LONG *target, LONG value, LONG comparand)
{
	__atomic_compare_exchange_n(target, &comparand, value, 0, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	return comparand;
}

typedef struct _OSVERSIONINFOW {
	ULONG dwOSVersionInfoSize;
	ULONG dwMajorVersion;
	ULONG dwMinorVersion;
	ULONG dwBuildNumber;
	ULONG dwPlatformId;
	WCHAR szCSDVersion[128];
} RTL_OSVERSIONINFOW;
NTSTATUS RtlGetVersion(RTL_OSVERSIONINFOW *version);

/* ---- Objects, processes, threads, tokens ---------------------------------------------------- */

#define OBJ_CASE_INSENSITIVE 0x40
#define OBJ_KERNEL_HANDLE 0x200
#define THREAD_ALL_ACCESS 0x1fffff

typedef struct _OBJECT_ATTRIBUTES {
	ULONG Length;
	HANDLE RootDirectory;
	PUNICODE_STRING ObjectName;
	ULONG Attributes;
	PVOID SecurityDescriptor;
	PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;

#define InitializeObjectAttributes(target, name, flags, root, security) \
	do { \
		(target)->Length = sizeof(OBJECT_ATTRIBUTES); \
		(target)->RootDirectory = (root); \
		(target)->ObjectName = (name); \
		(target)->Attributes = (flags); \
		(target)->SecurityDescriptor = (security); \
		(target)->SecurityQualityOfService = NULL; \
	} while (0)

extern POBJECT_TYPE *PsProcessType;
extern POBJECT_TYPE *PsThreadType;

void ObDereferenceObject(PVOID object);
NTSTATUS ObOpenObjectByPointer(PVOID object, ULONG attributes, PVOID state, ACCESS_MASK access,
			       POBJECT_TYPE type, KPROCESSOR_MODE mode, HANDLE *handle);
NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
				   KPROCESSOR_MODE mode, PVOID *object, PVOID information);
NTSTATUS ZwClose(HANDLE handle);
NTSTATUS ZwWaitForSingleObject(HANDLE handle, BOOLEAN alertable, PLARGE_INTEGER timeout);

typedef void (*PKSTART_ROUTINE)(PVOID context);
typedef struct _CLIENT_ID {
	HANDLE UniqueProcess;
	HANDLE UniqueThread;
} CLIENT_ID, *PCLIENT_ID;

NTSTATUS PsCreateSystemThread(HANDLE *handle, ULONG access, POBJECT_ATTRIBUTES attributes,
			      HANDLE process, PCLIENT_ID id, PKSTART_ROUTINE routine,
			      PVOID context);
NTSTATUS PsTerminateSystemThread(NTSTATUS status);
PEPROCESS PsGetCurrentProcess(void);
HANDLE PsGetCurrentProcessId(void);
HANDLE PsGetCurrentThreadId(void);
HANDLE PsGetProcessId(PEPROCESS process);
LONGLONG PsGetProcessCreateTimeQuadPart(PEPROCESS process);
NTSTATUS PsGetProcessExitStatus(PEPROCESS process);
NTSTATUS PsLookupProcessByProcessId(HANDLE pid, PEPROCESS *process);
NTSTATUS PsLookupThreadByThreadId(HANDLE tid, PETHREAD *thread);
NTSTATUS SeLocateProcessImageName(PEPROCESS process, PUNICODE_STRING *name);

typedef enum _PROCESSINFOCLASS { ProcessBasicInformation } PROCESSINFOCLASS;
NTSTATUS ZwQueryInformationProcess(HANDLE process, PROCESSINFOCLASS what, PVOID target,
				   ULONG bytes, PULONG needed);
NTSTATUS ZwTerminateProcess(HANDLE process, NTSTATUS status);

#define SID_MAX_SUB_AUTHORITIES 15
typedef struct _SID {
	UCHAR Revision;
	UCHAR SubAuthorityCount;
	struct {
		UCHAR Value[6];
	} IdentifierAuthority;
	ULONG SubAuthority[SID_MAX_SUB_AUTHORITIES];
} SID;
typedef struct _SID_AND_ATTRIBUTES {
	PVOID Sid;
	ULONG Attributes;
} SID_AND_ATTRIBUTES;
typedef struct _TOKEN_USER {
	SID_AND_ATTRIBUTES User;
} TOKEN_USER;
typedef struct _TOKEN_MANDATORY_LABEL {
	SID_AND_ATTRIBUTES Label;
} TOKEN_MANDATORY_LABEL;
typedef enum _TOKEN_INFORMATION_CLASS {
	TokenUser = 1,
	TokenIntegrityLevel = 25
} TOKEN_INFORMATION_CLASS;
PACCESS_TOKEN PsReferencePrimaryToken(PEPROCESS process);
void PsDereferencePrimaryToken(PACCESS_TOKEN token);
NTSTATUS SeQueryInformationToken(PACCESS_TOKEN token, TOKEN_INFORMATION_CLASS what, PVOID *target);

typedef struct _PS_CREATE_NOTIFY_INFO {
	SIZE_T Size;
	ULONG Flags;
	HANDLE ParentProcessId;
	CLIENT_ID CreatingThreadId;
	PFILE_OBJECT FileObject;
	PCUNICODE_STRING ImageFileName;
	PCUNICODE_STRING CommandLine;
	NTSTATUS CreationStatus;
} PS_CREATE_NOTIFY_INFO, *PPS_CREATE_NOTIFY_INFO;
typedef struct _IMAGE_INFO {
	struct {
		ULONG ImageAddressingMode : 8;
		ULONG SystemModeImage : 1;
		ULONG Reserved : 23;
	};
	PVOID ImageBase;
	ULONG ImageSelector;
	SIZE_T ImageSize;
	ULONG ImageSectionNumber;
} IMAGE_INFO, *PIMAGE_INFO;
typedef void (*PCREATE_PROCESS_NOTIFY_ROUTINE_EX)(PEPROCESS, HANDLE, PPS_CREATE_NOTIFY_INFO);
typedef void (*PCREATE_THREAD_NOTIFY_ROUTINE)(HANDLE, HANDLE, BOOLEAN);
typedef void (*PLOAD_IMAGE_NOTIFY_ROUTINE)(PUNICODE_STRING, HANDLE, PIMAGE_INFO);
NTSTATUS PsSetLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE routine);
NTSTATUS PsRemoveLoadImageNotifyRoutine(PLOAD_IMAGE_NOTIFY_ROUTINE routine);
NTSTATUS PsSetCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE routine);
NTSTATUS PsRemoveCreateThreadNotifyRoutine(PCREATE_THREAD_NOTIFY_ROUTINE routine);

#define OB_FLT_REGISTRATION_VERSION 0x0100
#define OB_OPERATION_HANDLE_CREATE 1
#define OB_OPERATION_HANDLE_DUPLICATE 2
typedef struct _OB_PRE_CREATE_HANDLE_INFORMATION {
	ACCESS_MASK DesiredAccess;
	ACCESS_MASK OriginalDesiredAccess;
} OB_PRE_CREATE_HANDLE_INFORMATION;
typedef struct _OB_PRE_DUPLICATE_HANDLE_INFORMATION {
	ACCESS_MASK DesiredAccess;
	ACCESS_MASK OriginalDesiredAccess;
	PVOID SourceProcess;
	PVOID TargetProcess;
} OB_PRE_DUPLICATE_HANDLE_INFORMATION;
typedef union _OB_PRE_OPERATION_PARAMETERS {
	OB_PRE_CREATE_HANDLE_INFORMATION CreateHandleInformation;
	OB_PRE_DUPLICATE_HANDLE_INFORMATION DuplicateHandleInformation;
} OB_PRE_OPERATION_PARAMETERS, *POB_PRE_OPERATION_PARAMETERS;
typedef struct _OB_PRE_OPERATION_INFORMATION {
	ULONG Operation;
	ULONG KernelHandle : 1;
	ULONG Reserved : 31;
	PVOID Object;
	POBJECT_TYPE ObjectType;
	PVOID CallContext;
	POB_PRE_OPERATION_PARAMETERS Parameters;
} OB_PRE_OPERATION_INFORMATION, *POB_PRE_OPERATION_INFORMATION;
typedef enum _OB_PREOP_CALLBACK_STATUS { OB_PREOP_SUCCESS } OB_PREOP_CALLBACK_STATUS;
typedef OB_PREOP_CALLBACK_STATUS (*POB_PRE_OPERATION_CALLBACK)(PVOID,
							       POB_PRE_OPERATION_INFORMATION);
typedef struct _OB_OPERATION_REGISTRATION {
	POBJECT_TYPE *ObjectType;
	ULONG Operations;
	POB_PRE_OPERATION_CALLBACK PreOperation;
	PVOID PostOperation;
} OB_OPERATION_REGISTRATION, *POB_OPERATION_REGISTRATION;
typedef struct _OB_CALLBACK_REGISTRATION {
	USHORT Version;
	USHORT OperationRegistrationCount;
	UNICODE_STRING Altitude;
	PVOID RegistrationContext;
	OB_OPERATION_REGISTRATION *OperationRegistration;
} OB_CALLBACK_REGISTRATION, *POB_CALLBACK_REGISTRATION;

#include "sim_nt_io.h"

#endif /* UC_SIM_NT_H */
