// SPDX-License-Identifier: Apache-2.0
// Two processes, one producer and one consumer, pinned to CPU 0 and 1: records a second through
// our ring and through its peers. Every consumer copies each record out and sums its first word;
// a wrong sum fails the run. Called by bench/ring.ts: transport KIND SIZE COUNT -> one JSON line;
// `produce` is the producer alone, for a reader in TypeScript.
// Both processes run at real-time priority where that is permitted: else the figures are those
// of the scheduler as soon as anything else runs. Kernel work of a socket runs in the callers.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include <rte_ring.h>
#include <rte_ring_elem.h>

extern "C" {
#include "../../addon/drain.h"
#include "../../guest-drivers/core/uc_ring.h"
}

namespace {

constexpr uint64_t kRegionBytes = 8u << 20;
constexpr uint32_t kCapacityLog2 = 22;
constexpr uint32_t kSession = 0x5eed5eedu;
// Records a call, for the peers that take several.
constexpr unsigned kBurst = 32;

[[noreturn]] void die(const char *what) {
  std::perror(what);
  std::exit(1);
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
  sched_param priority{};
  priority.sched_priority = 1;
  sched_setscheduler(0, SCHED_FIFO, &priority);
}

double now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

void *shared(uint64_t bytes) {
  void *at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) die("mmap");
  return at;
}

uint64_t expected_sum(uint64_t count) { return count * (count - 1) / 2; }

struct Start {
  volatile uint32_t ready;
};

// Forks a producer, runs the consumer here and returns its seconds; the sum must come out.
template <typename Produce, typename Consume>
double race(uint64_t count, Produce produce, Consume consume) {
  auto *start = static_cast<Start *>(shared(4096));
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    pin(0);
    while (__atomic_load_n(&start->ready, __ATOMIC_ACQUIRE) == 0) {
    }
    produce();
    _exit(0);
  }
  pin(1);
  __atomic_store_n(&start->ready, 1u, __ATOMIC_RELEASE);
  const double begin = now();
  const uint64_t sum = consume();
  const double seconds = now() - begin;
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 || sum != expected_sum(count)) {
    std::fprintf(stderr, "wrong sum: %llu of %llu\n", static_cast<unsigned long long>(sum),
                 static_cast<unsigned long long>(expected_sum(count)));
    std::exit(1);
  }
  return seconds;
}

uint64_t first_word(const uint8_t *record) {
  uint64_t word;
  std::memcpy(&word, record, sizeof word);
  return word;
}

void stamp(uint8_t *record, uint64_t word) { std::memcpy(record, &word, sizeof word); }

// Records to send, numbered well ahead of their use: copying a record right after writing its
// number would stall on the processor's store forwarding and cost all kinds alike.
class Source {
 public:
  explicit Source(uint32_t size) : size_(size), records_(static_cast<size_t>(size) * kAhead) {
    for (uint64_t at = 0; at < kAhead; at++) stamp(slot(at), at);
  }

  // `count` records from `at` on, adjacent in memory; count divides kAhead, at is a multiple.
  const uint8_t *take(uint64_t at) { return slot(at); }

  void done(uint64_t at, uint64_t count) {
    for (uint64_t next = at; next < at + count; next++) stamp(slot(next), next + kAhead);
  }

 private:
  static constexpr uint64_t kAhead = 64;
  uint8_t *slot(uint64_t at) { return &records_[(at % kAhead) * size_]; }
  uint32_t size_;
  std::vector<uint8_t> records_;
};

// A guest drops and counts when its ring is full; a benchmark waits instead.
void wait_for_space(uc_ring *ring, uint64_t bytes) {
  if (ring->capacity - (ring->tail - ring->head) >= bytes) return;
  uc_ring_publish(ring);
  do {
    ring->head = uc_load_u64(ring->consumer_page);
  } while (ring->capacity - (ring->tail - ring->head) < bytes);
}

constexpr uc_placement kPlacement{65536, 16384, 20480, kCapacityLog2};

// One reserve, copy and commit a record; the ring publishes by its own rule.
void produce(uint8_t *region, uint32_t size, uint64_t count) {
  struct uc_ring_place place {};
  place.kind = UC_RING_DATA;
  place.capacity_log2 = kCapacityLog2;
  place.payload_bytes_max = UC_RECORD_BYTES_MAX;
  place.producer_offset = kPlacement.producer_offset;
  place.consumer_offset = kPlacement.consumer_offset;
  place.ring_offset = kPlacement.ring_offset;
  static uc_ring ring;
  static uc_sequence sequence;
  uc_ring_init(&ring, region, &place, UC_MAP_WRITE_BACK, nullptr, &sequence);
  Source source(size);
  if (uc_ring_start(&ring, kSession, 0) != 0) std::exit(1);
  for (uint64_t at = 0; at < count; at++) {
    wait_for_space(&ring, size + 2 * UC_FRAME_BYTES + UC_RECORD_BYTES_MAX);
    void *record = uc_ring_reserve(&ring, UC_RECORD_FILE_OPEN, size);
    if (record == nullptr) std::exit(3);
    std::memcpy(record, source.take(at), size);
    uc_ring_commit(&ring, size, 0, false);
    source.done(at, 1);
  }
  uc_ring_publish(&ring);
}

uint64_t consume(uint8_t *region, uint64_t count) {
  std::vector<uint8_t> batch(UC_BATCH_BYTES_DEFAULT);
  std::vector<uint32_t> records(4096 * UC_RECORD_STRIDE);
  uint64_t stats[UC_CONSUMER_STATS] = {};
  uc_consumer_config config{};
  config.region = region;
  config.region_bytes = kRegionBytes;
  config.placement = kPlacement;
  config.record_bytes_max = UC_RECORD_BYTES_MAX;
  config.batch = batch.data();
  config.batch_bytes = UC_BATCH_BYTES_DEFAULT;
  config.records_max = 4096;
  config.records = records.data();
  config.stats = stats;
  static uc_consumer consumer;
  if (uc_consumer_init(&consumer, &config) != 0) std::exit(1);
  uc_consumer_start_session(&consumer, kSession, 0, 0, 0);
  uint64_t sum = 0;
  for (uint64_t seen = 0; seen < count;) {
    const int32_t got = uc_consumer_drain(&consumer);
    if (got < 0) std::exit(2);
    for (int32_t at = 0; at < got; at++) {
      sum += first_word(&batch[records[static_cast<size_t>(at) * UC_RECORD_STRIDE]]);
    }
    seen += static_cast<uint64_t>(got);
  }
  return sum;
}

double ours(uint32_t size, uint64_t count) {
  auto *region = static_cast<uint8_t *>(shared(kRegionBytes));
  return race(
      count, [&] { produce(region, size, count); }, [&] { return consume(region, count); });
}

template <size_t Size>
struct Slot {
  uint8_t bytes[Size];
};

// `burst` records a call on the writing side; the reader always takes what there is, up to 32.
template <size_t Size>
double boost_spsc(uint64_t count, uint64_t burst) {
  constexpr size_t kSlots = (1u << kCapacityLog2) / Size - 1;
  using Queue = boost::lockfree::spsc_queue<Slot<Size>, boost::lockfree::capacity<kSlots>>;
  auto *queue = new (shared(sizeof(Queue))) Queue;
  return race(
      count,
      [&] {
        Source source(Size);
        for (uint64_t at = 0; at < count; at += burst) {
          const auto *records = reinterpret_cast<const Slot<Size> *>(source.take(at));
          for (uint64_t done = 0; done < burst;) {
            done += queue->push(records + done, burst - done);
          }
          source.done(at, burst);
        }
      },
      [&] {
        static Slot<Size> records[kBurst];
        uint64_t sum = 0;
        for (uint64_t seen = 0; seen < count;) {
          const size_t got = queue->pop(records, kBurst);
          for (size_t at = 0; at < got; at++) sum += first_word(records[at].bytes);
          seen += got;
        }
        return sum;
      });
}

double boost_of(uint32_t size, uint64_t count, uint64_t burst) {
  if (size == 64) return boost_spsc<64>(count, burst);
  if (size == 256) return boost_spsc<256>(count, burst);
  if (size == 1024) return boost_spsc<1024>(count, burst);
  std::fprintf(stderr, "Boost's queue is built for 64, 256 and 1024 B only\n");
  std::exit(2);
}

double rte(uint32_t size, uint64_t count, unsigned burst) {
  const unsigned slots = (1u << kCapacityLog2) / size;
  const ssize_t bytes = rte_ring_get_memsize_elem(size, slots);
  if (bytes < 0) std::exit(1);
  auto *ring = static_cast<rte_ring *>(shared(static_cast<uint64_t>(bytes)));
  if (rte_ring_init(ring, "bench", slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) std::exit(1);
  return race(
      count,
      [&] {
        Source source(size);
        for (uint64_t at = 0; at < count; at += burst) {
          const uint8_t *records = source.take(at);
          for (unsigned done = 0; done < burst;) {
            done += rte_ring_sp_enqueue_burst_elem(
                ring, records + static_cast<size_t>(done) * size, size, burst - done, nullptr);
          }
          source.done(at, burst);
        }
      },
      [&] {
        std::vector<uint8_t> records(static_cast<size_t>(size) * kBurst);
        uint64_t sum = 0;
        for (uint64_t seen = 0; seen < count;) {
          const unsigned got =
              rte_ring_sc_dequeue_burst_elem(ring, records.data(), size, kBurst, nullptr);
          for (unsigned at = 0; at < got; at++) {
            sum += first_word(&records[static_cast<size_t>(at) * size]);
          }
          seen += got;
        }
        return sum;
      });
}

void write_all(int fd, const uint8_t *from, size_t bytes) {
  while (bytes > 0) {
    const ssize_t done = write(fd, from, bytes);
    if (done <= 0) die("write");
    from += done;
    bytes -= static_cast<size_t>(done);
  }
}

// One write a record, as a sender of events does; the reader takes 256 KiB at a time.
double stream(int reader, int writer, uint32_t size, uint64_t count) {
  return race(
      count,
      [&] {
        Source source(size);
        for (uint64_t at = 0; at < count; at++) {
          write_all(writer, source.take(at), size);
          source.done(at, 1);
        }
      },
      [&] {
        std::vector<uint8_t> buffer(256 * 1024);
        uint64_t sum = 0;
        size_t held = 0;
        for (uint64_t seen = 0; seen < count;) {
          const ssize_t got = read(reader, &buffer[held], buffer.size() - held);
          if (got <= 0) die("read");
          held += static_cast<size_t>(got);
          size_t at = 0;
          for (; held - at >= size; at += size, seen++) sum += first_word(&buffer[at]);
          std::memmove(buffer.data(), &buffer[at], held - at);
          held -= at;
        }
        return sum;
      });
}

double unix_stream(uint32_t size, uint64_t count) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) die("socketpair");
  return stream(pair[0], pair[1], size, count);
}

double pipe_stream(uint32_t size, uint64_t count) {
  int ends[2];
  if (pipe(ends) != 0) die("pipe");
  return stream(ends[0], ends[1], size, count);
}

double tcp_stream(uint32_t size, uint64_t count) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr *>(&address), length) != 0) die("bind");
  if (listen(listener, 1) != 0) die("listen");
  getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length);
  const int writer = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(writer, reinterpret_cast<sockaddr *>(&address), length) != 0) die("connect");
  const int reader = accept(listener, nullptr, nullptr);
  const int one = 1;
  setsockopt(writer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return stream(reader, writer, size, count);
}

// The ceiling: one process copying records out of the same amount of shared memory.
double memcpy_only(uint32_t size, uint64_t count) {
  pin(1);
  const uint64_t span = 1u << kCapacityLog2;
  auto *from = static_cast<uint8_t *>(shared(span));
  std::vector<uint8_t> to(UC_BATCH_BYTES_DEFAULT);
  std::memset(from, 1, span);
  uint64_t sum = 0;
  const double begin = now();
  for (uint64_t at = 0, offset = 0, place = 0; at < count; at++) {
    std::memcpy(&to[place], from + offset, size);
    sum += to[place];
    offset = (offset + size) & (span - 1);
    place = (place + size) & (UC_BATCH_BYTES_DEFAULT - 1);
  }
  const double seconds = now() - begin;
  if (sum != count) std::exit(1);
  return seconds;
}

double run(const std::string &kind, uint32_t size, uint64_t count) {
  if (kind == "ours") return ours(size, count);
  if (kind == "boost") return boost_of(size, count, 1);
  if (kind == "boost-burst") return boost_of(size, count, kBurst);
  if (kind == "rte") return rte(size, count, 1);
  if (kind == "rte-burst") return rte(size, count, kBurst);
  if (kind == "unix") return unix_stream(size, count);
  if (kind == "tcp") return tcp_stream(size, count);
  if (kind == "pipe") return pipe_stream(size, count);
  if (kind == "memcpy") return memcpy_only(size, count);
  std::fprintf(stderr, "unknown kind %s\n", kind.c_str());
  std::exit(2);
}

}  // namespace

// Writes into a region file for a reader elsewhere, once that reader has set the start word.
int produce_into(const char *path, uint32_t size, uint64_t count) {
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) die(path);
  void *at = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) die("mmap");
  auto *region = static_cast<uint8_t *>(at);
  while (uc_load_u64(region) == 0) usleep(100);
  pin(0);
  produce(region, size, count);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 5 && std::string(argv[1]) == "produce") {
    return produce_into(argv[2], static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)),
                        std::strtoull(argv[4], nullptr, 10));
  }
  if (argc != 4) {
    std::fprintf(stderr, "usage: transport KIND SIZE COUNT | produce FILE SIZE COUNT\n");
    return 2;
  }
  const auto size = static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10));
  const auto count = std::strtoull(argv[3], nullptr, 10);
  const double seconds = run(argv[1], size, count);
  std::printf("{\"kind\":\"%s\",\"size\":%u,\"count\":%llu,\"seconds\":%.6f}\n", argv[1], size,
              static_cast<unsigned long long>(count), seconds);
  return 0;
}
