// SPDX-License-Identifier: Apache-2.0
// Doorbells: eventfds watched by the event loop of whichever thread listens. Reads the descriptor
// once a turn, however often a guest rings. Called by lib/native, which tames storms.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "js.h"

// libuv's stable ABI, declared here because node-api-headers does not carry uv.h.
extern "C" {
struct uv_loop_s;
struct uv_handle_s;
using uv_poll_cb = void (*)(uv_handle_s* handle, int status, int events);
using uv_close_cb = void (*)(uv_handle_s* handle);
size_t uv_handle_size(int type);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void* uv_handle_get_data(const uv_handle_s* handle);
int uv_poll_init(uv_loop_s* loop, uv_handle_s* handle, int fd);
int uv_poll_start(uv_handle_s* handle, int events, uv_poll_cb callback);
int uv_poll_stop(uv_handle_s* handle);
void uv_close(uv_handle_s* handle, uv_close_cb callback);
}

namespace undercroft {

namespace {

constexpr int kUvPollType = 8;
constexpr int kUvReadable = 1;

/** Lives until libuv has closed the handle and JavaScript has dropped the external. */
struct Watch {
  static constexpr uint64_t kTag = 0x7563776174636800ULL;
  const uint64_t tag = kTag;
  napi_env env = nullptr;
  int fd = -1;
  // Null once closing has begun.
  uv_handle_s* poll = nullptr;
  napi_ref callback = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  int holders = 1;
};

void Drop(Watch* watch) {
  if (--watch->holders == 0) delete watch;
}

void OnClosed(uv_handle_s* poll) {
  auto* watch = static_cast<Watch*>(uv_handle_get_data(poll));
  free(poll);
  napi_remove_async_cleanup_hook(watch->cleanup);
  Drop(watch);
}

void Stop(Watch* watch) {
  if (watch->poll == nullptr) return;
  uv_handle_s* poll = watch->poll;
  watch->poll = nullptr;
  uv_poll_stop(poll);
  napi_delete_reference(watch->env, watch->callback);
  napi_async_destroy(watch->env, watch->context);
  uv_close(poll, OnClosed);
}

/** OnClosed then removes the hook, which is what lets the environment end. */
void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  Stop(static_cast<Watch*>(data));
}

/** Rings since the last read, 0 when none. */
uint64_t Take(int fd) {
  uint64_t rings = 0;
  return read(fd, &rings, sizeof(rings)) == sizeof(rings) ? rings : 0;
}

void OnReadable(uv_handle_s* poll, int status, int) {
  auto* watch = static_cast<Watch*>(uv_handle_get_data(poll));
  const napi_env env = watch->env;
  const uint64_t rings = status < 0 ? 0 : Take(watch->fd);
  napi_handle_scope scope = nullptr;
  napi_open_handle_scope(env, &scope);
  napi_value receiver = nullptr;
  napi_value callback = nullptr;
  napi_value count = Number(env, status < 0 ? status : static_cast<double>(rings));
  napi_get_global(env, &receiver);
  napi_get_reference_value(env, watch->callback, &callback);
  // An exception of the callback reaches the process's uncaughtException, as from any callback.
  if (napi_make_callback(env, watch->context, receiver, callback, 1, &count, nullptr) ==
      napi_pending_exception) {
    napi_value error = nullptr;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

void FinalizeWatch(napi_env, void* data, void*) {
  auto* watch = static_cast<Watch*>(data);
  Stop(watch);
  Drop(watch);
}

int Start(napi_env env, Watch* watch, napi_value callback) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return -ENOTSUP;
  auto* poll = static_cast<uv_handle_s*>(calloc(1, uv_handle_size(kUvPollType)));
  if (poll == nullptr) return -ENOMEM;
  const int error = uv_poll_init(loop, poll, watch->fd);
  if (error != 0) {
    free(poll);
    return error;
  }
  uv_handle_set_data(poll, watch);
  watch->poll = poll;
  watch->holders++;
  napi_value name = nullptr;
  napi_create_string_utf8(env, "undercroft.doorbell", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, nullptr, name, &watch->context);
  napi_create_reference(env, callback, 1, &watch->callback);
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, watch, &watch->cleanup);
  const int started = uv_poll_start(poll, kUvReadable, OnReadable);
  if (started != 0) Stop(watch);
  return started;
}

napi_value WatchStart(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int32_t fd = -1;
  napi_value callback = nullptr;
  if (!arguments.I32(0, &fd) || !arguments.Function(1, &callback)) return nullptr;
  auto* watch = new (std::nothrow) Watch();
  if (watch == nullptr) return Number(env, -ENOMEM);
  watch->env = env;
  watch->fd = fd;
  const int error = Start(env, watch, callback);
  napi_value external = nullptr;
  if (error == 0 &&
      napi_create_external(env, watch, FinalizeWatch, nullptr, &external) == napi_ok)
    return external;
  Stop(watch);
  Drop(watch);
  return Number(env, error);
}

napi_value WatchStop(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  Watch* watch = nullptr;
  if (arguments.Handle(0, &watch)) Stop(watch);
  return nullptr;
}

napi_value EventFdCreate(napi_env env, napi_callback_info) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return Number(env, fd < 0 ? -errno : fd);
}

/** 0, or -errno. A full counter (EAGAIN) means that the other side has rings enough to see. */
napi_value EventFdRing(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int32_t fd = -1;
  if (!arguments.I32(0, &fd)) return nullptr;
  const uint64_t one = 1;
  const bool is_rung = write(fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN;
  return Number(env, is_rung ? 0 : -errno);
}

}  // namespace

bool DefineDoorbell(napi_env env, napi_value exports) {
  return Define(env, exports, "watchStart", WatchStart) &&
         Define(env, exports, "watchStop", WatchStop) &&
         Define(env, exports, "eventFdCreate", EventFdCreate) &&
         Define(env, exports, "eventFdRing", EventFdRing);
}

}  // namespace undercroft
