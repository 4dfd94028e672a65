/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Offsets and sizes (x64) of every structure that the driver shares with the kernel, asserted under
 * whichever headers it is built with: Microsoft's, mingw-w64's, our own. Included by main.c.
 */
#ifndef UC_LAYOUT_H
#define UC_LAYOUT_H

#define UC_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
#define UC_AT(type, member, bytes)                                                                 \
	_Static_assert(offsetof(type, member) == (bytes), #type "." #member)

/* The filter manager's. */
UC_SIZE(FLT_REGISTRATION, 0x70);
UC_AT(FLT_REGISTRATION, ContextRegistration, 0x08);
UC_AT(FLT_REGISTRATION, OperationRegistration, 0x10);
UC_AT(FLT_REGISTRATION, FilterUnloadCallback, 0x18);
UC_AT(FLT_REGISTRATION, InstanceSetupCallback, 0x20);
UC_AT(FLT_REGISTRATION, InstanceQueryTeardownCallback, 0x28);
UC_AT(FLT_REGISTRATION, InstanceTeardownCompleteCallback, 0x38);
UC_SIZE(FLT_OPERATION_REGISTRATION, 0x20);
UC_AT(FLT_OPERATION_REGISTRATION, Flags, 0x04);
UC_AT(FLT_OPERATION_REGISTRATION, PreOperation, 0x08);
UC_AT(FLT_OPERATION_REGISTRATION, PostOperation, 0x10);
UC_SIZE(FLT_CONTEXT_REGISTRATION, 0x38);
UC_AT(FLT_CONTEXT_REGISTRATION, ContextCleanupCallback, 0x08);
UC_AT(FLT_CONTEXT_REGISTRATION, Size, 0x10);
UC_AT(FLT_CONTEXT_REGISTRATION, PoolTag, 0x18);
UC_SIZE(FLT_IO_PARAMETER_BLOCK, 0x48);
UC_AT(FLT_IO_PARAMETER_BLOCK, MajorFunction, 0x04);
UC_AT(FLT_IO_PARAMETER_BLOCK, OperationFlags, 0x06);
UC_AT(FLT_IO_PARAMETER_BLOCK, TargetFileObject, 0x08);
UC_AT(FLT_IO_PARAMETER_BLOCK, Parameters, 0x18);
UC_SIZE(FLT_PARAMETERS, 0x30);
UC_AT(FLT_PARAMETERS, Create.SecurityContext, 0x00);
UC_AT(FLT_PARAMETERS, Create.Options, 0x08);
UC_AT(FLT_PARAMETERS, Create.FileAttributes, 0x10);
UC_AT(FLT_PARAMETERS, Create.ShareAccess, 0x12);
UC_AT(FLT_PARAMETERS, Create.AllocationSize, 0x28);
UC_AT(FLT_PARAMETERS, Write.Length, 0x00);
UC_AT(FLT_PARAMETERS, Write.ByteOffset, 0x10);
UC_AT(FLT_PARAMETERS, SetFileInformation.Length, 0x00);
UC_AT(FLT_PARAMETERS, SetFileInformation.FileInformationClass, 0x08);
UC_AT(FLT_PARAMETERS, SetFileInformation.ParentOfTarget, 0x10);
UC_AT(FLT_PARAMETERS, SetFileInformation.InfoBuffer, 0x20);
UC_AT(FLT_PARAMETERS, SetSecurity.SecurityDescriptor, 0x08);
UC_SIZE(FLT_CALLBACK_DATA, 0x58);
UC_AT(FLT_CALLBACK_DATA, Thread, 0x08);
UC_AT(FLT_CALLBACK_DATA, Iopb, 0x10);
UC_AT(FLT_CALLBACK_DATA, IoStatus, 0x18);
UC_AT(FLT_CALLBACK_DATA, TagData, 0x28);
UC_AT(FLT_CALLBACK_DATA, FilterContext, 0x30);
UC_AT(FLT_CALLBACK_DATA, RequestorMode, 0x50);
UC_SIZE(FLT_RELATED_OBJECTS, 0x30);
UC_AT(FLT_RELATED_OBJECTS, Volume, 0x10);
UC_AT(FLT_RELATED_OBJECTS, Instance, 0x18);
UC_AT(FLT_RELATED_OBJECTS, FileObject, 0x20);
UC_SIZE(FLT_FILE_NAME_INFORMATION, 0x78);
UC_AT(FLT_FILE_NAME_INFORMATION, Name, 0x08);

/* The process, image, registry and object callbacks'. */
UC_SIZE(UNICODE_STRING, 0x10);
UC_AT(UNICODE_STRING, Buffer, 0x08);
UC_SIZE(PS_CREATE_NOTIFY_INFO, 0x48);
UC_AT(PS_CREATE_NOTIFY_INFO, ParentProcessId, 0x10);
UC_AT(PS_CREATE_NOTIFY_INFO, CreatingThreadId, 0x18);
UC_AT(PS_CREATE_NOTIFY_INFO, FileObject, 0x28);
UC_AT(PS_CREATE_NOTIFY_INFO, ImageFileName, 0x30);
UC_AT(PS_CREATE_NOTIFY_INFO, CommandLine, 0x38);
UC_AT(PS_CREATE_NOTIFY_INFO, CreationStatus, 0x40);
UC_SIZE(IMAGE_INFO, 0x28);
UC_AT(IMAGE_INFO, ImageBase, 0x08);
UC_AT(IMAGE_INFO, ImageSize, 0x18);
UC_SIZE(REG_SET_VALUE_KEY_INFORMATION, 0x40);
UC_AT(REG_SET_VALUE_KEY_INFORMATION, ValueName, 0x08);
UC_AT(REG_SET_VALUE_KEY_INFORMATION, Type, 0x14);
UC_AT(REG_SET_VALUE_KEY_INFORMATION, Data, 0x18);
UC_AT(REG_SET_VALUE_KEY_INFORMATION, DataSize, 0x20);
UC_AT(REG_DELETE_VALUE_KEY_INFORMATION, ValueName, 0x08);
UC_AT(REG_DELETE_KEY_INFORMATION, CallContext, 0x08);
UC_AT(REG_RENAME_KEY_INFORMATION, NewName, 0x08);
UC_AT(REG_RENAME_KEY_INFORMATION, CallContext, 0x10);
UC_AT(REG_CREATE_KEY_INFORMATION, Disposition, 0x40);
UC_AT(REG_QUERY_VALUE_KEY_INFORMATION, ValueName, 0x08);
UC_SIZE(REG_POST_OPERATION_INFORMATION, 0x38);
UC_AT(REG_POST_OPERATION_INFORMATION, Status, 0x08);
UC_AT(REG_POST_OPERATION_INFORMATION, PreInformation, 0x10);
UC_AT(REG_POST_OPERATION_INFORMATION, CallContext, 0x20);
UC_SIZE(OB_PRE_OPERATION_INFORMATION, 0x28);
UC_AT(OB_PRE_OPERATION_INFORMATION, Object, 0x08);
UC_AT(OB_PRE_OPERATION_INFORMATION, Parameters, 0x20);
UC_SIZE(OB_OPERATION_REGISTRATION, 0x20);
UC_SIZE(OB_CALLBACK_REGISTRATION, 0x28);

/* Numbers by which the registry says what happens. */
_Static_assert(RegNtPreDeleteKey == 0 && RegNtPreRenameKey == 4, "registry, before");
_Static_assert(RegNtPreKeyHandleClose == 14 && RegNtPostDeleteKey == 15, "registry, closes");
_Static_assert(RegNtPostSetValueKey == 16 && RegNtPostDeleteValueKey == 17, "registry, values");
_Static_assert(RegNtPostRenameKey == 19 && RegNtPostQueryValueKey == 23, "registry, after");
_Static_assert(RegNtPostCreateKeyEx == 27 && RegNtPostOpenKeyEx == 29, "registry, keys");

#endif /* UC_LAYOUT_H */
