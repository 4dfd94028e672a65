/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator as a Windows program, run by Wine. */
#include <stdlib.h>
#include <windows.h>

#include "platform.h"

struct start {
	void (*routine)(void *context);
	void *context;
};

static DWORD WINAPI run(LPVOID argument)
{
	const struct start start = *(struct start *)argument;

	free(argument);
	start.routine(start.context);
	return 0;
}

void *platform_thread(void (*routine)(void *context), void *context)
{
	struct start *start = malloc(sizeof(*start));
	HANDLE thread;

	if (!start)
		abort();
	start->routine = routine;
	start->context = context;
	thread = CreateThread(NULL, 0, run, start, 0, NULL);
	if (!thread)
		abort();
	return thread;
}

void platform_join(void *thread)
{
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
}

void platform_thread_exit(void)
{
	ExitThread(0);
}

void platform_sleep_ms(uint32_t ms)
{
	Sleep(ms);
}

uint64_t platform_now_ns(void)
{
	LARGE_INTEGER frequency;
	LARGE_INTEGER counter;

	QueryPerformanceFrequency(&frequency);
	QueryPerformanceCounter(&counter);
	return (uint64_t)((double)counter.QuadPart * 1e9 / (double)frequency.QuadPart);
}

uint64_t platform_realtime_ns(void)
{
	FILETIME time;

	GetSystemTimeAsFileTime(&time);
	return (((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime) -
		116444736000000000ull) *
	       100;
}

void *platform_map(const char *path, uint64_t *bytes)
{
	const HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE,
					FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0,
					NULL);
	LARGE_INTEGER size;
	void *memory;
	HANDLE map;

	if (file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &size))
		return NULL;
	map = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
	if (!map)
		return NULL;
	memory = MapViewOfFile(map, FILE_MAP_ALL_ACCESS, 0, 0, 0);
	CloseHandle(map);
	CloseHandle(file);
	*bytes = (uint64_t)size.QuadPart;
	return memory;
}

void platform_unmap(void *memory, uint64_t bytes)
{
	(void)bytes;
	UnmapViewOfFile(memory);
}
