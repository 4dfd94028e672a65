// SPDX-License-Identifier: Apache-2.0
// Times two operations in a guest whose clock counts instructions: fork+exec+wait of nothing.c,
// and open+close of one file. Called by guest-cost.sh: guest-cost LABEL FORKS OPENS FILE; prints
// `cost LABEL FORK_NS OPEN_NS`. It pins nothing: the guest has one CPU.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void run_child(void)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0) {
		execl("/bin/nothing", "nothing", (char *)NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("child");
}

static void open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || close(fd) != 0)
		fail(path);
}

int main(int argc, char **argv)
{
	unsigned long forks, opens, at;
	uint64_t start_ns, forked_ns, opened_ns;

	forks = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	opens = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
	if (forks == 0 || opens == 0) {
		fprintf(stderr, "usage: guest-cost LABEL FORKS OPENS FILE\n");
		return 2;
	}
	start_ns = now_ns();
	for (at = 0; at < forks; at++)
		run_child();
	forked_ns = now_ns();
	for (at = 0; at < opens; at++)
		open_file(argv[4]);
	opened_ns = now_ns();
	printf("cost %s %.1f %.1f\n", argv[1], (double)(forked_ns - start_ns) / (double)forks,
	       (double)(opened_ns - forked_ns) / (double)opens);
	return 0;
}
