// SPDX-License-Identifier: Apache-2.0
// The console's files: the page and what it loads, which the build made. Anyone may read them;
// what the page shows comes by calls that ask who is there.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import files from "@fastify/static";
import type { FastifyInstance } from "fastify";

/** Beside the compiled library, or where the build of a checkout puts them. */
const FOLDERS = ["../../console/", "../../../dist/console/"].map((place) =>
  fileURLToPath(new URL(place, import.meta.url)),
);

const MISSING =
  "The API is at /api/v1. The console is not built in this checkout: npm run build makes it.\n";

/** Serves the page at "/" and its files, whose names change with what is in them. */
export async function serveConsole(app: FastifyInstance): Promise<void> {
  const root = FOLDERS.find((folder) => existsSync(`${folder}index.html`));
  if (root === undefined) {
    app.get("/", { schema: { hide: true } }, (_, reply) => reply.type("text/plain").send(MISSING));
    return;
  }
  await app.register(files, {
    ...{ root, index: "index.html", schemaHide: true, wildcard: false, cacheControl: false },
    setHeaders: (reply, path) => {
      const isNamed = path.startsWith(`${root}assets/`);
      reply.header("cache-control", isNamed ? "max-age=31536000, immutable" : "no-cache");
    },
  });
}
