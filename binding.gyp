# SPDX-License-Identifier: Apache-2.0
# Builds the addon and the holder where no prebuilt ones fit: `npm run build:native -- --gyp`, or
# node-gyp by hand. Never run at install (package.json says gypfile: false). Sources come from
# addon/sources.json, which CMakeLists.txt reads too.
{
  "targets": [
    {
      "target_name": "undercroft",
      "product_dir": "<(module_root_dir)/build",
      "sources": [
        "<!@(node -p \"JSON.parse(fs.readFileSync('addon/sources.json')).sources.join(' ')\")"
      ],
      "include_dirs": [
        "addon",
        "guest-drivers/wire",
        "guest-drivers/core",
        "guest-drivers/core/port-user"
      ],
      "defines": ["NAPI_VERSION=9", "_FORTIFY_SOURCE=3"],
      "cflags": ["-Wall", "-Wextra", "-fvisibility=hidden", "-fstack-protector-strong", "-O2"],
      "cflags!": ["-O3", "-fno-omit-frame-pointer"],
      "cflags_c": ["-std=c11"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc!": ["-std=gnu++20", "-std=gnu++17", "-O3"],
      "ldflags": ["-Wl,-z,relro,-z,now", "-static-libstdc++", "-static-libgcc"]
    },
    {
      "target_name": "undercroft-holder",
      "type": "executable",
      "product_dir": "<(module_root_dir)/build",
      "sources": [
        "<!@(node -p \"JSON.parse(fs.readFileSync('addon/sources.json')).holder.join(' ')\")"
      ],
      "defines": ["_FORTIFY_SOURCE=3"],
      "cflags": ["-Wall", "-Wextra", "-fPIE", "-fstack-protector-strong", "-O2"],
      "cflags!": ["-O3", "-fno-omit-frame-pointer"],
      "cflags_c": ["-std=c11"],
      "ldflags": ["-pie", "-Wl,-z,relro,-z,now"]
    }
  ]
}
