// SPDX-License-Identifier: Apache-2.0
// The packet thread for JavaScript: checks arguments, hands them to packet-engine.c. No packet
// passes through here. Called by lib/native, on the thread that opened the engine.
#include <cerrno>
#include <ctime>
#include <new>

#include "js.h"
#include "packet-engine.h"

namespace undercroft {

namespace {

constexpr size_t kPlacementWords = 4;
constexpr size_t kCountWords = sizeof(uc_packet_counts) / sizeof(uint64_t);
// IFNAMSIZ of Linux, which includes its NUL.
constexpr size_t kNameBytes = 16;

struct PacketHandle {
  static constexpr uint64_t kTag = 0x75637061636b6574ULL;
  const uint64_t tag = kTag;
  uc_mapping* mapping = nullptr;
  uc_packet_engine* engine = nullptr;
};

void ClosePackets(PacketHandle* handle) {
  if (handle->engine == nullptr) return;
  uc_packet_engine_close(handle->engine);
  uc_mapping_release(handle->mapping);
  handle->engine = nullptr;
}

void FinalizePackets(napi_env, void* data, void*) {
  auto* handle = static_cast<PacketHandle*>(data);
  ClosePackets(handle);
  delete handle;
}

/** Placements as JavaScript lists them: ring, producer, consumer, capacity of each. */
bool ReadPlacements(const Arguments& arguments, size_t index, uc_placement* rings,
                    uint32_t* count) {
  void* data = nullptr;
  size_t words = 0;
  if (!arguments.Array(index, napi_biguint64_array, &data, &words)) return false;
  const auto* word = static_cast<const uint64_t*>(data);
  *count = 0;
  if (words % kPlacementWords != 0 || words / kPlacementWords > UC_PACKET_SLOTS_MAX) return true;
  for (; *count < words / kPlacementWords; word += kPlacementWords, ++*count) {
    const uint32_t capacity_log2 = word[3] <= UINT32_MAX ? static_cast<uint32_t>(word[3]) : 0;
    rings[*count] = {word[0], word[1], word[2], capacity_log2};
  }
  return true;
}

/** A handle; undefined when a ring does not fit the region; or -errno. */
napi_value PacketEngineOpen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uc_placement rings[UC_PACKET_SLOTS_MAX] = {};
  uc_packet_engine_config config = {};
  if (!arguments.Region(0, &mapping) || !ReadPlacements(arguments, 1, rings, &config.ring_count) ||
      !arguments.U32(2, &config.record_bytes_max))
    return nullptr;
  config.region = mapping->base;
  config.region_bytes = mapping->bytes;
  config.rings = rings;
  auto* handle = new (std::nothrow) PacketHandle();
  if (handle == nullptr) return Number(env, -ENOMEM);
  const int error = uc_packet_engine_open(&handle->engine, &config);
  if (error != 0) {
    delete handle;
    return error == -EINVAL ? nullptr : Number(env, error);
  }
  uc_mapping_hold(mapping);
  handle->mapping = mapping;
  napi_value external = nullptr;
  if (napi_create_external(env, handle, FinalizePackets, nullptr, &external) != napi_ok)
    FinalizePackets(env, handle, nullptr);
  return external;
}

bool OpenPackets(napi_env env, const Arguments& arguments, uc_packet_engine** engine) {
  PacketHandle* handle = nullptr;
  if (!arguments.Handle(0, &handle)) return false;
  *engine = handle->engine;
  if (*engine != nullptr) return true;
  Throw(env, "ERR_UC_REGION_CLOSED", "the packet engine is closed");
  return false;
}

napi_value PacketEngineFd(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  if (!OpenPackets(env, arguments, &engine)) return nullptr;
  return Number(env, uc_packet_engine_fd(engine));
}

napi_value PacketEngineClose(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  PacketHandle* handle = nullptr;
  if (arguments.Handle(0, &handle)) ClosePackets(handle);
  return nullptr;
}

napi_value PacketSessionStart(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  uint32_t session_id = 0;
  uint64_t features = 0;
  if (!OpenPackets(env, arguments, &engine) || !arguments.U32(1, &session_id) ||
      !arguments.U64(2, &features))
    return nullptr;
  return Number(env, uc_packet_session_start(engine, session_id, features));
}

napi_value PacketSessionEnd(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  if (OpenPackets(env, arguments, &engine)) uc_packet_session_end(engine);
  return nullptr;
}

/** The interface's index, or -errno. */
napi_value PacketAdd(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  char name[kNameBytes];
  char uplink[kNameBytes];
  uc_packet_source add = {};
  if (!OpenPackets(env, arguments, &engine) || !arguments.U32(1, &add.slot) ||
      !arguments.U32(2, &add.lane) || !arguments.U32(3, &add.mode) ||
      !arguments.Text(4, name, sizeof(name)) || !arguments.Text(5, uplink, sizeof(uplink)) ||
      !arguments.U32(6, &add.snap_bytes))
    return nullptr;
  add.name = name;
  add.uplink = uplink;
  return Number(env, uc_packet_add(engine, &add));
}

napi_value PacketRules(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  uint32_t slot = 0;
  uint8_t* rules = nullptr;
  size_t bytes = 0;
  if (!OpenPackets(env, arguments, &engine) || !arguments.U32(1, &slot) ||
      !arguments.Bytes(2, &rules, &bytes))
    return nullptr;
  return Number(env, uc_packet_rules(engine, slot, rules, bytes));
}

using AskCounts = int (*)(uc_packet_engine*, uint32_t, uc_packet_counts*);

/** Fills the words; false when there is no such slot. */
napi_value Counts(napi_env env, napi_callback_info info, AskCounts ask) {
  const Arguments arguments(env, info);
  uc_packet_engine* engine = nullptr;
  uint32_t slot = 0;
  void* words = nullptr;
  size_t count = 0;
  if (!OpenPackets(env, arguments, &engine) || !arguments.U32(1, &slot) ||
      !arguments.Array(2, napi_biguint64_array, &words, &count))
    return nullptr;
  if (count != kCountWords) return Throw(env, "ERR_UC_ARGUMENT", "counts have another length");
  return Boolean(env, ask(engine, slot, static_cast<uc_packet_counts*>(words)) == 0);
}

napi_value PacketRemove(napi_env env, napi_callback_info info) {
  return Counts(env, info, uc_packet_remove);
}

napi_value PacketStatus(napi_env env, napi_callback_info info) {
  return Counts(env, info, uc_packet_status);
}

/** The clock in which rules at the tap end; JavaScript has none that runs on in a suspend. */
napi_value BoottimeNs(napi_env env, napi_callback_info) {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  napi_value value = nullptr;
  napi_create_bigint_uint64(env, static_cast<uint64_t>(now.tv_sec) * 1000000000U +
                                     static_cast<uint64_t>(now.tv_nsec), &value);
  return value;
}

}  // namespace

bool DefinePackets(napi_env env, napi_value exports) {
  return Define(env, exports, "packetEngineOpen", PacketEngineOpen) &&
         Define(env, exports, "packetEngineFd", PacketEngineFd) &&
         Define(env, exports, "packetEngineClose", PacketEngineClose) &&
         Define(env, exports, "packetSessionStart", PacketSessionStart) &&
         Define(env, exports, "packetSessionEnd", PacketSessionEnd) &&
         Define(env, exports, "packetAdd", PacketAdd) &&
         Define(env, exports, "packetRules", PacketRules) &&
         Define(env, exports, "packetRemove", PacketRemove) &&
         Define(env, exports, "packetStatus", PacketStatus) &&
         Define(env, exports, "boottimeNs", BoottimeNs);
}

}  // namespace undercroft
