// SPDX-License-Identifier: Apache-2.0
// Ends processes whose threads end together, and lets a thread that is not the first execute:
// many-threads COUNT. Each way must show as one exit a process. Prints the pids of both kinds.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *rest(void *unused)
{
	usleep(1000);
	return unused;
}

static void *execute(void *unused)
{
	char *const words[] = {"busybox", "true", NULL};
	char *const none[] = {NULL};

	execve("/bin/busybox", words, none);
	_exit(126);
	return unused;
}

static void end_together(void)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, rest, NULL);
	usleep(1000);
	_exit(3);
}

static void execute_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, execute, NULL);
	pause();
}

static int run(const char *name, void (*child_main)(void))
{
	pid_t child = fork();

	if (child == 0) {
		child_main();
		_exit(126);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		return -1;
	printf("%s %d\n", name, child);
	return 0;
}

int main(int count, char **arguments)
{
	int rounds = count == 2 ? atoi(arguments[1]) : 1;

	while (rounds-- > 0) {
		if (run("together", end_together) || run("thread", execute_in_thread))
			return 1;
	}
	return 0;
}
