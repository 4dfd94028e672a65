// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * SHA-256 of executed files, from a work queue because reading sleeps. Digests are kept by file
 * identity, so that a program is read once and rules by hash can refuse its next exec. A file's
 * pages may still change under a mapping without its times; the next open notices.
 */
#include <crypto/sha2.h>
#include <linux/bitmap.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "compat.h"
#include "undercroft.h"

#define JOBS_MAX 64
#define CACHE_LOG2 9
#define CHUNK_BYTES 65536

static ulong hash_bytes_max = 64ul << 20;
module_param(hash_bytes_max, ulong, 0444);
MODULE_PARM_DESC(hash_bytes_max, "executed files beyond this size are not hashed");

/* Names one content of one file. */
struct hash_key {
	u64 device;
	u64 inode;
	u64 generation;
	u64 size_bytes;
	u64 modify_ns;
	u64 change_ns;
};

struct hash_job {
	struct work_struct work;
	struct file *file;
	struct uc_event_header header;
	u64 exec_sequence;
};

static struct {
	struct hash_key key;
	u8 digest[SHA256_DIGEST_SIZE];
} cache[1 << CACHE_LOG2];
static DEFINE_SPINLOCK(cache_lock);

static struct hash_job jobs[JOBS_MAX];
static DECLARE_BITMAP(jobs_taken, JOBS_MAX);
static struct workqueue_struct *queue;
static bool stopping;

static struct hash_key key_of(const struct inode *inode)
{
	return (struct hash_key){
		.device = uc_device_number(inode->i_sb),
		.inode = inode->i_ino,
		.generation = inode->i_generation,
		.size_bytes = i_size_read(inode),
		.modify_ns = uc_compat_modify_ns(inode),
		.change_ns = uc_compat_change_ns(inode),
	};
}

static u32 slot_of(const struct hash_key *key)
{
	return hash_64(key->inode ^ key->device << 32, CACHE_LOG2);
}

static bool look_up(const struct hash_key *key, u8 *digest)
{
	u32 slot = slot_of(key);
	bool found;

	spin_lock(&cache_lock);
	found = key->inode && !memcmp(&cache[slot].key, key, sizeof(*key));
	if (found)
		memcpy(digest, cache[slot].digest, SHA256_DIGEST_SIZE);
	spin_unlock(&cache_lock);
	return found;
}

static void remember(const struct hash_key *key, const u8 *digest)
{
	u32 slot = slot_of(key);

	spin_lock(&cache_lock);
	cache[slot].key = *key;
	memcpy(cache[slot].digest, digest, SHA256_DIGEST_SIZE);
	spin_unlock(&cache_lock);
}

bool uc_hash_known(struct inode *inode, u8 digest[SHA256_DIGEST_SIZE])
{
	struct hash_key key = key_of(inode);

	return S_ISREG(inode->i_mode) && look_up(&key, digest);
}

static void report(struct file *file, const struct uc_event_header *identity, u64 exec_sequence,
		   u32 result, const u8 *digest)
{
	const struct inode *inode = file_inode(file);
	struct uc_process_hash body = {
		.exec_sequence = exec_sequence,
		.inode = inode->i_ino,
		.device = uc_device_number(inode->i_sb),
		.size_bytes = i_size_read(inode),
		.result = result,
	};
	struct uc_event_header header = *identity;
	struct uc_scratch *scratch = uc_scratch_get();
	struct uc_text path = uc_text_path(&file->f_path, scratch->path);
	struct uc_emit emit;

	if (digest)
		memcpy(body.sha256, digest, sizeof(body.sha256));
	header.boottime_ns = ktime_get_boot_fast_ns();
	header.cpu = smp_processor_id();
	/* A digest must not drown in file events: detection waits for it. */
	if (uc_emit_begin(&emit, UC_PRIORITY, UC_RECORD_PROCESS_HASH, &header, &body,
			  uc_text_bytes(&path))) {
		uc_emit_text(&emit, UC_FIELD_PATH, &path);
		uc_emit_end(&emit);
	}
	uc_scratch_put();
	if (result == UC_HASH_OK)
		uc_count(hashes_done);
	else
		uc_count(hashes_skipped);
}

static bool digest_file(struct file *file, u8 *digest)
{
	u8 *chunk = kvmalloc(CHUNK_BYTES, GFP_KERNEL);
	struct sha256_state state;
	loff_t position = 0;
	ssize_t got = -ENOMEM;

	if (!chunk)
		return false;
	sha256_init(&state);
	while (!READ_ONCE(stopping)) {
		got = kernel_read(file, chunk, CHUNK_BYTES, &position);
		if (got <= 0 || position > hash_bytes_max)
			break;
		sha256_update(&state, chunk, got);
		cond_resched();
	}
	sha256_final(&state, digest);
	kvfree(chunk);
	return got == 0;
}

static void run_job(struct work_struct *work)
{
	struct hash_job *job = container_of(work, struct hash_job, work);
	struct inode *inode = file_inode(job->file);
	struct hash_key before = key_of(inode), after;
	u8 digest[SHA256_DIGEST_SIZE];
	u32 result = UC_HASH_OK;

	if (!look_up(&before, digest)) {
		if (!digest_file(job->file, digest))
			result = UC_HASH_READ_ERROR;
		after = key_of(inode);
		/* Changed while we read: what we have is of no content that ever was. */
		if (memcmp(&before, &after, sizeof(before)))
			result = UC_HASH_READ_ERROR;
		else if (result == UC_HASH_OK)
			remember(&before, digest);
	}
	report(job->file, &job->header, job->exec_sequence, result,
	       result == UC_HASH_OK ? digest : NULL);
	fput(job->file);
	job->file = NULL;
	/* ORDER: release; the next owner of the slot sees it empty. */
	clear_bit_unlock(job - jobs, jobs_taken);
}

static struct hash_job *take_job(void)
{
	unsigned long index;

	do {
		index = find_first_zero_bit(jobs_taken, JOBS_MAX);
		if (index >= JOBS_MAX)
			return NULL;
	} while (test_and_set_bit_lock(index, jobs_taken));
	return &jobs[index];
}

void uc_hash_executed(struct file *file, const struct uc_event_header *header, u64 exec_sequence)
{
	struct hash_key key = key_of(file_inode(file));
	u8 digest[SHA256_DIGEST_SIZE];
	struct hash_job *job;

	if (look_up(&key, digest)) {
		report(file, header, exec_sequence, UC_HASH_OK, digest);
		return;
	}
	if (key.size_bytes > hash_bytes_max) {
		report(file, header, exec_sequence, UC_HASH_TOO_BIG, NULL);
		return;
	}
	job = READ_ONCE(stopping) ? NULL : take_job();
	if (!job) {
		report(file, header, exec_sequence, UC_HASH_QUEUE_FULL, NULL);
		return;
	}
	job->file = get_file(file);
	job->header = *header;
	job->exec_sequence = exec_sequence;
	queue_work(queue, &job->work);
}

int uc_hash_init(void)
{
	size_t i;

	for (i = 0; i < JOBS_MAX; i++)
		INIT_WORK(&jobs[i].work, run_job);
	queue = alloc_workqueue("undercroft_hash", WQ_UNBOUND | WQ_FREEZABLE, 2);
	return queue ? 0 : -ENOMEM;
}

/* No exec hook may run any more. */
void uc_hash_exit(void)
{
	WRITE_ONCE(stopping, true);
	destroy_workqueue(queue);
}
