/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads undercroft.sys under Wine as Windows's service manager would, tells the driver's test build
 * which file is its region, and unloads it when a line comes in. All in one process: a Wine prefix
 * stops its services with its last process.
 *
 *   wine_loader DRIVER REGION-FILE
 */
#include <stdio.h>
#include <windows.h>

static int fail(const char *what)
{
	printf("failed %s %lu\n", what, (unsigned long)GetLastError());
	fflush(stdout);
	return 1;
}

static int set_region(const char *path)
{
	char text[600];
	HKEY key;
	LONG error;

	snprintf(text, sizeof(text), "\\??\\%s", path);
	error = RegOpenKeyExA(HKEY_LOCAL_MACHINE, "System\\CurrentControlSet\\Services\\undercroft", 0,
			      KEY_SET_VALUE, &key);
	if (error)
		return error;
	error = RegSetValueExA(key, "TestRegion", 0, REG_SZ, (const BYTE *)text,
			       (DWORD)strlen(text) + 1);
	RegCloseKey(key);
	return error;
}

int main(int count, char **arguments)
{
	SERVICE_STATUS status;
	SC_HANDLE manager;
	SC_HANDLE service;
	char line[16];

	if (count != 3)
		return fail("arguments");
	manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	if (!manager)
		return fail("manager");
	service = OpenServiceA(manager, "undercroft", SERVICE_ALL_ACCESS);
	if (service) {
		DeleteService(service);
		CloseServiceHandle(service);
	}
	service = CreateServiceA(manager, "undercroft", "undercroft", SERVICE_ALL_ACCESS,
				 SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL,
				 arguments[1], NULL, NULL, NULL, NULL, NULL);
	if (!service)
		return fail("create");
	if (set_region(arguments[2]))
		return fail("region");
	if (!StartServiceA(service, 0, NULL))
		return fail("start");
	printf("started\n");
	fflush(stdout);
	fgets(line, sizeof(line), stdin);
	if (!ControlService(service, SERVICE_CONTROL_STOP, &status))
		return fail("stop");
	printf("stopped\n");
	fflush(stdout);
	DeleteService(service);
	return 0;
}
