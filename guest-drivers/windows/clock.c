/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Clocks and the boot's identity. The wire's boot-time clock is the interrupt time, which goes on
 * through sleep; where only a coarse one exists, the performance counter stands in.
 */
#include "undercroft.h"

#define NS_PER_TICK 100u

/* Interrupt time and system time of one moment, in units of 100 ns. */
static uint64_t system_minus_boot;
static uint64_t counter_frequency;

_IRQL_requires_max_(DISPATCH_LEVEL)
static uint64_t interrupt_ticks(void)
{
	LARGE_INTEGER counter;
	uint64_t exact;

	if (uc_optional.interrupt_time)
		return uc_optional.interrupt_time(&exact);
	counter = KeQueryPerformanceCounter(NULL);
	return (uint64_t)counter.QuadPart / counter_frequency * 10000000u +
	       (uint64_t)counter.QuadPart % counter_frequency * 10000000u / counter_frequency;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static uint64_t system_ticks(void)
{
	LARGE_INTEGER time;

	if (uc_optional.system_time)
		uc_optional.system_time(&time);
	else
		KeQuerySystemTime(&time);
	return (uint64_t)time.QuadPart;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_clock_init(void)
{
	LARGE_INTEGER frequency;

	KeQueryPerformanceCounter(&frequency);
	counter_frequency = frequency.QuadPart > 0 ? (uint64_t)frequency.QuadPart : 1;
	system_minus_boot = system_ticks() - interrupt_ticks();
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_now_ns(void)
{
	return interrupt_ticks() * NS_PER_TICK;
}

/* System time counts from 1601, the wire from 1970. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_realtime_ns(void)
{
	return (system_ticks() - 116444736000000000ull) * NS_PER_TICK;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t uc_boottime_of(int64_t system_time)
{
	/* A wall clock that was set after the first processes had started makes these look older than
	 * the boot; they are told apart by their numbers. */
	if (system_time <= 0 || (uint64_t)system_time <= system_minus_boot)
		return 1;
	return ((uint64_t)system_time - system_minus_boot) * NS_PER_TICK;
}

/* Nobody guards anything by it: it only has to differ from boot to boot. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void make_id(uint8_t id[16])
{
	LARGE_INTEGER counter = KeQueryPerformanceCounter(NULL);
	ULONG seed = (ULONG)counter.QuadPart ^ (ULONG)system_ticks();
	ULONG word;
	int i;

	for (i = 0; i < 4; i++) {
		seed ^= (ULONG)interrupt_ticks();
		word = RtlRandomEx(&seed);
		memcpy(id + 4 * i, &word, sizeof(word));
	}
	id[0] |= 1;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS open_boot_key(PUNICODE_STRING registry_path, HANDLE *key)
{
	OBJECT_ATTRIBUTES attributes;
	UNICODE_STRING name;
	HANDLE service;
	NTSTATUS status;

	InitializeObjectAttributes(&attributes, registry_path,
				   OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
	status = ZwOpenKey(&service, KEY_CREATE_SUB_KEY, &attributes);
	if (!NT_SUCCESS(status))
		return status;
	RtlInitUnicodeString(&name, L"Boot");
	InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
				   service, NULL);
	status = ZwCreateKey(key, KEY_QUERY_VALUE | KEY_SET_VALUE, &attributes, 0, NULL,
			     REG_OPTION_VOLATILE, NULL);
	ZwClose(service);
	return status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void uc_boot_id(PUNICODE_STRING registry_path, uint8_t id[16])
{
	union {
		KEY_VALUE_PARTIAL_INFORMATION value;
		uint8_t bytes[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 16];
	} found;
	UNICODE_STRING name;
	ULONG bytes;
	HANDLE key;

	make_id(id);
	if (!NT_SUCCESS(open_boot_key(registry_path, &key)))
		return;
	RtlInitUnicodeString(&name, L"Id");
	if (NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, &found,
				       sizeof(found), &bytes)) &&
	    found.value.Type == REG_BINARY && found.value.DataLength == 16)
		memcpy(id, found.value.Data, 16);
	else
		ZwSetValueKey(key, &name, 0, REG_BINARY, id, 16);
	ZwClose(key);
}
