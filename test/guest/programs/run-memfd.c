// SPDX-License-Identifier: Apache-2.0
// Executes a copy of busybox from memory that no file system shows: run-memfd NAME. Prints how it
// ended: "exit N" or "signal N". For driver cases.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int copy_program(const char *name)
{
	int source = open("/bin/busybox", O_RDONLY);
	int target = memfd_create(name, 0);
	struct stat stat;

	if (source < 0 || target < 0 || fstat(source, &stat) != 0)
		return -1;
	if (sendfile(target, source, NULL, (size_t)stat.st_size) != stat.st_size)
		return -1;
	close(source);
	return target;
}

int main(int count, char **arguments)
{
	char *const words[] = {"busybox", "true", NULL};
	char *const none[] = {NULL};
	char path[64];
	pid_t child;
	int status;
	int file;

	file = count == 2 ? copy_program(arguments[1]) : -1;
	if (file < 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	child = fork();
	if (child == 0) {
		execve(path, words, none);
		_exit(126);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("exit %d\n", WEXITSTATUS(status));
	return 0;
}
