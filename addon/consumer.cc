// SPDX-License-Identifier: Apache-2.0
// The reading end of a ring for JavaScript: drain.c over typed arrays that lib/native made.
// The arrays are kept alive here, so that their memory outlives every drain.
#include <new>

#include "drain.h"
#include "js.h"

namespace undercroft {

namespace {

constexpr size_t kArrays = 3;

struct ConsumerHandle {
  static constexpr uint64_t kTag = 0x7563636f6e73756dULL;
  const uint64_t tag = kTag;
  uc_mapping* mapping = nullptr;
  uc_consumer consumer = {};
  napi_ref arrays[kArrays] = {};
};

void CloseConsumer(napi_env env, ConsumerHandle* handle) {
  if (handle->mapping == nullptr) return;
  uc_mapping_release(handle->mapping);
  handle->mapping = nullptr;
  for (napi_ref array : handle->arrays) napi_delete_reference(env, array);
}

void FinalizeConsumer(napi_env env, void* data, void*) {
  auto* handle = static_cast<ConsumerHandle*>(data);
  CloseConsumer(env, handle);
  delete handle;
}

bool ReadConfig(const Arguments& arguments, uc_mapping* mapping, uc_consumer_config* config) {
  uint8_t* batch = nullptr;
  void* records = nullptr;
  void* stats = nullptr;
  size_t batch_bytes = 0;
  size_t record_words = 0;
  size_t stat_count = 0;
  if (!arguments.Whole(1, &config->placement.ring_offset) ||
      !arguments.Whole(2, &config->placement.producer_offset) ||
      !arguments.Whole(3, &config->placement.consumer_offset) ||
      !arguments.U32(4, &config->placement.capacity_log2) ||
      !arguments.U32(5, &config->record_bytes_max) ||
      !arguments.Bytes(6, &batch, &batch_bytes) ||
      !arguments.Array(7, napi_uint32_array, &records, &record_words) ||
      !arguments.Array(8, napi_biguint64_array, &stats, &stat_count))
    return false;
  config->region = mapping->base;
  config->region_bytes = mapping->bytes;
  config->region_failed = &mapping->failed;
  config->batch = batch;
  config->batch_bytes = batch_bytes <= UINT32_MAX ? static_cast<uint32_t>(batch_bytes) : 0;
  config->records = static_cast<uint32_t*>(records);
  config->records_max = static_cast<uint32_t>(record_words / UC_RECORD_STRIDE);
  config->stats = stat_count == UC_CONSUMER_STATS ? static_cast<uint64_t*>(stats) : nullptr;
  return true;
}

/** A handle, or undefined when the ring does not fit its region, batch or records. */
napi_value ConsumerOpen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uc_consumer_config config = {};
  if (!arguments.Region(0, &mapping) || !ReadConfig(arguments, mapping, &config)) return nullptr;
  auto* handle = new (std::nothrow) ConsumerHandle();
  if (handle == nullptr || config.stats == nullptr ||
      uc_consumer_init(&handle->consumer, &config) != 0) {
    delete handle;
    return nullptr;
  }
  for (size_t i = 0; i < kArrays; i++)
    napi_create_reference(env, arguments[6 + i], 1, &handle->arrays[i]);
  uc_mapping_hold(mapping);
  handle->mapping = mapping;
  napi_value external = nullptr;
  if (napi_create_external(env, handle, FinalizeConsumer, nullptr, &external) != napi_ok)
    FinalizeConsumer(env, handle, nullptr);
  return external;
}

bool OpenConsumer(napi_env env, const Arguments& arguments, ConsumerHandle** handle) {
  if (!arguments.Handle(0, handle)) return false;
  if ((*handle)->mapping != nullptr) return true;
  Throw(env, "ERR_UC_REGION_CLOSED", "the ring is closed");
  return false;
}

napi_value ConsumerStart(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  ConsumerHandle* handle = nullptr;
  uint32_t session_id = 0;
  uint32_t previous_session_id = 0;
  uint64_t features = 0;
  uint64_t head = 0;
  if (OpenConsumer(env, arguments, &handle) && arguments.U32(1, &session_id) &&
      arguments.U32(2, &previous_session_id) && arguments.U64(3, &features) &&
      arguments.U64(4, &head))
    uc_consumer_start_session(&handle->consumer, session_id, previous_session_id, features, head);
  return nullptr;
}

napi_value ConsumerDrain(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  ConsumerHandle* handle = nullptr;
  if (!OpenConsumer(env, arguments, &handle)) return nullptr;
  napi_value result = nullptr;
  napi_create_int32(env, uc_consumer_drain(&handle->consumer), &result);
  return result;
}

napi_value ConsumerEvidence(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  ConsumerHandle* handle = nullptr;
  if (!OpenConsumer(env, arguments, &handle)) return nullptr;
  napi_value copy = nullptr;
  napi_create_buffer_copy(env, handle->consumer.evidence_bytes, handle->consumer.evidence, nullptr,
                          &copy);
  return copy;
}

napi_value ConsumerClose(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  ConsumerHandle* handle = nullptr;
  if (arguments.Handle(0, &handle)) CloseConsumer(env, handle);
  return nullptr;
}

}  // namespace

bool DefineConsumer(napi_env env, napi_value exports) {
  return Define(env, exports, "consumerOpen", ConsumerOpen) &&
         Define(env, exports, "consumerStart", ConsumerStart) &&
         Define(env, exports, "consumerDrain", ConsumerDrain) &&
         Define(env, exports, "consumerEvidence", ConsumerEvidence) &&
         Define(env, exports, "consumerClose", ConsumerClose);
}

}  // namespace undercroft
