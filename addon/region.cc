// SPDX-License-Identifier: Apache-2.0
// Regions for JavaScript: make a memfd, map a descriptor, copy in and out, hand out the external
// SharedArrayBuffer. Called by lib/native. Owner, mode and size are checked there, before.
#include <dlfcn.h>

#include <new>

#include "js.h"
#include "shared-memory.h"

namespace undercroft {

namespace {

// Behind NAPI_EXPERIMENTAL in the headers; looked up at run time so that one binary loads
// everywhere and the module does not declare itself experimental.
using CreateExternalSab = napi_status (*)(napi_env, void*, size_t, node_api_noenv_finalize, void*,
                                          napi_value*);

CreateExternalSab FindCreateExternalSab() {
  void* found = dlsym(RTLD_DEFAULT, "node_api_create_external_sharedarraybuffer");
  return reinterpret_cast<CreateExternalSab>(found);
}

napi_value MemfdCreate(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  char name[128];
  uint64_t bytes = 0;
  if (!arguments.Text(0, name, sizeof(name)) || !arguments.Whole(1, &bytes)) return nullptr;
  return Number(env, uc_memfd_create(name, bytes));
}

napi_value FdSealed(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int32_t fd = -1;
  if (!arguments.I32(0, &fd)) return nullptr;
  return Boolean(env, uc_fd_sealed(fd) != 0);
}

void FinalizeRegion(napi_env, void* data, void*) {
  auto* handle = static_cast<RegionHandle*>(data);
  if (handle->mapping != nullptr) uc_mapping_release(handle->mapping);
  delete handle;
}

napi_value RegionOpen(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int32_t fd = -1;
  uint64_t bytes = 0;
  if (!arguments.I32(0, &fd) || !arguments.Whole(1, &bytes)) return nullptr;
  uc_mapping* mapping = nullptr;
  const int error = uc_mapping_open(fd, bytes, &mapping);
  if (error != 0) return Number(env, error);
  auto* handle = new (std::nothrow) RegionHandle();
  napi_value external = nullptr;
  if (handle == nullptr ||
      napi_create_external(env, handle, FinalizeRegion, nullptr, &external) != napi_ok) {
    delete handle;
    uc_mapping_release(mapping);
    return nullptr;
  }
  handle->mapping = mapping;
  return external;
}

napi_value RegionClose(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  RegionHandle* handle = nullptr;
  if (!arguments.Handle(0, &handle)) return nullptr;
  if (handle->mapping != nullptr) uc_mapping_release(handle->mapping);
  handle->mapping = nullptr;
  return nullptr;
}

napi_value RegionFailed(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  if (!arguments.Region(0, &mapping)) return nullptr;
  return Boolean(env, uc_region_failed(&mapping->failed) != 0);
}

/** The address of [offset, offset + length) in the region, or null after a throw. */
uint8_t* Range(napi_env env, const uc_mapping* mapping, uint64_t offset, uint64_t length) {
  if (length > mapping->bytes || offset > mapping->bytes - length) {
    napi_throw_range_error(env, "ERR_UC_ARGUMENT", "the range is not inside the region");
    return nullptr;
  }
  return static_cast<uint8_t*>(mapping->base) + offset;
}

uint64_t* Word(napi_env env, const uc_mapping* mapping, uint64_t offset) {
  if (offset % sizeof(uint64_t) != 0) {
    napi_throw_range_error(env, "ERR_UC_ARGUMENT", "the offset is not a multiple of 8");
    return nullptr;
  }
  return reinterpret_cast<uint64_t*>(Range(env, mapping, offset, sizeof(uint64_t)));
}

/** True while the region is whole: what was copied out is the guest's, not the guard's zeros. */
napi_value Whole(napi_env env, const uc_mapping* mapping) {
  return Boolean(env, uc_region_failed(&mapping->failed) == 0);
}

napi_value CopyOut(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uint64_t offset = 0;
  uint8_t* target = nullptr;
  size_t length = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &offset) ||
      !arguments.Bytes(2, &target, &length))
    return nullptr;
  const uint8_t* source = Range(env, mapping, offset, length);
  if (source == nullptr) return nullptr;
  if (length > 0) uc_shared_copy_out(target, source, length);
  return Whole(env, mapping);
}

napi_value CopyIn(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uint64_t offset = 0;
  uint8_t* source = nullptr;
  size_t length = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &offset) ||
      !arguments.Bytes(2, &source, &length))
    return nullptr;
  uint8_t* target = Range(env, mapping, offset, length);
  if (target == nullptr) return nullptr;
  uc_shared_copy_in(target, source, length);
  return Whole(env, mapping);
}

napi_value Zero(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uint64_t offset = 0;
  uint64_t length = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &offset) ||
      !arguments.Whole(2, &length))
    return nullptr;
  uint8_t* target = Range(env, mapping, offset, length);
  if (target == nullptr) return nullptr;
  uc_shared_zero(target, length);
  return Whole(env, mapping);
}

napi_value LoadU64(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uint64_t offset = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &offset)) return nullptr;
  const uint64_t* word = Word(env, mapping, offset);
  napi_value value = nullptr;
  if (word != nullptr) napi_create_bigint_uint64(env, uc_shared_load(word), &value);
  return value;
}

napi_value StoreU64(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  uint64_t offset = 0;
  uint64_t value = 0;
  if (!arguments.Region(0, &mapping) || !arguments.Whole(1, &offset) || !arguments.U64(2, &value))
    return nullptr;
  uint64_t* word = Word(env, mapping, offset);
  if (word == nullptr) return nullptr;
  uc_shared_store(word, value);
  // ORDER: full fence; a consumer stores wake_at and must then look at the tail once more. Pairs
  // with the fence between tail and wake_at in guest-drivers/core/uc_ring.c uc_ring_publish().
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return Whole(env, mapping);
}

/** Runs without an environment, on any thread: drops one hold and nothing else. */
void FinalizeSab(void*, void* hint) { uc_mapping_release(static_cast<uc_mapping*>(hint)); }

napi_value SharedBuffer(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  uc_mapping* mapping = nullptr;
  if (!arguments.Region(0, &mapping)) return nullptr;
  const CreateExternalSab create = FindCreateExternalSab();
  if (create == nullptr) return nullptr;
  uc_mapping_hold(mapping);
  napi_value buffer = nullptr;
  if (create(env, mapping->base, mapping->bytes, FinalizeSab, mapping, &buffer) != napi_ok) {
    uc_mapping_release(mapping);
    return nullptr;
  }
  return buffer;
}

}  // namespace

bool DefineRegion(napi_env env, napi_value exports) {
  napi_value has_external_sab = Boolean(env, FindCreateExternalSab() != nullptr);
  return napi_set_named_property(env, exports, "externalSharedArrayBuffer", has_external_sab) ==
             napi_ok &&
         Define(env, exports, "memfdCreate", MemfdCreate) &&
         Define(env, exports, "fdSealed", FdSealed) &&
         Define(env, exports, "regionOpen", RegionOpen) &&
         Define(env, exports, "regionClose", RegionClose) &&
         Define(env, exports, "regionFailed", RegionFailed) &&
         Define(env, exports, "copyOut", CopyOut) && Define(env, exports, "copyIn", CopyIn) &&
         Define(env, exports, "zero", Zero) && Define(env, exports, "loadU64", LoadU64) &&
         Define(env, exports, "storeU64", StoreU64) &&
         Define(env, exports, "sharedArrayBuffer", SharedBuffer);
}

}  // namespace undercroft
