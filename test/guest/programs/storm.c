// SPDX-License-Identifier: Apache-2.0
// Makes a known number of process or file operations on a known number of CPUs, as load and as a
// ruler for costs. Guest cases call it: storm fork|exec|open|create COUNT [CPUS [PATH]]. It prints
// one line when all is done and exits 1 if any operation failed.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char self[4096];
static const char *path = "/etc/passwd";

static int wait_for(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int do_fork(unsigned int index)
{
	pid_t child = fork();

	(void)index;
	if (child == 0)
		_exit(0);
	return wait_for(child);
}

static int do_exec(unsigned int index)
{
	char text[16];
	pid_t child;

	snprintf(text, sizeof(text), "%u", index);
	child = fork();
	if (child == 0) {
		execl(self, "storm", "nothing", text, (char *)NULL);
		_exit(127);
	}
	return wait_for(child);
}

static int do_open(unsigned int index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)index;
	return fd < 0 ? -1 : close(fd);
}

static int do_create(unsigned int index)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/storm-%d-%u", (int)getpid(), index);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "storm", 5) != 5 || close(fd) != 0)
		return -1;
	return unlink(name);
}

static const struct {
	const char *name;
	int (*run)(unsigned int index);
} kinds[] = {
	{ "fork", do_fork },
	{ "exec", do_exec },
	{ "open", do_open },
	{ "create", do_create },
};

static int work(int (*run)(unsigned int), unsigned int count, unsigned int cpu)
{
	cpu_set_t set;
	unsigned int index;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return -1;
	for (index = 0; index < count; index++) {
		if (run(index) != 0) {
			fprintf(stderr, "storm: operation %u: %s\n", index, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int storm(const char *name, int (*run)(unsigned int), unsigned int count, unsigned int cpus)
{
	pid_t workers[64];
	uint64_t start_ns = now_ns();
	unsigned int cpu;
	int failed = 0;

	for (cpu = 0; cpu < cpus; cpu++) {
		workers[cpu] = fork();
		if (workers[cpu] == 0)
			_exit(work(run, count, cpu) == 0 ? 0 : 1);
	}
	for (cpu = 0; cpu < cpus; cpu++)
		failed |= wait_for(workers[cpu]);
	printf("storm %s operations=%u cpus=%u elapsed_ns=%llu\n", name, count * cpus, cpus,
	       (unsigned long long)(now_ns() - start_ns));
	return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	unsigned int count, cpus, index;

	if (argc > 1 && strcmp(argv[1], "nothing") == 0)
		return 0;
	count = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	cpus = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 1;
	if (argc > 4)
		path = argv[4];
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	for (index = 0; argc > 1 && index < sizeof(kinds) / sizeof(kinds[0]); index++)
		if (strcmp(argv[1], kinds[index].name) == 0 && count > 0 && cpus > 0 && cpus <= 64)
			return storm(kinds[index].name, kinds[index].run, count, cpus);
	fprintf(stderr, "usage: storm fork|exec|open|create COUNT [CPUS [PATH]]\n");
	return 2;
}
