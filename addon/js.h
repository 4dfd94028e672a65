// SPDX-License-Identifier: Apache-2.0
// Small helpers over Node-API: read arguments, make values, define functions. Used by every .cc
// of the addon. lib/native checks arguments in words; here a wrong one throws, never crashes.
#ifndef UC_ADDON_JS_H
#define UC_ADDON_JS_H

#include <node_api.h>

#include <cstddef>
#include <cstdint>

#include "mapping.h"

namespace undercroft {

/** A region as JavaScript holds it: mapping is null once closed. */
struct RegionHandle {
  static constexpr uint64_t kTag = 0x7563726567696f6eULL;
  const uint64_t tag = kTag;
  uc_mapping* mapping = nullptr;
};

/** The arguments of one call. Each reader throws and returns false when its argument is wrong. */
class Arguments {
 public:
  static constexpr size_t kMax = 12;

  Arguments(napi_env env, napi_callback_info info);

  bool U32(size_t index, uint32_t* value) const;
  bool I32(size_t index, int32_t* value) const;
  /** A number that is a whole, not negative, exact integer. */
  bool Whole(size_t index, uint64_t* value) const;
  bool U64(size_t index, uint64_t* value) const;
  bool Text(size_t index, char* text, size_t bytes_max) const;
  bool Array(size_t index, napi_typedarray_type type, void** data, size_t* length) const;
  bool Bytes(size_t index, uint8_t** data, size_t* length) const;
  bool Function(size_t index, napi_value* value) const;
  /** A region that is still open. */
  bool Region(size_t index, uc_mapping** mapping) const;

  /** What an earlier call made; every handle begins with its own tag. */
  template <typename T>
  bool Handle(size_t index, T** handle) const {
    void* data = nullptr;
    if (napi_get_value_external(env_, values_[index], &data) != napi_ok || data == nullptr ||
        static_cast<T*>(data)->tag != T::kTag)
      return Refuse(index, "a handle of this addon");
    *handle = static_cast<T*>(data);
    return true;
  }

  napi_value operator[](size_t index) const { return values_[index]; }

 private:
  bool Refuse(size_t index, const char* wanted) const;

  napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax] = {};
};

napi_value Number(napi_env env, double value);
napi_value Boolean(napi_env env, bool value);
napi_value Throw(napi_env env, const char* code, const char* message);

/** Adds a function to the addon's exports. */
bool Define(napi_env env, napi_value exports, const char* name, napi_callback callback);

bool DefineRegion(napi_env env, napi_value exports);
bool DefineConsumer(napi_env env, napi_value exports);
bool DefineWriter(napi_env env, napi_value exports);
bool DefinePackets(napi_env env, napi_value exports);
bool DefineDoorbell(napi_env env, napi_value exports);
bool DefineHolder(napi_env env, napi_value exports);

}  // namespace undercroft

#endif  // UC_ADDON_JS_H
