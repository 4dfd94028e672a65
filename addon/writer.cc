// SPDX-License-Identifier: Apache-2.0
// The writing end of a ring for JavaScript: producer.c over a stats array that lib/native made.
#include <new>

#include "js.h"
#include "producer.h"

namespace undercroft {

namespace {

struct WriterHandle {
  static constexpr uint64_t kTag = 0x7563777269746572ULL;
  const uint64_t tag = kTag;
  uc_mapping* mapping = nullptr;
  uc_producer producer = {};
  napi_ref stats = nullptr;
};

void CloseWriter(napi_env env, WriterHandle* handle) {
  if (handle->mapping == nullptr) return;
  uc_mapping_release(handle->mapping);
  handle->mapping = nullptr;
  napi_delete_reference(env, handle->stats);
}

void FinalizeWriter(napi_env env, void* data, void*) {
  auto* handle = static_cast<WriterHandle*>(data);
  CloseWriter(env, handle);
  delete handle;
}

/** A handle, or undefined when the ring does not fit its region. */
napi_value ProducerOpen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uc_producer_config config = {};
  void* stats = nullptr;
  size_t stat_count = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &config.placement.ring_offset) ||
      !arguments.Whole(2, &config.placement.producer_offset) ||
      !arguments.Whole(3, &config.placement.consumer_offset) ||
      !arguments.U32(4, &config.placement.capacity_log2) ||
      !arguments.U32(5, &config.record_bytes_max) ||
      !arguments.Array(6, napi_biguint64_array, &stats, &stat_count))
    return nullptr;
  config.region = mapping->base;
  config.region_bytes = mapping->bytes;
  config.region_failed = &mapping->failed;
  config.stats = static_cast<uint64_t*>(stats);
  auto* handle = new (std::nothrow) WriterHandle();
  if (handle == nullptr || stat_count != UC_PRODUCER_STATS ||
      uc_producer_init(&handle->producer, &config) != 0) {
    delete handle;
    return nullptr;
  }
  napi_create_reference(env, arguments[6], 1, &handle->stats);
  uc_mapping_hold(mapping);
  handle->mapping = mapping;
  napi_value external = nullptr;
  if (napi_create_external(env, handle, FinalizeWriter, nullptr, &external) != napi_ok)
    FinalizeWriter(env, handle, nullptr);
  return external;
}

bool OpenWriter(napi_env env, const Arguments& arguments, WriterHandle** handle) {
  if (!arguments.Handle(0, handle)) return false;
  if ((*handle)->mapping != nullptr) return true;
  Throw(env, "ERR_UC_REGION_CLOSED", "the ring is closed");
  return false;
}

napi_value ProducerStart(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  WriterHandle* handle = nullptr;
  uint32_t session_id = 0;
  uint64_t features = 0;
  if (OpenWriter(env, arguments, &handle) && arguments.U32(1, &session_id) &&
      arguments.U64(2, &features))
    uc_producer_start_session(&handle->producer, session_id, features);
  return nullptr;
}

napi_value ProducerWrite(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  WriterHandle* handle = nullptr;
  uint32_t type = 0;
  uint32_t flags = 0;
  uint8_t* payload = nullptr;
  size_t length = 0;
  if (!OpenWriter(env, arguments, &handle) || !arguments.U32(1, &type) ||
      !arguments.U32(2, &flags) || !arguments.Bytes(3, &payload, &length))
    return nullptr;
  const uint32_t bytes = length <= UINT32_MAX ? static_cast<uint32_t>(length) : UINT32_MAX;
  napi_value result = nullptr;
  napi_create_int32(env,
                    uc_producer_write(&handle->producer, static_cast<uint16_t>(type),
                                      static_cast<uint16_t>(flags), payload, bytes),
                    &result);
  return result;
}

napi_value ProducerPublish(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  WriterHandle* handle = nullptr;
  if (OpenWriter(env, arguments, &handle)) uc_producer_publish(&handle->producer);
  return nullptr;
}

napi_value ProducerClose(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  WriterHandle* handle = nullptr;
  if (arguments.Handle(0, &handle)) CloseWriter(env, handle);
  return nullptr;
}

}  // namespace

bool DefineWriter(napi_env env, napi_value exports) {
  return Define(env, exports, "producerOpen", ProducerOpen) &&
         Define(env, exports, "producerStart", ProducerStart) &&
         Define(env, exports, "producerWrite", ProducerWrite) &&
         Define(env, exports, "producerPublish", ProducerPublish) &&
         Define(env, exports, "producerClose", ProducerClose);
}

}  // namespace undercroft
