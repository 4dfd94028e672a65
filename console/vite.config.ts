// SPDX-License-Identifier: Apache-2.0
// How the console becomes files that a browser loads under a policy without inline scripts and
// styles. scripts/build.ts runs it and says where they go.
import { defineConfig, type UserConfig } from "vite";

const config: UserConfig = defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "esnext",
    cssMinify: "lightningcss",
    // The policy allows what this origin serves; files inside of files it would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    reportCompressedSize: false,
    // One file that every later page needs, and no warning about its size.
    chunkSizeWarningLimit: 1000,
  },
});

export default config;
