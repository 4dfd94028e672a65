// SPDX-License-Identifier: Apache-2.0
// What the holder's tests need of a service manager, after sd_notify(3) and sd_listen_fds(3):
// keeps descriptors that a program stores, starts the program again when it ends, and hands them
// back. It says what happens on standard output and stops with its standard input.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORE_MAX 64
#define FIRST_FD 3

static struct {
	char name[128];
	int fd;
} store[STORE_MAX];
static int stored;
static pid_t child;

static int open_notify(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("bind");
		exit(3);
	}
	setenv("NOTIFY_SOCKET", path, 1);
	return fd;
}

static void drop(int place)
{
	close(store[place].fd);
	store[place] = store[--stored];
}

static void start(char **program)
{
	char names[STORE_MAX * sizeof(store[0].name)], number[16];
	size_t length = 0;

	for (int at = 0; at < stored; at++)
		length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
					   at > 0 ? ":" : "", store[at].name);
	names[length] = '\0';
	child = fork();
	if (child != 0) {
		printf("started %d %d\n", (int)child, stored);
		return;
	}
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int at = 0; at < stored; at++) {
		// Above all places first, so that none is overwritten before it is moved.
		const int high = fcntl(store[at].fd, F_DUPFD_CLOEXEC, 256);

		store[at].fd = high;
	}
	for (int at = 0; at < stored; at++)
		dup2(store[at].fd, FIRST_FD + at);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%d", stored);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	execv(program[0], program);
	_exit(127);
}

static void take(int notify)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[512] = "";
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	if (recvmsg(notify, &message, MSG_CMSG_CLOEXEC) < 0)
		return;
	const char *name = strstr(text, "FDNAME=");
	const struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	if (strncmp(text, "FDSTORE=1\n", 10) == 0 && name && head && stored < STORE_MAX) {
		memcpy(&store[stored].fd, CMSG_DATA(head), sizeof(int));
		snprintf(store[stored++].name, sizeof(store[0].name), "%s", name + 7);
		printf("kept %s\n", name + 7);
	} else if (strncmp(text, "FDSTOREREMOVE=1\n", 16) == 0 && name) {
		for (int at = stored; at-- > 0;) {
			if (strcmp(store[at].name, name + 7) == 0)
				drop(at);
		}
		printf("forgot %s\n", name + 7);
	} else if (strcmp(text, "READY=1") == 0) {
		printf("ready\n");
	}
}

// As the real one does: what has hung up is not worth keeping.
static void drop_ended(void)
{
	for (int at = stored; at-- > 0;) {
		struct pollfd one = { .fd = store[at].fd };

		if (poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)))
			drop(at);
	}
}

int main(int argc, char **argv)
{
	const int notify = open_notify(argv[1]);
	struct signalfd_siginfo signal;
	sigset_t set;
	int status;

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct pollfd all[3] = { { .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN },
				 { .fd = notify, .events = POLLIN },
				 { .fd = STDIN_FILENO, .events = POLLIN } };

	start(argv + 2);
	for (;;) {
		poll(all, 3, -1);
		if (all[1].revents)
			take(notify);
		if (all[2].revents)
			break;
		if (!all[0].revents || all[1].revents)
			continue;
		// A child that was only stopped is not waited for.
		if (read(all[0].fd, &signal, sizeof(signal)) < 0 ||
		    waitpid(child, &status, WNOHANG) != child)
			continue;
		printf("ended %d\n", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
		drop_ended();
		start(argv + 2);
	}
	kill(child, SIGTERM);
	waitpid(child, &status, 0);
	return 0;
}
