// SPDX-License-Identifier: Apache-2.0
// Requests to the holder for JavaScript, because Node.js cannot receive descriptors. Called by
// lib/native/holder.ts.
#include "js.h"

#include "holder-client.h"

namespace undercroft {

namespace {

constexpr size_t kPathBytes = 256;
constexpr size_t kLineBytes = 256;

/** Arguments: path, line, Uint8Array for the answer, Int32Array for descriptors. */
napi_value HolderAsk(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  char path[kPathBytes];
  char line[kLineBytes];
  uc_holder_answer answer = {};
  void* fds = nullptr;
  if (!arguments.Text(0, path, sizeof(path)) || !arguments.Text(1, line, sizeof(line)) ||
      !arguments.Bytes(2, &answer.text, &answer.text_bytes) ||
      !arguments.Array(3, napi_int32_array, &fds, &answer.fds_max))
    return nullptr;
  answer.fds = static_cast<int32_t*>(fds);
  return Number(env, static_cast<double>(uc_holder_ask(path, line, &answer)));
}

}  // namespace

bool DefineHolder(napi_env env, napi_value exports) {
  return Define(env, exports, "holderAsk", HolderAsk);
}

}  // namespace undercroft
