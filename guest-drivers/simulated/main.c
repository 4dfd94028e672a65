/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * undercroft-guest: a simulated guest over a region file, for the demo, the load benchmark and
 * the conformance tests. Reads its options, runs its threads, and ends with one line of JSON that
 * says what it gave out and what it lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static const char usage[] =
	"Usage: undercroft-guest --region PATH [OPTION]...\n"
	"\n"
	"  --region PATH        region file that the server has made or will make\n"
	"  --cpus N             guest CPUs, a data ring each (default 1)\n"
	"  --rate BYTES         record bytes a minute, all CPUs together\n"
	"  --events N           records of ordinary work, all CPUs together, then leave\n"
	"  --size BYTES         payload of a file record (default 200)\n"
	"  --duration SECONDS   leave after so long in a session\n"
	"  --scenario intrusion play the demo; lines on standard input: begin, unload. Needs\n"
	"                       --payload-sha256, --payload-path, --secret-path, --open-path,\n"
	"                       --miner-path, --stage-url\n"
	"  --scenario steps     use the network as lines on standard input say; see README.md\n"
	"  --seed N             seed of the made-up paths (default 1)\n"
	"  --poll-ms N          how often the guest looks at its region (default 4)\n"
	"  --truth PATH         write each attempted record: sequence, kind, written or lost\n";

static struct guest guest;

uint64_t guest_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

/* splitmix64 */
uint64_t guest_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15ull;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

void guest_sleep_ms(uint32_t ms)
{
	const struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static void fail(const char *what, const char *about)
{
	fprintf(stderr, "undercroft-guest: %s: %s\n", what, about);
	exit(2);
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most)
{
	char *end = NULL;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < least || value > most)
		fail(name, "not a number in range");
	return value;
}

enum option_key {
	KEY_REGION = 1,
	KEY_CPUS,
	KEY_RATE,
	KEY_EVENTS,
	KEY_SIZE,
	KEY_DURATION,
	KEY_SCENARIO,
	KEY_SEED,
	KEY_POLL,
	KEY_TRUTH,
	KEY_PAYLOAD_SHA256,
	KEY_PAYLOAD_PATH,
	KEY_SECRET_PATH,
	KEY_OPEN_PATH,
	KEY_MINER_PATH,
	KEY_STAGE_URL,
	KEY_HELP,
};

static const struct option long_options[] = {
	{ "region", required_argument, NULL, KEY_REGION },
	{ "cpus", required_argument, NULL, KEY_CPUS },
	{ "rate", required_argument, NULL, KEY_RATE },
	{ "events", required_argument, NULL, KEY_EVENTS },
	{ "size", required_argument, NULL, KEY_SIZE },
	{ "duration", required_argument, NULL, KEY_DURATION },
	{ "scenario", required_argument, NULL, KEY_SCENARIO },
	{ "seed", required_argument, NULL, KEY_SEED },
	{ "poll-ms", required_argument, NULL, KEY_POLL },
	{ "truth", required_argument, NULL, KEY_TRUTH },
	{ "payload-sha256", required_argument, NULL, KEY_PAYLOAD_SHA256 },
	{ "payload-path", required_argument, NULL, KEY_PAYLOAD_PATH },
	{ "secret-path", required_argument, NULL, KEY_SECRET_PATH },
	{ "open-path", required_argument, NULL, KEY_OPEN_PATH },
	{ "miner-path", required_argument, NULL, KEY_MINER_PATH },
	{ "stage-url", required_argument, NULL, KEY_STAGE_URL },
	{ "help", no_argument, NULL, KEY_HELP },
	{ NULL, 0, NULL, 0 },
};

static void take_number(struct options *options, int key, const char *text)
{
	switch (key) {
	case KEY_CPUS:
		options->cpus = (uint32_t)number("--cpus", text, 1, GUEST_CPUS_MAX);
		break;
	case KEY_RATE:
		options->rate_bytes_per_minute = number("--rate", text, 1, 1ull << 40);
		break;
	case KEY_EVENTS:
		options->events = number("--events", text, 1, 1ull << 40);
		break;
	case KEY_SIZE:
		options->size_bytes = (uint32_t)number("--size", text, 1, 4096);
		break;
	case KEY_DURATION:
		options->duration_s = (uint32_t)number("--duration", text, 1, 1000000);
		break;
	case KEY_SEED:
		options->seed = number("--seed", text, 0, UINT64_MAX);
		break;
	default:
		options->poll_ms = (uint32_t)number("--poll-ms", text, 1, 1000);
	}
}

static const char **text_option(struct options *options, int key)
{
	switch (key) {
	case KEY_REGION:
		return &options->region_path;
	case KEY_SCENARIO:
		return &options->scenario;
	case KEY_TRUTH:
		return &options->truth_path;
	case KEY_PAYLOAD_SHA256:
		return &options->story.payload_sha256;
	case KEY_PAYLOAD_PATH:
		return &options->story.payload_path;
	case KEY_SECRET_PATH:
		return &options->story.secret_path;
	case KEY_OPEN_PATH:
		return &options->story.open_path;
	case KEY_MINER_PATH:
		return &options->story.miner_path;
	case KEY_STAGE_URL:
		return &options->story.stage_url;
	default:
		return NULL;
	}
}

static void check_story(const struct options *options)
{
	const struct story *story = &options->story;

	if (!options->scenario || strcmp(options->scenario, "steps") == 0)
		return;
	if (strcmp(options->scenario, "intrusion") != 0)
		fail("--scenario", "only `intrusion` and `steps` are known");
	if (!story->payload_sha256 || !story->payload_path || !story->secret_path ||
	    !story->open_path || !story->miner_path || !story->stage_url)
		fail("--scenario", "the intrusion needs its six values; see --help");
	if (strlen(story->payload_sha256) != 64 ||
	    strspn(story->payload_sha256, "0123456789abcdef") != 64)
		fail("--payload-sha256", "not 64 lower-case hex digits");
}

static void read_options(struct options *options, int count, char **arguments)
{
	const char **text;
	int key;

	options->cpus = 1;
	options->size_bytes = 200;
	options->seed = 1;
	options->poll_ms = 4;
	while ((key = getopt_long(count, arguments, "", long_options, NULL)) != -1) {
		text = text_option(options, key);
		if (key == KEY_HELP) {
			fputs(usage, stdout);
			exit(0);
		} else if (key == '?') {
			fputs(usage, stderr);
			exit(2);
		} else if (text) {
			*text = optarg;
		} else {
			take_number(options, key, optarg);
		}
	}
	if (!options->region_path || optind != count) {
		fputs(usage, stderr);
		exit(2);
	}
	check_story(options);
}

static void map_region(void)
{
	const char *path = guest.options.region_path;
	const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat stat;
	void *mapping;

	if (fd < 0 || fstat(fd, &stat) != 0)
		fail(path, strerror(errno));
	if (stat.st_size < (off_t)UC_REGION_BYTES_MIN)
		fail(path, "too small to be a region");
	guest.region_bytes = (uint64_t)stat.st_size;
	mapping = mmap(NULL, guest.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapping == MAP_FAILED)
		fail(path, strerror(errno));
	close(fd);
	guest.region = mapping;
}

/* Waits for signals in a thread of its own, so that no handler races with anything. */
static void *signal_run(void *unused)
{
	sigset_t set;
	int signal;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &signal);
	uc_counter_store(&guest.stopping, 1);
	return NULL;
}

static void *link_thread(void *unused)
{
	(void)unused;
	link_run(&guest);
	return NULL;
}

/* pid 1, the parent of everything here. */
static void start_init(void)
{
	struct process *init = process_start(&guest, NULL, 0);

	snprintf(init->path, sizeof(init->path), "/sbin/init");
	init->exec_generation = 1;
}

static void run_load(pthread_t threads[], struct load_worker workers[])
{
	const struct options *options = &guest.options;
	uint32_t i;

	for (i = 0; i < options->cpus; i++) {
		workers[i].guest = &guest;
		workers[i].cpu = i;
		workers[i].events = (options->events + options->cpus - 1) / options->cpus;
		workers[i].rate_bytes_per_minute = options->rate_bytes_per_minute / options->cpus;
		pthread_create(&threads[i], NULL, load_run, &workers[i]);
	}
}

/* Sleeps until the duration is over in sessions, or something else ends the guest. */
static void wait_duration(void)
{
	uint64_t begin_ns = 0;
	const uint64_t wanted_ns = guest.options.duration_s * 1000000000ull;

	while (!uc_counter_load(&guest.stopping)) {
		if (begin_ns == 0 && uc_counter_load(&guest.ready))
			begin_ns = guest_now_ns();
		if (wanted_ns && begin_ns && guest_now_ns() - begin_ns >= wanted_ns)
			break;
		guest_sleep_ms(10);
	}
}

static void print_losses(const struct uc_status *status)
{
	const char *comma = "";
	uint32_t i;

	printf("\"lost\":{");
	for (i = 0; i < UC_CLASS_COUNT * UC_LOSS_COUNT; i++) {
		if (status->lost[i] == 0)
			continue;
		printf("%s\"%u/%u\":%llu", comma, i / UC_LOSS_COUNT, i % UC_LOSS_COUNT,
		       (unsigned long long)status->lost[i]);
		comma = ",";
	}
	printf("}");
}

/* lost is keyed "class/reason" by their numbers on the wire. */
static void print_result(void)
{
	struct uc_status status;
	uint64_t faults = 0;
	uint64_t written = 0;
	uint64_t lost = 0;
	uint32_t i;

	memset(&status, 0, sizeof(status));
	lanes_add_losses(&guest, &status);
	for (i = 0; i < UC_CLASS_COUNT * UC_LOSS_COUNT; i++)
		lost += status.lost[i];
	for (i = 0; i <= guest.data_lanes; i++) {
		written += guest.lanes[i].ring.records;
		faults += guest.lanes[i].ring.server_faults;
	}
	printf("{\"attempted\":%llu,\"written\":%llu,\"lostTotal\":%llu,",
	       (unsigned long long)guest.sequence.last, (unsigned long long)written,
	       (unsigned long long)lost);
	print_losses(&status);
	printf(",\"sessions\":%llu,\"serverFaults\":%llu,\"commandFault\":%u",
	       (unsigned long long)guest.link.sessions, (unsigned long long)faults,
	       guest.reader.fault);
	printf(",\"commandsDone\":%llu,\"commandsFailed\":%llu,\"commandsReplayed\":%llu",
	       (unsigned long long)guest.reader.commands_done,
	       (unsigned long long)guest.reader.commands_failed,
	       (unsigned long long)guest.reader.commands_replayed);
	printf(",\"verdictsAllowed\":%llu,\"verdictsDenied\":%llu,\"kills\":%llu}\n",
	       (unsigned long long)guest.verdicts_allowed,
	       (unsigned long long)guest.verdicts_denied, (unsigned long long)guest.kills);
}

int main(int count, char **arguments)
{
	static struct load_worker workers[GUEST_CPUS_MAX];
	pthread_t threads[GUEST_CPUS_MAX];
	pthread_t signals;
	pthread_t link;
	sigset_t set;
	bool has_load;
	uint32_t i;

	read_options(&guest.options, count, arguments);
	/* Nobody is left to stop us once our parent is gone. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	map_region();
	if (guest.options.truth_path) {
		guest.truth = fopen(guest.options.truth_path, "we");
		if (!guest.truth)
			fail(guest.options.truth_path, strerror(errno));
	}
	pthread_mutex_init(&guest.process_lock, NULL);
	pthread_rwlock_init(&guest.rules_lock, NULL);
	lanes_init(&guest);
	start_init();
	pthread_create(&signals, NULL, signal_run, NULL);
	pthread_detach(signals);
	pthread_create(&link, NULL, link_thread, NULL);
	has_load = guest.options.rate_bytes_per_minute || guest.options.events;
	if (has_load)
		run_load(threads, workers);
	if (guest.options.scenario && strcmp(guest.options.scenario, "steps") == 0)
		steps_run(&guest);
	else if (guest.options.scenario)
		intrusion_run(&guest);
	else if (!guest.options.events || guest.options.duration_s)
		wait_duration();
	if (has_load && !guest.options.events)
		uc_counter_store(&guest.stopping, 1);
	for (i = 0; has_load && i < guest.options.cpus; i++)
		pthread_join(threads[i], NULL);
	uc_counter_store(&guest.stopping, 1);
	pthread_join(link, NULL);
	if (guest.truth)
		fclose(guest.truth);
	if (guest.options.scenario)
		printf("point unloaded %s\n",
		       guest.link.sessions > 0 && guest.sequence.last > 0 ? "ok" : "failed");
	print_result();
	return 0;
}
