/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The Undercroft wire format: every byte that a guest, a server or a redirector puts in a
 * shared-memory region. This file is the only truth; scripts/wire-gen.ts derives the TypeScript
 * offsets, the C static asserts and the tables of docs/wire-format.md from it.
 *
 * Grammar (the generator refuses anything else): `#define NAME literal`, and structures of
 * uintN_t fields and uintN_t arrays, naturally aligned, padding spelled out, size a multiple of 8.
 * All values are little-endian. A number that has been given out is never reused.
 */
#ifndef UC_WIRE_H
#define UC_WIRE_H

/* The includer provides uint8_t..uint64_t: <stdint.h> in user space, <linux/types.h> in Linux. */

/* ---- Versions -------------------------------------------------------------------------- */

/* Layout of pages and frames. A reader refuses a region of another major. */
#define UC_WIRE_MAJOR 1u
/* Protocol spoken inside that layout; both sides take the highest that both speak. */
#define UC_PROTOCOL_MIN 1u
#define UC_PROTOCOL_MAX 1u
/* Meaning of record kinds and fields; grows when a kind is added. Old kinds never change. */
#define UC_SCHEMA_VERSION 1u

/* ---- Region ----------------------------------------------------------------------------- */

/* "UCREGION" read as a little-endian integer. */
#define UC_MAGIC 0x4e4f494745524355ull
#define UC_PAGE_BYTES 4096u
#define UC_REGION_BYTES_MIN 0x100000u
#define UC_REGION_BYTES_MAX 0x40000000u
#define UC_REGION_BYTES_DEFAULT 0x2000000u

/*
 * One writer a page, so that page rights can follow the roles.
 *
 *   page 0   superblock + directory   server
 *   page 1   hello                    guest
 *   page 2   session                  server
 *   page 3   status                   guest
 *   page 4.. for each ring of the directory: a producer page, then a consumer page
 *   then     the rings themselves, each page-aligned and a power of two long
 */
#define UC_SUPERBLOCK_OFFSET 0u
#define UC_DIRECTORY_OFFSET 256u
#define UC_HELLO_OFFSET 4096u
#define UC_SESSION_OFFSET 8192u
#define UC_STATUS_OFFSET 12288u
#define UC_RING_PAGES_OFFSET 16384u
#define UC_DIRECTORY_MAX 64u

/* Kinds of ring in the directory. Lane: the guest CPU for data rings, a number from 0 for packet
 * rings, else 0. Packet rings occur in a redirector's region only, data rings in a guest's. */
#define UC_RING_COMMAND 1u
#define UC_RING_PRIORITY 2u
#define UC_RING_DATA 3u
#define UC_RING_PACKET 4u

/* Feature bits. Compatible ones may be left out by the guest; required ones may not. */
#define UC_FEATURE_CRC32C 0x1ull
#define UC_FEATURE_DOORBELL 0x2ull
#define UC_FEATURES_KNOWN 0x3ull

/*
 * Doorbells, where the region is an ivshmem-doorbell device. A peer is rung by storing its id << 16
 * | vector at offset REGISTER of the device's BAR 0; the guest's own id stands at POSITION. Ids are
 * fixed: each guest has a namespace of its own. Nothing is believed for a ring, and one may be
 * lost: who waits for it looks by itself now and then. Both vectors of both peers exist; DATA tells
 * the server that a record crossed its wake_at, COMMAND the guest that a command was published.
 */
#define UC_DOORBELL_POSITION 8u
#define UC_DOORBELL_REGISTER 12u
#define UC_DOORBELL_PEER_SERVER 0u
#define UC_DOORBELL_PEER_GUEST 1u
#define UC_DOORBELL_VECTOR_DATA 0u
#define UC_DOORBELL_VECTOR_COMMAND 1u
#define UC_DOORBELL_VECTORS 2u

/*
 *  0        8    12   16   20   24            32                48       56
 * +--------+----+----+----+----+-------------+-----------------+--------+----------+
 * | magic  |layo|pmin|pmax|crc | region_bytes | server_instance | epoch  | offered  |
 * +--------+----+----+----+----+-------------+-----------------+--------+----------+
 *  64       72   76   80   84
 * +--------+----+----+----+------------+
 * |required|hash|rmax|dir | reserved   |  header_crc32c covers the whole page, itself as zero
 * +--------+----+----+----+------------+
 */
struct uc_superblock {
	uint64_t magic;
	uint32_t layout_version;
	uint32_t protocol_min;
	uint32_t protocol_max;
	uint32_t header_crc32c;
	uint64_t region_bytes;
	uint8_t server_instance[16];
	uint64_t server_epoch;
	uint64_t features_offered;
	uint64_t features_required;
	uint32_t wire_hash;
	uint32_t record_bytes_max;
	uint32_t directory_count;
	uint32_t reserved[3];
};

/*
 *  0    4    8    12   16               24               32           40
 * +----+----+----+----+----------------+----------------+------------+----------+
 * |kind|flag|lane|log2| producer_offset| consumer_offset| ring_offset| reserved |
 * +----+----+----+----+----------------+----------------+------------+----------+
 */
struct uc_directory_entry {
	uint32_t kind;
	uint32_t flags;
	uint32_t lane;
	uint32_t capacity_log2;
	uint64_t producer_offset;
	uint64_t consumer_offset;
	uint64_t ring_offset;
	uint64_t reserved;
};

/* How the guest mapped the region; decides which fences its producer needs. */
#define UC_MAP_UNKNOWN 0u
#define UC_MAP_WRITE_BACK 1u
#define UC_MAP_WRITE_COMBINING 2u
#define UC_MAP_UNCACHED 3u

#define UC_OS_LINUX 1u
#define UC_OS_WINDOWS 2u
#define UC_OS_SIMULATED 3u
/* Not a guest: the redirector of the hypervisor host, in a region of its own. */
#define UC_OS_REDIRECTOR 4u

/* What a driver can do. Low half: sensors, also the mask of START_MONITORING. High: actions. */
#define UC_SENSOR_PROCESS 0x1ull
#define UC_SENSOR_FILE 0x2ull
#define UC_SENSOR_REGISTRY 0x4ull
#define UC_SENSOR_SOCKET 0x8ull
#define UC_SENSOR_MODULE 0x10ull
#define UC_SENSOR_IMAGE 0x20ull
#define UC_SENSOR_HASH 0x40ull
/* Every close. FILE alone tells of closes after writing: a record for each close after mere reading
 * would double what an open costs. */
#define UC_SENSOR_FILE_CLOSE 0x80ull
/* Opens, closes and reads of registry keys; REGISTRY alone tells of changes. */
#define UC_SENSOR_REGISTRY_READ 0x100ull
/* Threads that a process starts in another one. */
#define UC_SENSOR_REMOTE_THREAD 0x200ull
#define UC_SENSORS_ALL 0x3ffull
/* What a server asks for unless somebody wants otherwise. */
#define UC_SENSORS_DEFAULT 0x27full
#define UC_ACTION_KILL 0x100000000ull
#define UC_ACTION_DENY_OPEN 0x200000000ull
#define UC_ACTION_DENY_EXEC 0x400000000ull
/* A redirector's: mirror and inline mode, and rules at the tap. */
#define UC_ACTION_MIRROR 0x800000000ull
#define UC_ACTION_INLINE 0x1000000000ull
#define UC_ACTION_BLOCK 0x2000000000ull

/*
 * The guest's request to be registered. The guest parks its producers, fills everything else,
 * and stores hello_seq last; it writes no record until the session page answers that hello_seq.
 *
 *  0         8    12   16        24           32       48         56           64   68   72  76
 * +---------+----+----+---------+------------+--------+----------+------------+----+----+---+---+
 * |hello_seq|prot|hash|accepted |capabilities| boot_id| attach_ns|server_epoch|map |cpus|os | - |
 * +---------+----+----+---------+------------+--------+----------+------------+----+----+---+---+
 *  80                 88                 96        104             168
 * +------------------+------------------+---------+---------------+------------------+
 * | clock_boottime_ns| clock_realtime_ns| sequence| driver_version| os_version [128] |
 * +------------------+------------------+---------+---------------+------------------+
 */
struct uc_hello {
	uint64_t hello_seq;
	uint32_t protocol;
	uint32_t wire_hash;
	uint64_t features_accepted;
	uint64_t capabilities;
	uint8_t boot_id[16];
	/* Boot-time clock when the driver attached: grows from attach to attach of one boot. */
	uint64_t attach_ns;
	uint64_t server_epoch;
	uint32_t map_kind;
	uint32_t cpu_count;
	uint32_t os;
	uint32_t reserved;
	uint64_t clock_boottime_ns;
	uint64_t clock_realtime_ns;
	/* Last global sequence given out since attach_ns; never moves backwards within one attach. */
	uint64_t sequence;
	uint8_t driver_version[64];
	uint8_t os_version[128];
};

#define UC_SESSION_NONE 0u
#define UC_SESSION_OFFER 1u
#define UC_SESSION_READY 2u
#define UC_SESSION_QUARANTINED 3u
#define UC_SESSION_QUIESCE 4u
#define UC_SESSION_CLOSED 5u

/*
 * The server's answer. state is stored last. READY holds for the hello it echoes only.
 *
 *  0    4    8          16       32        40        56            64         72   76  80
 * +----+----+----------+--------+---------+---------+-------------+----------+----+---+---------+
 * |stat|s.id| hello_seq| boot_id| features| guest_id| server_epoch| heartbeat|reas| - | realtime|
 * +----+----+----------+--------+---------+---------+-------------+----------+----+---+---------+
 */
struct uc_session {
	uint32_t state;
	uint32_t session_id;
	uint64_t hello_seq;
	uint8_t boot_id[16];
	uint64_t features;
	uint8_t guest_id[16];
	uint64_t server_epoch;
	uint64_t heartbeat;
	uint32_t reason;
	uint32_t reserved;
	uint64_t server_realtime_ns;
};

/* Classes of records: the high byte of a record kind. Loss is counted a class and a reason. */
#define UC_CLASS_PROCESS 1u
#define UC_CLASS_FILE 2u
#define UC_CLASS_REGISTRY 3u
#define UC_CLASS_SOCKET 4u
#define UC_CLASS_VERDICT 5u
#define UC_CLASS_CONTROL 6u
#define UC_CLASS_MODULE 7u
#define UC_CLASS_PACKET 8u
#define UC_CLASS_COUNT 9u

/* Why a record that had been given a sequence is not in a ring. */
#define UC_LOSS_FULL 0u
#define UC_LOSS_TOO_BIG 1u
#define UC_LOSS_RATE_LIMITED 2u
#define UC_LOSS_ENCODE_ERROR 3u
#define UC_LOSS_NOT_READY 4u
#define UC_LOSS_REENTRY 5u
#define UC_LOSS_SHUTDOWN 6u
#define UC_LOSS_COUNT 8u

/*
 * The guest's cumulative claims and its heartbeat, refreshed about four times a second.
 *
 *  0          8            16        24         32               40
 * +----------+------------+---------+----------+----------------+---------------------------+
 * | heartbeat| boottime_ns| sequence| monitored| rules_generat. | eight counters, see below |
 * +----------+------------+---------+----------+----------------+---------------------------+
 *  104: lost[class * UC_LOSS_COUNT + reason]
 */
struct uc_status {
	uint64_t heartbeat;
	uint64_t boottime_ns;
	uint64_t sequence;
	/* Sensors that are on now: zero means that monitoring is stopped. */
	uint64_t sensors;
	uint64_t rules_generation;
	uint64_t verdicts_allowed;
	uint64_t verdicts_denied;
	uint64_t fields_truncated;
	uint64_t commands_done;
	uint64_t commands_failed;
	uint64_t hashes_done;
	uint64_t hashes_skipped;
	uint64_t reserved;
	uint64_t lost[72];
};

/*
 * Producer page of a ring. tail is a free-running byte position; the rest are claims that the
 * producer refreshes with its heartbeat: frames attempted (each took one ring sequence) and
 * frames dropped of them.
 */
struct uc_ring_producer {
	uint64_t tail;
	uint8_t reserved[120];
	uint64_t attempted;
	uint64_t dropped;
};

/* Consumer page of a ring. wake_at: ring the doorbell when tail crosses this position. */
struct uc_ring_consumer {
	uint64_t head;
	uint8_t reserved[120];
	uint64_t wake_at;
};

/* ---- Frames ----------------------------------------------------------------------------- */

#define UC_FRAME_BYTES 16u
#define UC_FRAME_ALIGN 16u
/* Payload limit whatever the ring; a ring allows at most an eighth of its capacity. */
#define UC_RECORD_BYTES_MAX 65536u
#define UC_RING_CAPACITY_LOG2_MIN 12u
#define UC_RING_CAPACITY_LOG2_MAX 30u
/* check = session_id ^ (sequence * UC_CHECK_MULTIPLIER), modulo 2^32. With UC_FEATURE_CRC32C:
 * CRC-32C over frame and payload, the check field holding session_id while it is computed. */
#define UC_CHECK_MULTIPLIER 0x9e3779b1u

#define UC_FRAME_TRUNCATED 0x1u
#define UC_FRAME_FLAGS_KNOWN 0x1u

/*
 * A record never crosses the end of its ring: a PAD frame, payload included, fills the rest.
 * sequence counts every frame attempted on this ring in this session from 1, dropped ones too,
 * so that a jump is exactly the number of frames lost there. PAD takes none and carries 0.
 *
 *  0              4       6       8              12             16
 * +--------------+-------+-------+--------------+--------------+----------- - - - -----------+
 * | length       | type  | flags | sequence     | check        | payload, padded to 16 bytes |
 * +--------------+-------+-------+--------------+--------------+----------- - - - -----------+
 */
struct uc_frame {
	uint32_t length;
	uint16_t type;
	uint16_t flags;
	uint32_t sequence;
	uint32_t check;
};

/* Record kinds. The high byte is the class. */
#define UC_RECORD_INVALID 0x0000u
#define UC_RECORD_PROCESS_FORK 0x0101u
#define UC_RECORD_PROCESS_EXEC 0x0102u
#define UC_RECORD_PROCESS_EXIT 0x0103u
#define UC_RECORD_PROCESS_EXISTING 0x0104u
#define UC_RECORD_PROCESS_HASH 0x0105u
#define UC_RECORD_IMAGE_LOAD 0x0106u
#define UC_RECORD_REMOTE_THREAD 0x0107u
#define UC_RECORD_FILE_CREATE 0x0201u
#define UC_RECORD_FILE_OPEN 0x0202u
#define UC_RECORD_FILE_CLOSE 0x0203u
#define UC_RECORD_FILE_WRITE 0x0204u
#define UC_RECORD_FILE_ATTRIBUTES 0x0205u
#define UC_RECORD_FILE_RENAME 0x0206u
#define UC_RECORD_FILE_DELETE 0x0207u
#define UC_RECORD_KEY_CREATE 0x0301u
#define UC_RECORD_KEY_OPEN 0x0302u
#define UC_RECORD_KEY_CLOSE 0x0303u
#define UC_RECORD_KEY_READ 0x0304u
#define UC_RECORD_KEY_RENAME 0x0305u
#define UC_RECORD_KEY_DELETE 0x0306u
#define UC_RECORD_VALUE_SET 0x0307u
#define UC_RECORD_VALUE_DELETE 0x0308u
#define UC_RECORD_SOCKET_CONNECT 0x0401u
#define UC_RECORD_SOCKET_ACCEPT 0x0402u
#define UC_RECORD_SOCKET_BIND 0x0403u
#define UC_RECORD_SOCKET_LISTEN 0x0404u
/* First datagram to a peer from a socket that is not connected. */
#define UC_RECORD_SOCKET_SEND 0x0405u
/* A socket below TCP and UDP was opened: raw IP or whole packets. */
#define UC_RECORD_SOCKET_RAW 0x0406u
#define UC_RECORD_DNS_QUERY 0x0407u
#define UC_RECORD_VERDICT 0x0501u
#define UC_RECORD_COMMAND_RESULT 0x0601u
#define UC_RECORD_UNREGISTER 0x0602u
#define UC_RECORD_CLOCK 0x0603u
/* Windows: PATH is a volume's device, NAME where it is mounted, such as C:, empty for nowhere. */
#define UC_RECORD_VOLUME 0x0604u
#define UC_RECORD_MODULE_LOAD 0x0701u
#define UC_RECORD_MODULE_UNLOAD 0x0702u
/* A packet; only in packet rings, and without an event header. */
#define UC_RECORD_PACKET 0x0801u
#define UC_RECORD_REDIRECT_STATUS 0x0802u
#define UC_RECORD_BLOCK_RULE 0x0803u
/* A command; only in command rings. */
#define UC_RECORD_COMMAND 0x0f01u
#define UC_RECORD_LOST 0xfffeu
#define UC_RECORD_PAD 0xffffu

/* ---- Records ---------------------------------------------------------------------------- */

/*
 * Opens the payload of every record but LOST, PAD, COMMAND and PACKET. It names the acting process.
 * sequence: global in the guest, taken in guest-private memory before the space check; orders
 * records across rings. Windows has other identities than the names of these fields say: cgroup_id
 * is the terminal session, uid the last part of the user's security identifier, gid that of the
 * integrity level; exec_generation and mount_namespace are 0. There each exec begins a process and
 * no fork is told; ARGUMENTS is one command line.
 *
 *  0         8             16                 24          32   36   40    44   48   52  56  60
 * +---------+-------------+------------------+-----------+----+----+-----+----+----+---+---+----+
 * | sequence| boottime_ns | process_start_ns | cgroup_id |pid |tid |ppid |uid |gid |gen|mnt|cpu |
 * +---------+-------------+------------------+-----------+----+----+-----+----+----+---+---+----+
 */
struct uc_event_header {
	uint64_t sequence;
	uint64_t boottime_ns;
	uint64_t process_start_ns;
	uint64_t cgroup_id;
	uint32_t pid;
	uint32_t tid;
	uint32_t parent_pid;
	uint32_t uid;
	uint32_t gid;
	uint32_t exec_generation;
	uint32_t mount_namespace;
	uint32_t cpu;
};

/* Variable fields follow the fixed body, each padded with zeros to 8 bytes. A field type occurs
 * at most once in a record.
 *
 *  0       2       4              8
 * +-------+-------+--------------+------------- - - - -------------+
 * | type  | flags | length       | bytes, padded to 8               |
 * +-------+-------+--------------+------------- - - - -------------+
 */
struct uc_field {
	uint16_t type;
	uint16_t flags;
	uint32_t length;
};

#define UC_FIELD_FLAG_TRUNCATED 0x1u
#define UC_FIELD_ALIGN 8u

#define UC_FIELD_PATH 1u
/* rename: the path before */
#define UC_FIELD_OLD_PATH 2u
/* exec: the path that was asked for, before links and interpreters */
#define UC_FIELD_REQUESTED_PATH 3u
/* exec: arguments, each ended by a NUL */
#define UC_FIELD_ARGUMENTS 4u
#define UC_FIELD_WORKING_DIRECTORY 5u
#define UC_FIELD_CGROUP 6u
#define UC_FIELD_COMMAND_NAME 7u
/* module, registry value, name asked for in a DNS query, and other short names */
#define UC_FIELD_NAME 8u
#define UC_FIELD_KEY 9u
#define UC_FIELD_DATA 10u
/* Windows, exec: the user's security identifier as text, S-1-5-18 */
#define UC_FIELD_USER 11u

/* Fork: the header names the parent. */
struct uc_process_fork {
	uint64_t child_start_ns;
	uint32_t child_pid;
	uint32_t child_exec_generation;
};

/* Exec and existing process: the header names the process as it is afterwards. */
struct uc_process_exec {
	uint64_t inode;
	uint64_t device;
	uint64_t parent_start_ns;
	uint32_t parent_exec_generation;
	uint32_t mode;
	uint32_t argument_count;
	/* Bytes of the whole argument area, also where ARGUMENTS is shorter. */
	uint32_t argument_bytes;
	uint32_t effective_uid;
	uint32_t flags;
};

/* The executed file is not on a file system that verdicts cover (memfd, internal mounts). */
#define UC_EXEC_UNCOVERED 0x1u

struct uc_process_exit {
	uint32_t exit_code;
	uint32_t signal;
};

#define UC_HASH_OK 1u
#define UC_HASH_TOO_BIG 2u
#define UC_HASH_READ_ERROR 3u
#define UC_HASH_QUEUE_FULL 4u

/* Follows an exec: the header repeats the exec's process; exec_sequence its global sequence. */
struct uc_process_hash {
	uint64_t exec_sequence;
	uint64_t inode;
	uint64_t device;
	uint64_t size_bytes;
	uint32_t result;
	uint32_t reserved;
	uint8_t sha256[32];
};

struct uc_image_load {
	uint64_t inode;
	uint64_t device;
	uint64_t address;
	uint64_t size_bytes;
};

struct uc_remote_thread {
	uint64_t target_start_ns;
	uint64_t start_address;
	uint32_t target_pid;
	uint32_t target_tid;
};

/* The descriptor that was closed had been open for writing. */
#define UC_FILE_WRITTEN 0x1u
#define UC_FILE_DIRECTORY 0x2u
/* opened to be executed */
#define UC_FILE_EXECUTE 0x4u

struct uc_file_event {
	uint64_t inode;
	uint64_t device;
	uint64_t size_bytes;
	uint32_t mode;
	uint32_t flags;
};

struct uc_registry_event {
	uint32_t value_type;
	uint32_t data_bytes;
	uint32_t status;
	uint32_t reserved;
};

#define UC_ADDRESS_IPV4 4u
#define UC_ADDRESS_IPV6 6u

/*
 * Local and remote as the acting process sees them. IPv4 addresses stand in the first 4 bytes, the
 * rest zero; ports are plain numbers. result: positive errno of the call, 0 when it succeeded;
 * a connect that goes on in the background tells so by its errno. family 0: no addresses (RAW).
 *
 *  0        8              24              40    42    44    46    48      52      56   58   60
 * +--------+--------------+---------------+-----+-----+-----+-----+-------+-------+----+----+----+
 * | cookie | local address| remote address|lport|rport| fam | prot| netns | result|qtyp|q.id| -  |
 * +--------+--------------+---------------+-----+-----+-----+-----+-------+-------+----+----+----+
 */
struct uc_socket_event {
	/* The kernel's own number of the socket, never reused in one boot; 0 when it has none. */
	uint64_t socket_cookie;
	uint8_t local_address[16];
	uint8_t remote_address[16];
	uint16_t local_port;
	uint16_t remote_port;
	uint16_t family;
	/* IP protocol number; for RAW on a packet socket the Ethernet protocol. */
	uint16_t protocol;
	uint32_t network_namespace;
	uint32_t result;
	/* DNS_QUERY only: type and transaction of the question; NAME holds the name. */
	uint16_t query_type;
	uint16_t transaction_id;
	uint32_t reserved;
};

#define UC_OPERATION_OPEN 0x1u
#define UC_OPERATION_EXEC 0x2u
#define UC_OPERATIONS_KNOWN 0x3u

#define UC_VERDICT_ALLOW 1u
#define UC_VERDICT_DENY 2u
/* refused by killing the new image before its first instruction */
#define UC_VERDICT_KILL 3u

struct uc_verdict {
	uint64_t rule_id;
	uint64_t inode;
	uint64_t device;
	uint32_t operation;
	uint32_t verdict;
};

struct uc_module_event {
	uint64_t size_bytes;
	uint32_t taints;
	uint32_t reserved;
};

/* In-band loss: what is missing just before this frame on this ring. The global sequences lost
 * lie within first..last; those of other rings may lie between them. */
struct uc_lost {
	uint32_t reason;
	uint32_t record_class;
	uint64_t count;
	uint64_t first_sequence;
	uint64_t last_sequence;
};

#define UC_RESULT_DONE 1u
#define UC_RESULT_NOT_FOUND 2u
#define UC_RESULT_REFUSED 3u
#define UC_RESULT_EXPIRED 4u
#define UC_RESULT_MALFORMED 5u
#define UC_RESULT_UNSUPPORTED 6u
#define UC_RESULT_FAILED 7u

/* Acknowledges one command. detail: a positive errno or NTSTATUS, 0 when done. */
struct uc_command_result {
	uint64_t command_id;
	uint32_t kind;
	uint32_t result;
	uint32_t detail;
	uint32_t reserved;
	uint64_t value;
};

#define UC_UNREGISTER_UNLOAD 1u
#define UC_UNREGISTER_SHUTDOWN 2u

struct uc_unregister {
	uint32_t reason;
	uint32_t reserved;
};

struct uc_clock {
	uint64_t boottime_ns;
	uint64_t realtime_ns;
};

#define UC_VOLUME_MOUNTED 1u
#define UC_VOLUME_GONE 2u

/* Repeated at each START_MONITORING, so that paths of devices can be told as paths of drives. */
struct uc_volume {
	uint32_t state;
	uint32_t reserved;
};

/* ---- Redirector ------------------------------------------------------------------------- */

#define UC_PACKET_FROM_GUEST 1u
#define UC_PACKET_TO_GUEST 2u

/* Its transport checksum is still to be filled in, as virtual interfaces leave it. */
#define UC_PACKET_CHECKSUM_PARTIAL 0x1u
/* Inline mode: a rule dropped it. */
#define UC_PACKET_DROPPED 0x2u

/*
 * A packet as it passed a guest's tap; captured_bytes of it follow, from the link layer on.
 *
 *  0              8    12        16            20            24    26    28    32
 * +--------------+----+---------+-------------+-------------+-----+-----+-----+---- - - ----+
 * | realtime_ns  |slot|interface|original size|captured size|link |dir. |flags| packet      |
 * +--------------+----+---------+-------------+-------------+-----+-----+-----+---- - - ----+
 */
struct uc_packet {
	uint64_t realtime_ns;
	/* The server's number of one interface of one guest, from REDIRECT_START. */
	uint32_t slot;
	uint32_t interface_index;
	uint32_t original_bytes;
	uint32_t captured_bytes;
	/* LINKTYPE_ value as in capture files: 1 is Ethernet. */
	uint16_t link_type;
	uint16_t direction;
	uint32_t flags;
};

#define UC_REDIRECT_MIRROR 1u
#define UC_REDIRECT_INLINE 2u
#define UC_REDIRECT_REPLAY 3u

#define UC_REDIRECT_RUNNING 1u
#define UC_REDIRECT_STOPPED 2u
/* The interface went away; the slot is free. */
#define UC_REDIRECT_GONE 3u

/*
 * Cumulative since the slot was started: seen = kept + lost_kernel + lost_ring, and shortened ones
 * are among the kept. Dropped and forwarded are inline mode's. Told about once a second while
 * anything changes, and at every change of state.
 */
struct uc_redirect_status {
	uint32_t slot;
	uint32_t state;
	uint32_t mode;
	/* Positive errno that led to the state, 0 when none. */
	uint32_t detail;
	uint64_t seen;
	uint64_t kept;
	uint64_t shortened;
	/* Before the redirector could read them. */
	uint64_t lost_kernel;
	/* For want of space in the packet ring. */
	uint64_t lost_ring;
	uint64_t dropped;
	uint64_t forwarded;
	uint64_t seen_bytes;
	uint64_t kept_bytes;
};

#define UC_BLOCK_DROP 1u
/* Exempt from the drops of the same slot, isolation among them. */
#define UC_BLOCK_ALLOW 2u
/* Everything on the slot but what ALLOW rules name, and the address resolution these need. */
#define UC_BLOCK_ISOLATE 3u

/*
 * A rule at the tap of one slot, for packets in both directions. Remote is the guest's peer, local
 * the guest. Zero stands for "any" in protocol, ports and prefix lengths; family 0 matches both
 * families and needs prefix lengths of 0.
 */
struct uc_block_rule {
	uint64_t id;
	/* Redirector's boot-time clock after which the rule no longer holds, 0 = until removed. */
	uint64_t expires_ns;
	uint32_t slot;
	uint16_t action;
	uint16_t family;
	uint8_t remote_address[16];
	uint8_t local_address[16];
	uint8_t remote_prefix;
	uint8_t local_prefix;
	uint16_t protocol;
	uint16_t remote_port;
	uint16_t local_port;
};

/* ---- Commands --------------------------------------------------------------------------- */

#define UC_COMMAND_PING 1u
#define UC_COMMAND_START_MONITORING 2u
#define UC_COMMAND_STOP_MONITORING 3u
#define UC_COMMAND_KILL_PROCESS 4u
#define UC_COMMAND_RULES_BEGIN 5u
#define UC_COMMAND_RULES_ADD 6u
#define UC_COMMAND_RULES_COMMIT 7u
#define UC_COMMAND_UNREGISTER_ACK 8u
#define UC_COMMAND_QUIESCE 9u
/* 16.. are for redirectors. */
#define UC_COMMAND_REDIRECT_START 16u
#define UC_COMMAND_REDIRECT_STOP 17u
/* One or more struct uc_block_rule: all come into force, or none. A known id is replaced. */
#define UC_COMMAND_BLOCK_ADD 18u
/* One or more rule ids, 8 bytes each. Result value: how many were there. */
#define UC_COMMAND_BLOCK_REMOVE 19u
/* Answered with a BLOCK_RULE record for each rule in force, then the result. */
#define UC_COMMAND_BLOCK_LIST 20u

/* Opens the payload of every COMMAND frame. deadline_ns: guest boot-time clock, 0 = none.
 *
 *  0          8             16     20     24
 * +----------+-------------+------+------+------ - - ------+
 * | id       | deadline_ns | kind | flags| body of the kind |
 * +----------+-------------+------+------+------ - - ------+
 */
struct uc_command {
	uint64_t id;
	uint64_t deadline_ns;
	uint32_t kind;
	uint32_t flags;
};

struct uc_command_start_monitoring {
	uint64_t sensors;
};

/* All three must fit the live process, or nothing is killed: a pid alone may have been reused. */
struct uc_command_kill_process {
	uint64_t process_start_ns;
	uint32_t pid;
	/* UC_EXEC_GENERATION_ANY: whatever it executes by now. */
	uint32_t exec_generation;
};

#define UC_EXEC_GENERATION_ANY 0xffffffffu

#define UC_REDIRECT_FAIL_OPEN 0x1u

/* Names of interfaces are NUL-padded. uplink: inline mode's other side, a tap that the redirector
 * makes and joins to the bridge of the guest's interface; empty in mirror mode. */
struct uc_command_redirect_start {
	uint32_t slot;
	uint32_t lane;
	uint32_t mode;
	/* Longest part of a packet to keep. */
	uint32_t snap_bytes;
	uint32_t flags;
	uint32_t reserved;
	uint8_t guest_id[16];
	uint8_t interface_name[16];
	uint8_t uplink_name[16];
};

struct uc_command_redirect_stop {
	uint32_t slot;
	uint32_t reserved;
};

/* A rule table is sent as BEGIN, ADD.., COMMIT and replaces the old one whole at COMMIT. */
struct uc_command_rules_begin {
	uint64_t generation;
	uint32_t rule_count;
	uint32_t reserved;
};

struct uc_command_rules_commit {
	uint64_t generation;
};

#define UC_MATCH_PATH 1u
#define UC_MATCH_PATH_PREFIX 2u
#define UC_MATCH_PATH_SUFFIX 3u
/* last component of the path */
#define UC_MATCH_NAME 4u
/* pattern is 32 bytes; holds for files whose hash the driver knows already */
#define UC_MATCH_SHA256 5u

#define UC_RULES_MAX 4096u
#define UC_RULE_PATTERN_BYTES_MAX 4096u
#define UC_UID_ANY 0xffffffffu

/* RULES_ADD carries one or more of these, each followed by its pattern padded to 8 bytes. */
struct uc_rule {
	uint64_t id;
	/* Guest boot-time clock after which the rule no longer holds, 0 = until replaced. */
	uint64_t expires_ns;
	uint32_t operations;
	uint32_t match;
	uint32_t verdict;
	uint32_t uid;
	uint32_t pattern_bytes;
	uint32_t reserved;
};

/* ---- Faults ----------------------------------------------------------------------------- */

/* What a drain returns, negated, when a region breaks the rules. All quarantine the region. */
#define UC_E_TAIL_RANGE 1u
#define UC_E_TAIL_ALIGN 2u
#define UC_E_LEN_LIMIT 3u
#define UC_E_LEN_AVAIL 4u
#define UC_E_CROSS_END 5u
#define UC_E_PAD_PLACE 6u
#define UC_E_TYPE_ZERO 7u
#define UC_E_FLAGS 8u
#define UC_E_CHECK 9u
#define UC_E_SEQ 10u
#define UC_E_SESSION 11u
#define UC_E_HEAD_RANGE 12u
#define UC_E_HELLO 13u
/* The mapping itself failed under us: the file behind it was cut. */
#define UC_E_MAPPING 14u

#endif /* UC_WIRE_H */
