// SPDX-License-Identifier: Apache-2.0
// The link over a line that is cut at random bytes, with servers that start anew meanwhile: every
// report reaches the manager's disk once and in order. UC_SEED repeats a run.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinkClient, type LinkIdentity, ReportQueue } from "../../lib/link/link.ts";
import { Random } from "../sim/random.ts";
import { faultReport, HELLO, LinkRig, STATISTICS, until } from "../unit/link/rig.ts";

const seed = Number(process.env.UC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = 12;

/** Hands bytes on, and cuts each connection after some of them until it is told to let be. */
class BadLine {
  readonly #server: Server;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  isGood = false;
  cuts = 0;

  constructor(random: Random, port: number) {
    this.#random = random;
    this.#server = createServer((near) => this.#meet(near, connect(port, "127.0.0.1")));
    this.#server.listen(0, "127.0.0.1");
  }

  async url(): Promise<string> {
    if (!this.#server.listening) await once(this.#server, "listening");
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #meet(near: Socket, far: Socket): void {
    // A handshake takes some 4 KB: most connections come to say something.
    let left = this.#random.below(30_000);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("error", () => {});
      from.on("data", (data: Buffer) => {
        left -= data.length;
        if (this.isGood || left > 0) {
          to.write(data);
          return;
        }
        this.cuts += 1;
        to.write(data.subarray(0, Math.max(0, data.length + left)));
        near.destroy();
        far.destroy();
      });
    }
  }
}

function serve(identity: LinkIdentity, queue: ReportQueue): LinkClient {
  const client = new LinkClient({
    ...{ identity, queue, retryMsMax: 20 },
    hooks: {
      ...{ hello: () => HELLO, statistics: () => STATISTICS, state: () => {} },
      request: async () => undefined,
    },
  });
  client.start();
  return client;
}

/** Sends reports through cuts and new starts; whether the manager's disk has each, in order. */
async function isWhole(random: Random, rig: LinkRig): Promise<boolean> {
  const line = new BadLine(random, rig.port);
  const identity = { ...(await rig.enrol("web")), manager: await line.url() };
  const path = join(rig.folder, "queue.sqlite");
  let queue = new ReportQueue(path);
  let client = serve(identity, queue);
  let sent = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (let count = random.below(200); count > 0; count--) client.report(faultReport(++sent));
      const { cuts } = line;
      await until(() => line.cuts > cuts || queue.count === 0);
      if (!random.chance(0.3)) continue;
      client.close();
      queue.close();
      queue = new ReportQueue(path);
      client = serve(identity, queue);
    }
    line.isGood = true;
    await until(() => queue.count === 0);
    console.log(`${sent} reports, ${line.cuts} cuts, seed ${seed}`);
    expect(line.cuts).toBeGreaterThan(0);
    expect(sent).toBeGreaterThan(0);
  } finally {
    client.close();
    queue.close();
    line.close();
  }
  const { reports } = rig.heard;
  return (
    reports.length === sent &&
    reports.every(({ report }, at) => report.kind === "fault" && report.timeMs === at + 1)
  );
}

test(`nothing is lost or doubled over a line that is cut; UC_SEED=${seed}`, async () => {
  const random = new Random(seed);
  const rig = await LinkRig.open();
  // The disk takes its time now and then, so that cuts come before, within and after it.
  rig.heard.commit = async () => {
    if (random.chance(0.5)) await new Promise((resolve) => setTimeout(resolve, random.below(5)));
  };
  try {
    expect(await isWhole(random, rig), `UC_SEED=${seed} repeats this`).toBe(true);
  } finally {
    await rig.close();
  }
});

test("canary: a manager that says it has what it has not is found out", async () => {
  const rig = await LinkRig.open();
  const { heard } = rig;
  heard.lastReport = (server, stream) => (heard.last.get(`${server} ${stream}`) ?? 0) + 3;
  try {
    expect(await isWhole(new Random(seed), rig)).toBe(false);
  } finally {
    await rig.close();
  }
});
