// SPDX-License-Identifier: Apache-2.0
// Registers the addon with Node. Loaded by lib/native alone, once an environment; nothing here or
// below keeps state between environments but the SIGBUS guard.
#include <node_api.h>

#include "js.h"

NAPI_MODULE_INIT() {
  if (!undercroft::DefineRegion(env, exports) || !undercroft::DefineConsumer(env, exports) ||
      !undercroft::DefineWriter(env, exports) || !undercroft::DefinePackets(env, exports) ||
      !undercroft::DefineDoorbell(env, exports) || !undercroft::DefineHolder(env, exports))
    return undercroft::Throw(env, "ERR_UC_NATIVE_MISSING", "the addon could not set itself up");
  return exports;
}
