/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second half of sim_nt.h, which includes it: registry, files, devices and their requests.
 */
#ifndef UC_SIM_NT_IO_H
#define UC_SIM_NT_IO_H

/* ---- Registry ------------------------------------------------------------------------------- */

#define KEY_QUERY_VALUE 1
#define KEY_SET_VALUE 2
#define KEY_CREATE_SUB_KEY 4
#define REG_OPTION_VOLATILE 1
#define REG_BINARY 3
#define REG_CREATED_NEW_KEY 1
#define REG_OPENED_EXISTING_KEY 2
#define KeyValuePartialInformation 2

typedef struct _KEY_VALUE_PARTIAL_INFORMATION {
	ULONG TitleIndex;
	ULONG Type;
	ULONG DataLength;
	UCHAR Data[1];
} KEY_VALUE_PARTIAL_INFORMATION;
NTSTATUS ZwOpenKey(HANDLE *key, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes);
NTSTATUS ZwCreateKey(HANDLE *key, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, ULONG index,
		     PUNICODE_STRING class, ULONG options, PULONG disposition);
NTSTATUS ZwQueryValueKey(HANDLE key, PUNICODE_STRING name, int what, PVOID target, ULONG bytes,
			 PULONG needed);
NTSTATUS ZwSetValueKey(HANDLE key, PUNICODE_STRING name, ULONG index, ULONG type, PVOID data,
		       ULONG bytes);

/* Numbers of wdm.h. */
typedef enum _REG_NOTIFY_CLASS {
	RegNtPreDeleteKey = 0,
	RegNtPreRenameKey = 4,
	RegNtPreKeyHandleClose = 14,
	RegNtPostDeleteKey = 15,
	RegNtPostSetValueKey = 16,
	RegNtPostDeleteValueKey = 17,
	RegNtPostRenameKey = 19,
	RegNtPostEnumerateKey = 20,
	RegNtPostEnumerateValueKey = 21,
	RegNtPostQueryKey = 22,
	RegNtPostQueryValueKey = 23,
	RegNtPostQueryMultipleValueKey = 24,
	RegNtPostKeyHandleClose = 25,
	RegNtPreCreateKeyEx = 26,
	RegNtPostCreateKeyEx = 27,
	RegNtPreOpenKeyEx = 28,
	RegNtPostOpenKeyEx = 29
} REG_NOTIFY_CLASS;
typedef NTSTATUS (*PEX_CALLBACK_FUNCTION)(PVOID, PVOID, PVOID);

typedef struct _REG_DELETE_KEY_INFORMATION {
	PVOID Object;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_DELETE_KEY_INFORMATION, REG_KEY_HANDLE_CLOSE_INFORMATION;
typedef struct _REG_SET_VALUE_KEY_INFORMATION {
	PVOID Object;
	PUNICODE_STRING ValueName;
	ULONG TitleIndex;
	ULONG Type;
	PVOID Data;
	ULONG DataSize;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_SET_VALUE_KEY_INFORMATION;
typedef struct _REG_DELETE_VALUE_KEY_INFORMATION {
	PVOID Object;
	PUNICODE_STRING ValueName;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_DELETE_VALUE_KEY_INFORMATION;
typedef struct _REG_QUERY_VALUE_KEY_INFORMATION {
	PVOID Object;
	PUNICODE_STRING ValueName;
	int KeyValueInformationClass;
	PVOID KeyValueInformation;
	ULONG Length;
	PULONG ResultLength;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_QUERY_VALUE_KEY_INFORMATION;
typedef struct _REG_RENAME_KEY_INFORMATION {
	PVOID Object;
	PUNICODE_STRING NewName;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_RENAME_KEY_INFORMATION;
typedef struct _REG_CREATE_KEY_INFORMATION {
	PUNICODE_STRING CompleteName;
	PVOID RootObject;
	PVOID ObjectType;
	ULONG CreateOptions;
	PUNICODE_STRING Class;
	PVOID SecurityDescriptor;
	PVOID SecurityQualityOfService;
	ACCESS_MASK DesiredAccess;
	ACCESS_MASK GrantedAccess;
	PULONG Disposition;
	PVOID *ResultObject;
	PVOID CallContext;
	PVOID RootObjectContext;
	PVOID Transaction;
	PVOID Reserved;
} REG_CREATE_KEY_INFORMATION;
typedef struct _REG_POST_OPERATION_INFORMATION {
	PVOID Object;
	NTSTATUS Status;
	PVOID PreInformation;
	NTSTATUS ReturnStatus;
	PVOID CallContext;
	PVOID ObjectContext;
	PVOID Reserved;
} REG_POST_OPERATION_INFORMATION;

/* ---- Files ---------------------------------------------------------------------------------- */

#define FILE_SUPERSEDED 0
#define FILE_OPENED 1
#define FILE_CREATED 2
#define FILE_OVERWRITTEN 3
#define FILE_DELETE_ON_CLOSE 0x1000
#define FILE_READ_DATA 1
#define FILE_WRITE_DATA 2
#define FILE_APPEND_DATA 4
#define FILE_EXECUTE 0x20
#define SL_OPEN_PAGING_FILE 2
#define SL_OPEN_TARGET_DIRECTORY 4
#define FILE_DEVICE_DISK_FILE_SYSTEM 8
#define FILE_DEVICE_NETWORK_FILE_SYSTEM 0x14

typedef enum _FILE_INFORMATION_CLASS {
	FileBasicInformation = 4,
	FileRenameInformation = 10,
	FileDispositionInformation = 13,
	FileEndOfFileInformation = 20
} FILE_INFORMATION_CLASS;
typedef struct _IO_STATUS_BLOCK {
	union {
		NTSTATUS Status;
		PVOID Pointer;
	};
	ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;
typedef struct _IO_SECURITY_CONTEXT {
	PVOID SecurityQos;
	PVOID AccessState;
	ACCESS_MASK DesiredAccess;
	ULONG FullCreateOptions;
} IO_SECURITY_CONTEXT, *PIO_SECURITY_CONTEXT;

/* ---- Devices -------------------------------------------------------------------------------- */

#define IRP_MJ_CREATE 0x00
#define IRP_MJ_WRITE 0x04
#define IRP_MJ_SET_INFORMATION 0x06
#define IRP_MJ_SHUTDOWN 0x10
#define IRP_MJ_CLEANUP 0x12
#define IRP_MJ_SET_SECURITY 0x15
#define IRP_MJ_POWER 0x16
#define IRP_MJ_PNP 0x1b
#define IRP_MJ_MAXIMUM_FUNCTION 0x1b
#define IRP_MN_START_DEVICE 0
#define IRP_MN_QUERY_REMOVE_DEVICE 1
#define IRP_MN_REMOVE_DEVICE 2
#define IRP_MN_CANCEL_REMOVE_DEVICE 3
#define IRP_MN_STOP_DEVICE 4
#define IRP_MN_QUERY_STOP_DEVICE 5
#define IRP_MN_CANCEL_STOP_DEVICE 6
#define IRP_MN_SURPRISE_REMOVAL 0x17
#define FILE_DEVICE_UNKNOWN 0x22
#define FILE_DEVICE_SECURE_OPEN 0x100
#define DO_BUFFERED_IO 4
#define DO_DIRECT_IO 0x10
#define DO_DEVICE_INITIALIZING 0x80
#define DO_POWER_PAGABLE 0x2000
#define CmResourceTypeMemory 3

typedef struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
	UCHAR Type;
	UCHAR ShareDisposition;
	USHORT Flags;
	struct {
		struct {
			PHYSICAL_ADDRESS Start;
			ULONG Length;
		} Memory;
	} u;
} CM_PARTIAL_RESOURCE_DESCRIPTOR, *PCM_PARTIAL_RESOURCE_DESCRIPTOR;
typedef struct _CM_PARTIAL_RESOURCE_LIST {
	USHORT Version;
	USHORT Revision;
	ULONG Count;
	CM_PARTIAL_RESOURCE_DESCRIPTOR PartialDescriptors[3];
} CM_PARTIAL_RESOURCE_LIST, *PCM_PARTIAL_RESOURCE_LIST;
typedef struct _CM_RESOURCE_LIST {
	ULONG Count;
	struct {
		ULONG InterfaceType;
		ULONG BusNumber;
		CM_PARTIAL_RESOURCE_LIST PartialResourceList;
	} List[1];
} CM_RESOURCE_LIST, *PCM_RESOURCE_LIST;

typedef struct _DEVICE_OBJECT *PDEVICE_OBJECT;
typedef struct _DRIVER_OBJECT *PDRIVER_OBJECT;
typedef struct _IRP *PIRP;
typedef NTSTATUS (*PDRIVER_DISPATCH)(PDEVICE_OBJECT device, PIRP irp);

typedef struct _DRIVER_EXTENSION {
	NTSTATUS (*AddDevice)(PDRIVER_OBJECT driver, PDEVICE_OBJECT physical);
} DRIVER_EXTENSION;
typedef struct _DRIVER_OBJECT {
	DRIVER_EXTENSION *DriverExtension;
	void (*DriverUnload)(PDRIVER_OBJECT driver);
	PDRIVER_DISPATCH MajorFunction[IRP_MJ_MAXIMUM_FUNCTION + 1];
} DRIVER_OBJECT;
typedef struct _DEVICE_OBJECT {
	uint64_t magic;
	LONG references;
	PDRIVER_OBJECT DriverObject;
	PDEVICE_OBJECT AttachedDevice;
	ULONG Flags;
	PVOID DeviceExtension;
} DEVICE_OBJECT;
typedef struct _IO_STACK_LOCATION {
	UCHAR MajorFunction;
	UCHAR MinorFunction;
	struct {
		struct {
			PCM_RESOURCE_LIST AllocatedResources;
			PCM_RESOURCE_LIST AllocatedResourcesTranslated;
		} StartDevice;
	} Parameters;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;
typedef struct _IRP {
	IO_STATUS_BLOCK IoStatus;
	IO_STACK_LOCATION stack;
	LONG completions;
} IRP;

static inline PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(PIRP irp)
{
	return &irp->stack;
}

static inline void IoSkipCurrentIrpStackLocation(PIRP irp)
{
	(void)irp;
}

NTSTATUS IoCallDriver(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS PoCallDriver(PDEVICE_OBJECT device, PIRP irp);
void PoStartNextPowerIrp(PIRP irp);
void IoCompleteRequest(PIRP irp, CCHAR boost);
BOOLEAN IoForwardIrpSynchronously(PDEVICE_OBJECT device, PIRP irp);
NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, ULONG type,
			ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *device);
void IoDeleteDevice(PDEVICE_OBJECT device);
PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT device, PDEVICE_OBJECT below);
void IoDetachDevice(PDEVICE_OBJECT below);
NTSTATUS IoRegisterShutdownNotification(PDEVICE_OBJECT device);
void IoUnregisterShutdownNotification(PDEVICE_OBJECT device);
NTSTATUS IoVolumeDeviceToDosName(PVOID device, PUNICODE_STRING name);

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path);

#endif /* UC_SIM_NT_IO_H */
