/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The kernel's interface as this driver sees it, from whoever builds: Microsoft's headers, the
 * headers of mingw-w64 with our own declarations of the filter manager, or the simulator's. Every
 * file of the driver includes this and no system header besides.
 */
#ifndef UC_NT_H
#define UC_NT_H

#if defined(UC_SIMULATOR)
#include <sim_nt.h>
#include "uc_fltmgr.h"
#elif defined(__MINGW32__)
#include <ntifs.h>
#include <wdm.h>
#include "uc_fltmgr.h"
/* Documented, and missing from these headers. */
NTSTATUS NTAPI PsGetProcessExitStatus(PEPROCESS process);
#else
#include <fltKernel.h>
#endif

/* Absent from some headers; the numbers are documented. */
#ifndef PROCESS_TERMINATE
#define PROCESS_TERMINATE 0x0001
#endif
#ifndef THREAD_TERMINATE
#define THREAD_TERMINATE 0x0001
#endif
#ifndef THREAD_SUSPEND_RESUME
#define THREAD_SUSPEND_RESUME 0x0002
#endif
#ifndef THREAD_SET_CONTEXT
#define THREAD_SET_CONTEXT 0x0010
#endif
#ifndef POOL_NX_ALLOCATION
#define POOL_NX_ALLOCATION 512
#endif

/* SAL, where the compiler has none: what is written is held by a test of this repository. */
#ifndef _IRQL_requires_max_
#define _IRQL_requires_max_(level)
#endif
#ifndef _IRQL_requires_
#define _IRQL_requires_(level)
#endif

#endif /* UC_NT_H */
