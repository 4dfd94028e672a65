// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The thread that keeps the guest registered: it polls the server's pages, carries out commands,
 * refreshes the heartbeat and flushes rings that have gone quiet. All state here is its own.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/freezer.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>
#include "../core/uc_command.h"
#include "../core/uc_link.h"
#include "undercroft.h"

#define HEARTBEAT_INTERVAL_NS 250000000ull
#define TICK_INTERVAL_NS 4000000ull
#define CLOCK_INTERVAL_NS 10000000000ull
/* After a command more often come at once. */
#define BUSY_NS 100000000ull
#define BUSY_POLL_US 1000
#define IDLE_POLL_US 3000
/* Where the server rings for commands; a ring may be lost. */
#define RUNG_POLL_US 20000
#define GOODBYE_MS 500

struct link_thread {
	struct uc_link link;
	struct uc_command_reader reader;
	bool reader_ready;
	void *command_buffer;
	struct uc_status status;
	u64 status_ns;
	u64 tick_ns;
	u64 clock_ns;
	u64 busy_until_ns;
	struct task_struct *task;
	/* Set by who wants us gone, answered by the thread. */
	u32 leave_reason;
	bool left;
	/* This round began because the server rang. */
	bool rung;
};

/* There is one region, so there is one thread; task is NULL while there is none. */
static struct link_thread thread;

static u64 now(void)
{
	return ktime_get_boottime_ns();
}

static void park(void *context)
{
	uc_emit_close();
}

static int start(void *context, const struct uc_link *link)
{
	struct link_thread *self = context;
	const struct uc_ring_place *place = uc_region_ring(&link->map, UC_RING_COMMAND, 0);

	if (!place)
		return -EINVAL;
	if (!self->reader_ready || !uc_command_place(&self->reader, link->region, place))
		uc_command_init(&self->reader, link->region, place, self->command_buffer);
	self->reader_ready = true;
	uc_command_start(&self->reader, link->session.session_id, link->session.features,
			 link->map.server_epoch);
	return uc_emit_open(link);
}

static void stamp(void *context, struct uc_hello *hello)
{
	hello->clock_boottime_ns = now();
	hello->clock_realtime_ns = ktime_get_real_ns();
	hello->sequence = uc_counter_load(&uc_sequence.last);
}

static const struct uc_link_ops link_ops = { .park = park, .start = start, .stamp = stamp };

static void write_status(struct link_thread *self)
{
	struct uc_status *status = &self->status;
	u64 heartbeat = status->heartbeat + 1;

	memset(status, 0, sizeof(*status));
	status->heartbeat = heartbeat;
	status->boottime_ns = now();
	status->sensors = READ_ONCE(uc_sensors_on);
	status->rules_generation = uc_verdict_generation();
	status->commands_done = self->reader.commands_done;
	status->commands_failed = self->reader.commands_failed;
	uc_stats_fill(status);
	uc_socket_count_missed();
	uc_emit_add_losses(status);
	/* Last: it must not be behind the losses it covers. */
	status->sequence = uc_counter_load(&uc_sequence.last);
	uc_region_write_status(self->link.region, status);
}

static void emit_clock(void)
{
	struct uc_clock body = { .boottime_ns = now(), .realtime_ns = ktime_get_real_ns() };

	uc_emit_plain(UC_PRIORITY, UC_RECORD_CLOCK, &body);
}

static void run_commands(struct link_thread *self)
{
	struct uc_command_item item;

	while (!kthread_should_stop() && uc_command_next(&self->reader, now(), &item) > 0) {
		if (item.run)
			uc_commands_execute(&item);
		uc_command_finish(&self->reader, &item);
		if (self->rung)
			uc_doorbell_count_command();
		uc_emit_plain(UC_PRIORITY, UC_RECORD_COMMAND_RESULT, &item.result);
		self->busy_until_ns = now() + BUSY_NS;
		/* Last: nothing may be written once parked. */
		if (item.kind == UC_COMMAND_QUIESCE && item.result.result == UC_RESULT_DONE) {
			uc_link_quiesce(&self->link);
			return;
		}
		uc_commands_follow_up();
	}
}

/* False: no space for the word. It is worth another try, or the server never hears of it. */
static bool say_goodbye(struct link_thread *self)
{
	struct uc_unregister body = { .reason = self->leave_reason };

	if (self->link.state == UC_LINK_READY &&
	    !uc_emit_plain(UC_PRIORITY, UC_RECORD_UNREGISTER, &body))
		return false;
	uc_link_leave(&self->link);
	return true;
}

/* One round; returns the link's state after it. */
static u32 step(struct link_thread *self)
{
	u32 state = uc_link_poll(&self->link, now());
	u64 time = now();

	if (state == UC_LINK_LEFT)
		return state;
	if (state == UC_LINK_READY || state == UC_LINK_LEAVING) {
		run_commands(self);
		if (time >= self->tick_ns) {
			uc_emit_tick();
			self->tick_ns = time + TICK_INTERVAL_NS;
		}
		if (time >= self->clock_ns) {
			emit_clock();
			self->clock_ns = time + CLOCK_INTERVAL_NS;
		}
	}
	/* A region without a good superblock is not ours to write to. */
	if (state != UC_LINK_OFFLINE && time >= self->status_ns) {
		write_status(self);
		self->status_ns = time + HEARTBEAT_INTERVAL_NS;
	}
	if (state == UC_LINK_LEAVING && uc_commands_acknowledged())
		uc_link_finish(&self->link);
	return self->link.state;
}

static void rest(struct link_thread *self)
{
	bool busy = now() < self->busy_until_ns;

	if (!uc_doorbell_is_there())
		usleep_range(busy ? BUSY_POLL_US : IDLE_POLL_US,
			     busy ? BUSY_POLL_US * 2 : IDLE_POLL_US + BUSY_POLL_US);
	else if (self->link.state == UC_LINK_READY &&
		 self->link.session.features & UC_FEATURE_DOORBELL)
		self->rung = uc_doorbell_wait(RUNG_POLL_US);
	else
		self->rung = uc_doorbell_wait(busy ? BUSY_POLL_US : IDLE_POLL_US);
}

static int run(void *data)
{
	struct link_thread *self = data;
	unsigned long deadline = 0;
	bool said_goodbye = false;

	set_freezable();
	while (!kthread_should_stop()) {
		u32 reason = READ_ONCE(self->leave_reason);

		if (reason && !deadline)
			deadline = jiffies + msecs_to_jiffies(GOODBYE_MS);
		if (reason && !said_goodbye)
			said_goodbye = say_goodbye(self);
		if (!self->left &&
		    (step(self) == UC_LINK_LEFT || (deadline && time_after(jiffies, deadline)))) {
			/* ORDER: release; pairs with uc_link_stop(), which then stops the thread. */
			smp_store_release(&self->left, true);
		}
		try_to_freeze();
		rest(self);
	}
	return 0;
}

/* The kernel keeps the boot's id to itself but for this text. Without it every attach looks like
 * a boot of its own. */
static void read_boot_id(u8 id[16])
{
	struct file *file = filp_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	char text[40] = "", digits[33] = "";
	loff_t position = 0;
	int from, to = 0;

	if (!IS_ERR(file)) {
		if (kernel_read(file, text, sizeof(text) - 1, &position) < 36)
			text[0] = '\0';
		fput(file);
	}
	for (from = 0; text[from] && to < 32; from++) {
		if (text[from] != '-')
			digits[to++] = text[from];
	}
	if (to != 32 || hex2bin(id, digits, 16))
		get_random_bytes(id, 16);
}

static void introduce(struct uc_hello *hello, u32 map_kind)
{
	memset(hello, 0, sizeof(*hello));
	hello->capabilities = uc_capabilities;
	read_boot_id(hello->boot_id);
	hello->attach_ns = now();
	hello->map_kind = map_kind;
	hello->cpu_count = num_possible_cpus();
	hello->os = UC_OS_LINUX;
	strscpy((char *)hello->driver_version, UC_DRIVER_VERSION, sizeof(hello->driver_version));
	snprintf((char *)hello->os_version, sizeof(hello->os_version), "%s %s %s",
		 init_utsname()->sysname, init_utsname()->release, init_utsname()->machine);
}

int uc_link_run(void *region, u64 region_bytes, u32 map_kind)
{
	struct link_thread *self = &thread;
	struct task_struct *task;
	struct uc_hello hello;

	memset(self, 0, sizeof(*self));
	self->command_buffer = kvmalloc(UC_RECORD_BYTES_MAX, GFP_KERNEL);
	if (!self->command_buffer)
		return -ENOMEM;
	introduce(&hello, map_kind);
	uc_link_init(&self->link, region, region_bytes, &link_ops, self, &hello,
		     UC_FEATURE_CRC32C | (uc_doorbell_is_there() ? UC_FEATURE_DOORBELL : 0));
	uc_emit_reset();
	uc_stats_reset();
	uc_commands_reset();
	task = kthread_run(run, self, "undercroft");
	if (IS_ERR(task)) {
		kvfree(self->command_buffer);
		return PTR_ERR(task);
	}
	self->task = task;
	return 0;
}

void uc_link_stop(u32 reason)
{
	struct link_thread *self = &thread;
	int rounds = 2 * GOODBYE_MS;

	if (!self->task)
		return;
	WRITE_ONCE(self->leave_reason, reason);
	/* ORDER: acquire; pairs with run(). The rounds are for a thread that is frozen or held up. */
	while (!smp_load_acquire(&self->left) && rounds--)
		usleep_range(1000, 1500);
	kthread_stop(self->task);
	self->task = NULL;
	uc_emit_set_leaving();
	uc_sensors_stop();
	uc_verdict_exit();
	uc_link_finish(&self->link);
	kvfree(self->command_buffer);
}

u32 uc_link_state(void)
{
	return READ_ONCE(thread.task) ? READ_ONCE(thread.link.state) : U32_MAX;
}
