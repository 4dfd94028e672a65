// SPDX-License-Identifier: Apache-2.0
// Argument readers and value makers over Node-API. No state.
#include "js.h"

#include <cmath>
#include <cstdio>

namespace undercroft {

namespace {
constexpr double kExactMax = 9007199254740991.0;
}

Arguments::Arguments(napi_env env, napi_callback_info info) : env_(env) {
  // Missing arguments come as undefined, which every reader refuses.
  napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr);
}

bool Arguments::Refuse(size_t index, const char* wanted) const {
  char message[96];
  snprintf(message, sizeof(message), "argument %zu of a native call must be %s", index, wanted);
  napi_throw_type_error(env_, "ERR_UC_ARGUMENT", message);
  return false;
}

bool Arguments::U32(size_t index, uint32_t* value) const {
  return napi_get_value_uint32(env_, values_[index], value) == napi_ok ||
         Refuse(index, "a number");
}

bool Arguments::I32(size_t index, int32_t* value) const {
  return napi_get_value_int32(env_, values_[index], value) == napi_ok ||
         Refuse(index, "a number");
}

bool Arguments::Whole(size_t index, uint64_t* value) const {
  double number = 0;
  if (napi_get_value_double(env_, values_[index], &number) != napi_ok || !(number >= 0) ||
      number > kExactMax || std::floor(number) != number)
    return Refuse(index, "a whole number");
  *value = static_cast<uint64_t>(number);
  return true;
}

bool Arguments::U64(size_t index, uint64_t* value) const {
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env_, values_[index], value, &lossless) != napi_ok ||
      !lossless)
    return Refuse(index, "a 64-bit BigInt");
  return true;
}

bool Arguments::Text(size_t index, char* text, size_t bytes_max) const {
  size_t length = 0;
  return napi_get_value_string_utf8(env_, values_[index], text, bytes_max, &length) == napi_ok ||
         Refuse(index, "a string");
}

bool Arguments::Array(size_t index, napi_typedarray_type type, void** data,
                      size_t* length) const {
  napi_typedarray_type actual;
  if (napi_get_typedarray_info(env_, values_[index], &actual, length, data, nullptr, nullptr) !=
          napi_ok ||
      actual != type)
    return Refuse(index, "a typed array of the right kind");
  return true;
}

bool Arguments::Bytes(size_t index, uint8_t** data, size_t* length) const {
  void* start = nullptr;
  if (!Array(index, napi_uint8_array, &start, length)) return false;
  *data = static_cast<uint8_t*>(start);
  return true;
}

bool Arguments::Function(size_t index, napi_value* value) const {
  napi_valuetype type;
  if (napi_typeof(env_, values_[index], &type) != napi_ok || type != napi_function)
    return Refuse(index, "a function");
  *value = values_[index];
  return true;
}

bool Arguments::Region(size_t index, uc_mapping** mapping) const {
  RegionHandle* handle = nullptr;
  if (!Handle(index, &handle)) return false;
  if (handle->mapping == nullptr) {
    Throw(env_, "ERR_UC_REGION_CLOSED", "the region is closed");
    return false;
  }
  *mapping = handle->mapping;
  return true;
}

napi_value Number(napi_env env, double value) {
  napi_value number = nullptr;
  napi_create_double(env, value, &number);
  return number;
}

napi_value Boolean(napi_env env, bool value) {
  napi_value boolean = nullptr;
  napi_get_boolean(env, value, &boolean);
  return boolean;
}

napi_value Throw(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}

bool Define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) ==
             napi_ok &&
         napi_set_named_property(env, exports, name, function) == napi_ok;
}

}  // namespace undercroft
