/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder: owns the regions, doorbells and QEMU connections of guests that use ivshmem-doorbell,
 * so that everything else can be restarted while they run. Started by the service manager
 * (undercroft-holder.service). It never looks into a region.
 */
#define _GNU_SOURCE
#include <stdint.h>

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cause.h"
#include "control.h"
#include "guest.h"
#include "loop.h"
#include "store.h"

#define DIRECTORY_DEFAULT "/run/undercroft-holder"
#define CONTROL_NAME "control"
#define PATH_BYTES 256
/* Standard streams, epoll, signals, sockets of the control and of the service manager. */
#define OWN_FDS (16u + CONTROL_CLIENTS_MAX)

static const char help[] =
	"Usage: undercroft-holder [OPTION]...\n"
	"\n"
	"Keeps the memory and the doorbells of guests whose QEMU has an ivshmem-doorbell device.\n"
	"QEMU connects to DIRECTORY/NAME.sock; guests are added, removed, listed and attached to\n"
	"through DIRECTORY/" CONTROL_NAME ", a line each:\n"
	"\n"
	"  add NAME BYTES    make a region and listen for its guest's QEMU\n"
	"  remove NAME       give up a region whose guest does not run\n"
	"  list              guest NAME BYTES PID of each; \"-\": QEMU is not connected\n"
	"  attach NAME       ok BYTES, and with it the region and its four eventfds\n"
	"\n"
	"Runs until SIGTERM. Under a service manager that stores descriptors it can be restarted\n"
	"while guests run.\n"
	"\n"
	"Options:\n"
	"  --directory DIR   where the sockets lie, default " DIRECTORY_DEFAULT "\n"
	"  --peer-uid UID    user that QEMU runs as, if that is not the holder's own\n"
	"  --help            print this\n";

struct options {
	const char *directory;
	uid_t peer_uid;
};

static int wrong_usage(const char *why, const char *what)
{
	fprintf(stderr, "undercroft-holder: %s%s; see --help\n", why, what);
	return 2;
}

/* 0, or the exit status with which to end; -1: end well. */
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "peer-uid", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'd':
			options->directory = optarg;
			break;
		case 'u':
			options->peer_uid = (uid_t)strtoul(optarg, &end, 10);
			if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0')
				return wrong_usage("not a user's number: ", optarg);
			break;
		case 'h':
			fputs(help, stdout);
			return -1;
		default:
			return wrong_usage("not understood: ", argv[optind - 1]);
		}
	}
	return optind < argc ? wrong_usage("not understood: ", argv[optind]) : 0;
}

/* QEMU must be able to pass through; nobody else may put a socket there. */
static int open_directory(const char *path, struct cause *cause)
{
	struct stat stat;

	if (mkdir(path, 0711) == 0 && chmod(path, 0711) != 0)
		return cause_set(cause, "cannot open %s to QEMU: %s", path, strerror(errno));
	if (lstat(path, &stat) != 0)
		return cause_set(cause, "cannot make %s: %s", path, strerror(errno));
	if (!S_ISDIR(stat.st_mode))
		return cause_set(cause, "%s is no directory", path);
	if (stat.st_uid != geteuid() || (stat.st_mode & 022) != 0)
		return cause_set(cause, "%s must belong to user %u and be writable to nobody else",
				 path, (unsigned)geteuid());
	return 0;
}

static int allow_descriptors(struct cause *cause)
{
	const rlim_t need = GUESTS_MAX * GUEST_FDS + OWN_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return cause_set(cause, "getrlimit: %s", strerror(errno));
	if (limit.rlim_cur >= need)
		return 0;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		return cause_set(cause, "%llu open files are allowed, %llu are needed",
				 (unsigned long long)limit.rlim_max, (unsigned long long)need);
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ?
		       0 :
		       cause_set(cause, "setrlimit: %s", strerror(errno));
}

/* *is_kept: a service manager keeps what is stored. */
static int start(const struct options *options, char control[PATH_BYTES], bool *is_kept,
		 struct cause *cause)
{
	const int length = snprintf(control, PATH_BYTES, "%s/" CONTROL_NAME, options->directory);

	if (length >= PATH_BYTES)
		return cause_set(cause, "the path of --directory is too long");
	umask(0177);
	if (allow_descriptors(cause) != 0 || open_directory(options->directory, cause) != 0)
		return -1;
	const int error = loop_open();

	if (error != 0)
		return cause_set(cause, "cannot wait for events: %s", strerror(-error));
	/* First: while another holder answers here, nothing of its guests may be touched. */
	if (control_open(control, cause) != 0)
		return -1;
	guests_open(options->directory, options->peer_uid);
	*is_kept = store_open();
	if (!*is_kept)
		say("no service manager keeps descriptors: a restart loses the regions");
	store_take(guests_take);
	guests_resume();
	store_ready();
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { .directory = DIRECTORY_DEFAULT, .peer_uid = geteuid() };
	const int status = read_options(argc, argv, &options);
	char control[PATH_BYTES];
	bool is_kept = false;
	struct cause cause;

	if (status != 0)
		return status < 0 ? 0 : status;
	if (start(&options, control, &is_kept, &cause) != 0) {
		say("%s", cause.text);
		return 1;
	}
	const int error = loop_run();

	if (error != 0)
		say("cannot wait for events: %s", strerror(-error));
	if (!is_kept)
		guests_close();
	unlink(control);
	return error == 0 ? 0 : 1;
}
