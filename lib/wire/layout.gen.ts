// SPDX-License-Identifier: Apache-2.0
// Generated from guest-drivers/wire/uc_wire.h by scripts/wire-gen.ts. Do not edit.

export const WIRE_HASH = 0x8b4e68ad as const;
export const WIRE_MAJOR = 1 as const;
export const PROTOCOL_MIN = 1 as const;
export const PROTOCOL_MAX = 1 as const;
export const SCHEMA_VERSION = 1 as const;
export const MAGIC = 0x4e4f494745524355n as const;
export const PAGE_BYTES = 4096 as const;
export const REGION_BYTES_MIN = 1048576 as const;
export const REGION_BYTES_MAX = 1073741824 as const;
export const REGION_BYTES_DEFAULT = 33554432 as const;
export const SUPERBLOCK_OFFSET = 0 as const;
export const DIRECTORY_OFFSET = 256 as const;
export const HELLO_OFFSET = 4096 as const;
export const SESSION_OFFSET = 8192 as const;
export const STATUS_OFFSET = 12288 as const;
export const RING_PAGES_OFFSET = 16384 as const;
export const DIRECTORY_MAX = 64 as const;
export const RING_COMMAND = 1 as const;
export const RING_PRIORITY = 2 as const;
export const RING_DATA = 3 as const;
export const RING_PACKET = 4 as const;
export const FEATURE_CRC32C = 1n as const;
export const FEATURE_DOORBELL = 2n as const;
export const FEATURES_KNOWN = 3n as const;
export const DOORBELL_POSITION = 8 as const;
export const DOORBELL_REGISTER = 12 as const;
export const DOORBELL_PEER_SERVER = 0 as const;
export const DOORBELL_PEER_GUEST = 1 as const;
export const DOORBELL_VECTOR_DATA = 0 as const;
export const DOORBELL_VECTOR_COMMAND = 1 as const;
export const DOORBELL_VECTORS = 2 as const;
export const MAP_UNKNOWN = 0 as const;
export const MAP_WRITE_BACK = 1 as const;
export const MAP_WRITE_COMBINING = 2 as const;
export const MAP_UNCACHED = 3 as const;
export const OS_LINUX = 1 as const;
export const OS_WINDOWS = 2 as const;
export const OS_SIMULATED = 3 as const;
export const OS_REDIRECTOR = 4 as const;
export const SENSOR_PROCESS = 1n as const;
export const SENSOR_FILE = 2n as const;
export const SENSOR_REGISTRY = 4n as const;
export const SENSOR_SOCKET = 8n as const;
export const SENSOR_MODULE = 0x10n as const;
export const SENSOR_IMAGE = 0x20n as const;
export const SENSOR_HASH = 0x40n as const;
export const SENSOR_FILE_CLOSE = 0x80n as const;
export const SENSOR_REGISTRY_READ = 0x100n as const;
export const SENSOR_REMOTE_THREAD = 0x200n as const;
export const SENSORS_ALL = 0x3ffn as const;
export const SENSORS_DEFAULT = 0x27fn as const;
export const ACTION_KILL = 0x100000000n as const;
export const ACTION_DENY_OPEN = 0x200000000n as const;
export const ACTION_DENY_EXEC = 0x400000000n as const;
export const ACTION_MIRROR = 0x800000000n as const;
export const ACTION_INLINE = 0x1000000000n as const;
export const ACTION_BLOCK = 0x2000000000n as const;
export const SESSION_NONE = 0 as const;
export const SESSION_OFFER = 1 as const;
export const SESSION_READY = 2 as const;
export const SESSION_QUARANTINED = 3 as const;
export const SESSION_QUIESCE = 4 as const;
export const SESSION_CLOSED = 5 as const;
export const CLASS_PROCESS = 1 as const;
export const CLASS_FILE = 2 as const;
export const CLASS_REGISTRY = 3 as const;
export const CLASS_SOCKET = 4 as const;
export const CLASS_VERDICT = 5 as const;
export const CLASS_CONTROL = 6 as const;
export const CLASS_MODULE = 7 as const;
export const CLASS_PACKET = 8 as const;
export const CLASS_COUNT = 9 as const;
export const LOSS_FULL = 0 as const;
export const LOSS_TOO_BIG = 1 as const;
export const LOSS_RATE_LIMITED = 2 as const;
export const LOSS_ENCODE_ERROR = 3 as const;
export const LOSS_NOT_READY = 4 as const;
export const LOSS_REENTRY = 5 as const;
export const LOSS_SHUTDOWN = 6 as const;
export const LOSS_COUNT = 8 as const;
export const FRAME_BYTES = 16 as const;
export const FRAME_ALIGN = 16 as const;
export const RECORD_BYTES_MAX = 65536 as const;
export const RING_CAPACITY_LOG2_MIN = 12 as const;
export const RING_CAPACITY_LOG2_MAX = 30 as const;
export const CHECK_MULTIPLIER = 2654435761 as const;
export const FRAME_TRUNCATED = 1 as const;
export const FRAME_FLAGS_KNOWN = 1 as const;
export const RECORD_INVALID = 0 as const;
export const RECORD_PROCESS_FORK = 257 as const;
export const RECORD_PROCESS_EXEC = 258 as const;
export const RECORD_PROCESS_EXIT = 259 as const;
export const RECORD_PROCESS_EXISTING = 260 as const;
export const RECORD_PROCESS_HASH = 261 as const;
export const RECORD_IMAGE_LOAD = 262 as const;
export const RECORD_REMOTE_THREAD = 263 as const;
export const RECORD_FILE_CREATE = 513 as const;
export const RECORD_FILE_OPEN = 514 as const;
export const RECORD_FILE_CLOSE = 515 as const;
export const RECORD_FILE_WRITE = 516 as const;
export const RECORD_FILE_ATTRIBUTES = 517 as const;
export const RECORD_FILE_RENAME = 518 as const;
export const RECORD_FILE_DELETE = 519 as const;
export const RECORD_KEY_CREATE = 769 as const;
export const RECORD_KEY_OPEN = 770 as const;
export const RECORD_KEY_CLOSE = 771 as const;
export const RECORD_KEY_READ = 772 as const;
export const RECORD_KEY_RENAME = 773 as const;
export const RECORD_KEY_DELETE = 774 as const;
export const RECORD_VALUE_SET = 775 as const;
export const RECORD_VALUE_DELETE = 776 as const;
export const RECORD_SOCKET_CONNECT = 1025 as const;
export const RECORD_SOCKET_ACCEPT = 1026 as const;
export const RECORD_SOCKET_BIND = 1027 as const;
export const RECORD_SOCKET_LISTEN = 1028 as const;
export const RECORD_SOCKET_SEND = 1029 as const;
export const RECORD_SOCKET_RAW = 1030 as const;
export const RECORD_DNS_QUERY = 1031 as const;
export const RECORD_VERDICT = 1281 as const;
export const RECORD_COMMAND_RESULT = 1537 as const;
export const RECORD_UNREGISTER = 1538 as const;
export const RECORD_CLOCK = 1539 as const;
export const RECORD_VOLUME = 1540 as const;
export const RECORD_MODULE_LOAD = 1793 as const;
export const RECORD_MODULE_UNLOAD = 1794 as const;
export const RECORD_PACKET = 2049 as const;
export const RECORD_REDIRECT_STATUS = 2050 as const;
export const RECORD_BLOCK_RULE = 2051 as const;
export const RECORD_COMMAND = 3841 as const;
export const RECORD_LOST = 65534 as const;
export const RECORD_PAD = 65535 as const;
export const FIELD_FLAG_TRUNCATED = 1 as const;
export const FIELD_ALIGN = 8 as const;
export const FIELD_PATH = 1 as const;
export const FIELD_OLD_PATH = 2 as const;
export const FIELD_REQUESTED_PATH = 3 as const;
export const FIELD_ARGUMENTS = 4 as const;
export const FIELD_WORKING_DIRECTORY = 5 as const;
export const FIELD_CGROUP = 6 as const;
export const FIELD_COMMAND_NAME = 7 as const;
export const FIELD_NAME = 8 as const;
export const FIELD_KEY = 9 as const;
export const FIELD_DATA = 10 as const;
export const FIELD_USER = 11 as const;
export const EXEC_UNCOVERED = 1 as const;
export const HASH_OK = 1 as const;
export const HASH_TOO_BIG = 2 as const;
export const HASH_READ_ERROR = 3 as const;
export const HASH_QUEUE_FULL = 4 as const;
export const FILE_WRITTEN = 1 as const;
export const FILE_DIRECTORY = 2 as const;
export const FILE_EXECUTE = 4 as const;
export const ADDRESS_IPV4 = 4 as const;
export const ADDRESS_IPV6 = 6 as const;
export const OPERATION_OPEN = 1 as const;
export const OPERATION_EXEC = 2 as const;
export const OPERATIONS_KNOWN = 3 as const;
export const VERDICT_ALLOW = 1 as const;
export const VERDICT_DENY = 2 as const;
export const VERDICT_KILL = 3 as const;
export const RESULT_DONE = 1 as const;
export const RESULT_NOT_FOUND = 2 as const;
export const RESULT_REFUSED = 3 as const;
export const RESULT_EXPIRED = 4 as const;
export const RESULT_MALFORMED = 5 as const;
export const RESULT_UNSUPPORTED = 6 as const;
export const RESULT_FAILED = 7 as const;
export const UNREGISTER_UNLOAD = 1 as const;
export const UNREGISTER_SHUTDOWN = 2 as const;
export const VOLUME_MOUNTED = 1 as const;
export const VOLUME_GONE = 2 as const;
export const PACKET_FROM_GUEST = 1 as const;
export const PACKET_TO_GUEST = 2 as const;
export const PACKET_CHECKSUM_PARTIAL = 1 as const;
export const PACKET_DROPPED = 2 as const;
export const REDIRECT_MIRROR = 1 as const;
export const REDIRECT_INLINE = 2 as const;
export const REDIRECT_REPLAY = 3 as const;
export const REDIRECT_RUNNING = 1 as const;
export const REDIRECT_STOPPED = 2 as const;
export const REDIRECT_GONE = 3 as const;
export const BLOCK_DROP = 1 as const;
export const BLOCK_ALLOW = 2 as const;
export const BLOCK_ISOLATE = 3 as const;
export const COMMAND_PING = 1 as const;
export const COMMAND_START_MONITORING = 2 as const;
export const COMMAND_STOP_MONITORING = 3 as const;
export const COMMAND_KILL_PROCESS = 4 as const;
export const COMMAND_RULES_BEGIN = 5 as const;
export const COMMAND_RULES_ADD = 6 as const;
export const COMMAND_RULES_COMMIT = 7 as const;
export const COMMAND_UNREGISTER_ACK = 8 as const;
export const COMMAND_QUIESCE = 9 as const;
export const COMMAND_REDIRECT_START = 16 as const;
export const COMMAND_REDIRECT_STOP = 17 as const;
export const COMMAND_BLOCK_ADD = 18 as const;
export const COMMAND_BLOCK_REMOVE = 19 as const;
export const COMMAND_BLOCK_LIST = 20 as const;
export const EXEC_GENERATION_ANY = 4294967295 as const;
export const REDIRECT_FAIL_OPEN = 1 as const;
export const MATCH_PATH = 1 as const;
export const MATCH_PATH_PREFIX = 2 as const;
export const MATCH_PATH_SUFFIX = 3 as const;
export const MATCH_NAME = 4 as const;
export const MATCH_SHA256 = 5 as const;
export const RULES_MAX = 4096 as const;
export const RULE_PATTERN_BYTES_MAX = 4096 as const;
export const UID_ANY = 4294967295 as const;
export const E_TAIL_RANGE = 1 as const;
export const E_TAIL_ALIGN = 2 as const;
export const E_LEN_LIMIT = 3 as const;
export const E_LEN_AVAIL = 4 as const;
export const E_CROSS_END = 5 as const;
export const E_PAD_PLACE = 6 as const;
export const E_TYPE_ZERO = 7 as const;
export const E_FLAGS = 8 as const;
export const E_CHECK = 9 as const;
export const E_SEQ = 10 as const;
export const E_SESSION = 11 as const;
export const E_HEAD_RANGE = 12 as const;
export const E_HELLO = 13 as const;
export const E_MAPPING = 14 as const;

/** Offsets of `struct uc_superblock`, in bytes. */
export const SUPERBLOCK_LAYOUT = {
  size: 96,
  magic: 0,
  layoutVersion: 8,
  protocolMin: 12,
  protocolMax: 16,
  headerCrc32c: 20,
  regionBytes: 24,
  serverInstance: 32,
  serverEpoch: 48,
  featuresOffered: 56,
  featuresRequired: 64,
  wireHash: 72,
  recordBytesMax: 76,
  directoryCount: 80,
  reserved: 84,
} as const;

/** Offsets of `struct uc_directory_entry`, in bytes. */
export const DIRECTORY_ENTRY_LAYOUT = {
  size: 48,
  kind: 0,
  flags: 4,
  lane: 8,
  capacityLog2: 12,
  producerOffset: 16,
  consumerOffset: 24,
  ringOffset: 32,
  reserved: 40,
} as const;

/** Offsets of `struct uc_hello`, in bytes. */
export const HELLO_LAYOUT = {
  size: 296,
  helloSeq: 0,
  protocol: 8,
  wireHash: 12,
  featuresAccepted: 16,
  capabilities: 24,
  bootId: 32,
  attachNs: 48,
  serverEpoch: 56,
  mapKind: 64,
  cpuCount: 68,
  os: 72,
  reserved: 76,
  clockBoottimeNs: 80,
  clockRealtimeNs: 88,
  sequence: 96,
  driverVersion: 104,
  osVersion: 168,
} as const;

/** Offsets of `struct uc_session`, in bytes. */
export const SESSION_LAYOUT = {
  size: 88,
  state: 0,
  sessionId: 4,
  helloSeq: 8,
  bootId: 16,
  features: 32,
  guestId: 40,
  serverEpoch: 56,
  heartbeat: 64,
  reason: 72,
  reserved: 76,
  serverRealtimeNs: 80,
} as const;

/** Offsets of `struct uc_status`, in bytes. */
export const STATUS_LAYOUT = {
  size: 680,
  heartbeat: 0,
  boottimeNs: 8,
  sequence: 16,
  sensors: 24,
  rulesGeneration: 32,
  verdictsAllowed: 40,
  verdictsDenied: 48,
  fieldsTruncated: 56,
  commandsDone: 64,
  commandsFailed: 72,
  hashesDone: 80,
  hashesSkipped: 88,
  reserved: 96,
  lost: 104,
} as const;

/** Offsets of `struct uc_ring_producer`, in bytes. */
export const RING_PRODUCER_LAYOUT = {
  size: 144,
  tail: 0,
  reserved: 8,
  attempted: 128,
  dropped: 136,
} as const;

/** Offsets of `struct uc_ring_consumer`, in bytes. */
export const RING_CONSUMER_LAYOUT = {
  size: 136,
  head: 0,
  reserved: 8,
  wakeAt: 128,
} as const;

/** Offsets of `struct uc_frame`, in bytes. */
export const FRAME_LAYOUT = {
  size: 16,
  length: 0,
  type: 4,
  flags: 6,
  sequence: 8,
  check: 12,
} as const;

/** Offsets of `struct uc_event_header`, in bytes. */
export const EVENT_HEADER_LAYOUT = {
  size: 64,
  sequence: 0,
  boottimeNs: 8,
  processStartNs: 16,
  cgroupId: 24,
  pid: 32,
  tid: 36,
  parentPid: 40,
  uid: 44,
  gid: 48,
  execGeneration: 52,
  mountNamespace: 56,
  cpu: 60,
} as const;

/** Offsets of `struct uc_field`, in bytes. */
export const FIELD_LAYOUT = {
  size: 8,
  type: 0,
  flags: 2,
  length: 4,
} as const;

/** Offsets of `struct uc_process_fork`, in bytes. */
export const PROCESS_FORK_LAYOUT = {
  size: 16,
  childStartNs: 0,
  childPid: 8,
  childExecGeneration: 12,
} as const;

/** Offsets of `struct uc_process_exec`, in bytes. */
export const PROCESS_EXEC_LAYOUT = {
  size: 48,
  inode: 0,
  device: 8,
  parentStartNs: 16,
  parentExecGeneration: 24,
  mode: 28,
  argumentCount: 32,
  argumentBytes: 36,
  effectiveUid: 40,
  flags: 44,
} as const;

/** Offsets of `struct uc_process_exit`, in bytes. */
export const PROCESS_EXIT_LAYOUT = {
  size: 8,
  exitCode: 0,
  signal: 4,
} as const;

/** Offsets of `struct uc_process_hash`, in bytes. */
export const PROCESS_HASH_LAYOUT = {
  size: 72,
  execSequence: 0,
  inode: 8,
  device: 16,
  sizeBytes: 24,
  result: 32,
  reserved: 36,
  sha256: 40,
} as const;

/** Offsets of `struct uc_image_load`, in bytes. */
export const IMAGE_LOAD_LAYOUT = {
  size: 32,
  inode: 0,
  device: 8,
  address: 16,
  sizeBytes: 24,
} as const;

/** Offsets of `struct uc_remote_thread`, in bytes. */
export const REMOTE_THREAD_LAYOUT = {
  size: 24,
  targetStartNs: 0,
  startAddress: 8,
  targetPid: 16,
  targetTid: 20,
} as const;

/** Offsets of `struct uc_file_event`, in bytes. */
export const FILE_EVENT_LAYOUT = {
  size: 32,
  inode: 0,
  device: 8,
  sizeBytes: 16,
  mode: 24,
  flags: 28,
} as const;

/** Offsets of `struct uc_registry_event`, in bytes. */
export const REGISTRY_EVENT_LAYOUT = {
  size: 16,
  valueType: 0,
  dataBytes: 4,
  status: 8,
  reserved: 12,
} as const;

/** Offsets of `struct uc_socket_event`, in bytes. */
export const SOCKET_EVENT_LAYOUT = {
  size: 64,
  socketCookie: 0,
  localAddress: 8,
  remoteAddress: 24,
  localPort: 40,
  remotePort: 42,
  family: 44,
  protocol: 46,
  networkNamespace: 48,
  result: 52,
  queryType: 56,
  transactionId: 58,
  reserved: 60,
} as const;

/** Offsets of `struct uc_verdict`, in bytes. */
export const VERDICT_LAYOUT = {
  size: 32,
  ruleId: 0,
  inode: 8,
  device: 16,
  operation: 24,
  verdict: 28,
} as const;

/** Offsets of `struct uc_module_event`, in bytes. */
export const MODULE_EVENT_LAYOUT = {
  size: 16,
  sizeBytes: 0,
  taints: 8,
  reserved: 12,
} as const;

/** Offsets of `struct uc_lost`, in bytes. */
export const LOST_LAYOUT = {
  size: 32,
  reason: 0,
  recordClass: 4,
  count: 8,
  firstSequence: 16,
  lastSequence: 24,
} as const;

/** Offsets of `struct uc_command_result`, in bytes. */
export const COMMAND_RESULT_LAYOUT = {
  size: 32,
  commandId: 0,
  kind: 8,
  result: 12,
  detail: 16,
  reserved: 20,
  value: 24,
} as const;

/** Offsets of `struct uc_unregister`, in bytes. */
export const UNREGISTER_LAYOUT = {
  size: 8,
  reason: 0,
  reserved: 4,
} as const;

/** Offsets of `struct uc_clock`, in bytes. */
export const CLOCK_LAYOUT = {
  size: 16,
  boottimeNs: 0,
  realtimeNs: 8,
} as const;

/** Offsets of `struct uc_volume`, in bytes. */
export const VOLUME_LAYOUT = {
  size: 8,
  state: 0,
  reserved: 4,
} as const;

/** Offsets of `struct uc_packet`, in bytes. */
export const PACKET_LAYOUT = {
  size: 32,
  realtimeNs: 0,
  slot: 8,
  interfaceIndex: 12,
  originalBytes: 16,
  capturedBytes: 20,
  linkType: 24,
  direction: 26,
  flags: 28,
} as const;

/** Offsets of `struct uc_redirect_status`, in bytes. */
export const REDIRECT_STATUS_LAYOUT = {
  size: 88,
  slot: 0,
  state: 4,
  mode: 8,
  detail: 12,
  seen: 16,
  kept: 24,
  shortened: 32,
  lostKernel: 40,
  lostRing: 48,
  dropped: 56,
  forwarded: 64,
  seenBytes: 72,
  keptBytes: 80,
} as const;

/** Offsets of `struct uc_block_rule`, in bytes. */
export const BLOCK_RULE_LAYOUT = {
  size: 64,
  id: 0,
  expiresNs: 8,
  slot: 16,
  action: 20,
  family: 22,
  remoteAddress: 24,
  localAddress: 40,
  remotePrefix: 56,
  localPrefix: 57,
  protocol: 58,
  remotePort: 60,
  localPort: 62,
} as const;

/** Offsets of `struct uc_command`, in bytes. */
export const COMMAND_LAYOUT = {
  size: 24,
  id: 0,
  deadlineNs: 8,
  kind: 16,
  flags: 20,
} as const;

/** Offsets of `struct uc_command_start_monitoring`, in bytes. */
export const COMMAND_START_MONITORING_LAYOUT = {
  size: 8,
  sensors: 0,
} as const;

/** Offsets of `struct uc_command_kill_process`, in bytes. */
export const COMMAND_KILL_PROCESS_LAYOUT = {
  size: 16,
  processStartNs: 0,
  pid: 8,
  execGeneration: 12,
} as const;

/** Offsets of `struct uc_command_redirect_start`, in bytes. */
export const COMMAND_REDIRECT_START_LAYOUT = {
  size: 72,
  slot: 0,
  lane: 4,
  mode: 8,
  snapBytes: 12,
  flags: 16,
  reserved: 20,
  guestId: 24,
  interfaceName: 40,
  uplinkName: 56,
} as const;

/** Offsets of `struct uc_command_redirect_stop`, in bytes. */
export const COMMAND_REDIRECT_STOP_LAYOUT = {
  size: 8,
  slot: 0,
  reserved: 4,
} as const;

/** Offsets of `struct uc_command_rules_begin`, in bytes. */
export const COMMAND_RULES_BEGIN_LAYOUT = {
  size: 16,
  generation: 0,
  ruleCount: 8,
  reserved: 12,
} as const;

/** Offsets of `struct uc_command_rules_commit`, in bytes. */
export const COMMAND_RULES_COMMIT_LAYOUT = {
  size: 8,
  generation: 0,
} as const;

/** Offsets of `struct uc_rule`, in bytes. */
export const RULE_LAYOUT = {
  size: 40,
  id: 0,
  expiresNs: 8,
  operations: 16,
  match: 20,
  verdict: 24,
  uid: 28,
  patternBytes: 32,
  reserved: 36,
} as const;
