// SPDX-License-Identifier: Apache-2.0
// The holder, built with sanitizers, over real sockets: what QEMU is told, who is refused, and that
// nobody can hold it up.
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EventFd, Holder, Mapping } from "../../lib/native/native.ts";
import { HolderRig, LineProcess, sanitizedHolder, until } from "./programs.ts";

const PROGRAM = sanitizedHolder();
const BYTES = 1 << 20;
const SEALS = 0x1 | 0x2 | 0x4;
const NOBODY = 65534;
const OTHER = 65533;
// Version, its own id, the region; then the server's eventfds and its own.
const SETUP = [
  "message 0 none 0 -1",
  "message 1 none 0 -1",
  `message -1 /memfd:web1 ${BYTES} ${SEALS}`,
  ...["0", "0", "1", "1"].map((peer) => `message ${peer} anon_inode:[eventfd] 0 -1`),
];

let rig: HolderRig;

beforeEach(() => {
  rig = new HolderRig(PROGRAM);
});

afterEach(() => rig.close());

/** What the control socket answers to these bytes, until it ends the connection or falls silent. */
async function tell(text: string): Promise<string> {
  const socket = connect(rig.holder.path);
  let said = "";
  socket.on("data", (chunk) => {
    said += chunk.toString();
  });
  socket.on("error", () => {});
  if (text !== "") socket.write(text);
  await until(() => said.endsWith("\n") || socket.destroyed, "an answer");
  socket.destroy();
  return said;
}

describe("a guest's QEMU", () => {
  test("is told version, id, region and eventfds, in this order", async () => {
    await rig.start();
    rig.holder.add("web1", BYTES);
    const peer = rig.connect("web1");
    await peer.line("set up");
    expect(peer.lines.slice(1, -1)).toEqual(SETUP);
    expect(rig.holder.list()).toEqual([{ name: "web1", bytes: BYTES, pid: peer.pid }]);
  });

  test("canary: a server that says something else is seen to", async () => {
    const server = createServer((socket) => {
      socket.write(new Uint8Array(new BigInt64Array([0n, 1n, -1n, 0n, 0n, 1n, 1n]).buffer));
      socket.on("error", () => {});
    });
    await rig.start();
    await new Promise<void>((resolve) => server.listen(rig.socketOf("fake"), resolve));
    const peer = rig.connect("fake");
    await peer.line("set up");
    expect(peer.lines.slice(1, -1)).not.toEqual(SETUP);
    server.close();
    await peer.end();
  });

  test("shares memory and eventfds with who attaches, and can cut neither", async () => {
    await rig.start();
    rig.holder.add("web1", BYTES);
    const peer = rig.connect("web1");
    await peer.line("set up");
    const held = rig.holder.attach("web1");
    const mapping = Mapping.openFd(held.region, held.bytes, "web1");
    await peer.ask("poke 5000 77");
    const byte = new Uint8Array(1);
    mapping.copyOut(5000, byte);
    expect([byte[0], mapping.isSealed]).toEqual([77, true]);
    expect(await peer.ask("cut")).toEqual(["cut -1"]);

    const bells = [...held.server, ...held.guest].map((fd) => new EventFd(fd));
    const heard: number[] = [];
    for (const [index, bell] of bells.entries()) {
      bell.listen({ onRing: () => heard.push(index) > 0, onStorm: () => {} });
    }
    for (const place of [0, 1, 2, 3]) await peer.ask(`ring ${place}`);
    await until(() => heard.length === 4, "four rings");
    for (const bell of bells) bell.unlisten();
    bells[3]?.ring();
    bells[3]?.ring();
    expect(await peer.ask("wait 3")).toEqual(["rings 2"]);
    expect(heard.sort()).toEqual([0, 1, 2, 3]);
    for (const bell of bells) bell.close();
    mapping.close();
  });

  test("is one at a time; the next comes when it is gone", async () => {
    const holder = await rig.start();
    rig.holder.add("web1", BYTES);
    const first = rig.connect("web1");
    await first.line("set up");
    const second = rig.connect("web1");
    await second.line("turned away");
    expect(second.lines[1]).toBe("message 1 none 0 -1");
    await until(() => holder.errors.some((line) => line.includes("comes second")), "the reason");
    expect(() => rig.holder.remove("web1")).toThrow(/runs, in process/);
    await first.kill();
    const third = rig.connect("web1");
    await third.line("set up");
    expect(third.lines.slice(1, -1)).toEqual(SETUP);
  });

  test("is disconnected for a byte, since it has none to say", async () => {
    const holder = await rig.start();
    rig.holder.add("web1", BYTES);
    const peer = rig.connect("web1");
    await peer.line("set up");
    peer.say("say");
    await peer.line("disconnected");
    expect(rig.holder.list()[0]?.pid).toBeUndefined();
    await until(() => holder.errors.some((line) => line.includes("sent bytes")), "the reason");
    const next = rig.connect("web1");
    await next.line("set up");
  });

  test("that stalls holds up neither another one nor the control socket", async () => {
    await rig.start();
    rig.holder.add("web1", BYTES);
    rig.holder.add("slow", BYTES);
    const stalled = rig.connect("slow", "stall");
    await stalled.line("stalled");
    const mute = connect(rig.holder.path);
    mute.write("li");
    const peer = rig.connect("web1");
    await peer.line("set up");
    await until(() => rig.holder.list()[1]?.pid === stalled.pid, "the stalled one's place");
    mute.destroy();
  });

  test("of another user is refused by the kernel's word, unless it is QEMU's user", async () => {
    const holder = await rig.start();
    rig.holder.add("web1", BYTES);
    const { mode, uid } = statSync(rig.socketOf("web1"));
    expect([mode & 0o777, uid]).toEqual([0o600, process.geteuid?.()]);
    // The mode alone would keep others out; widened by mistake, it is not relied on.
    chmodSync(rig.socketOf("web1"), 0o666);
    const stranger = rig.connectAs(NOBODY, "web1");
    await stranger.line("turned away");
    expect(stranger.lines).toEqual(["connected", "message 1 none 0 -1", "turned away"]);
    await until(() => holder.errors.some((line) => line.includes("may not open")), "the reason");
    await holder.end("SIGTERM");

    await rig.start("--peer-uid", String(NOBODY));
    rig.holder.add("web1", BYTES);
    expect(statSync(rig.socketOf("web1")).uid).toBe(NOBODY);
    await rig.connectAs(NOBODY, "web1").line("set up");
  });
});

test("a holder without root, but with CAP_CHOWN, serves QEMU, its own user and root", async () => {
  await rig.startAs(OTHER, "--peer-uid", String(NOBODY));
  rig.holder.add("web1", BYTES);
  expect(statSync(rig.holder.path).uid).toBe(OTHER);
  expect(statSync(rig.socketOf("web1")).uid).toBe(NOBODY);
  const peer = rig.connectAs(NOBODY, "web1");
  await peer.line("set up");
  expect(peer.lines.slice(1, -1)).toEqual(SETUP);
  const own = rig.connectAs(OTHER, undefined);
  await own.line("connected");
  // The control socket says nothing unasked, so this program waits for ever.
  await own.kill();
});

describe("the control socket", () => {
  test.each([
    ["add web1 3145728\n", "a region of 3145728 bytes is not possible"],
    ["add web1 1024\n", "a region of 1024 bytes is not possible"],
    ["add web1 2147483648\n", "a region of 2147483648 bytes is not possible"],
    ["add web1 18446744073709551616\n", "is not a number of bytes"],
    ["add web1 -1\n", "is not a number of bytes"],
    ["add web1 1048576x\n", "is not a number of bytes"],
    ["add .. 1048576\n", "a guest's name has"],
    ["add a/b 1048576\n", "a guest's name has"],
    [`add ${"a".repeat(65)} 1048576\n`, "a guest's name has"],
    ["add web1\n", "not understood; say:"],
    ["add web1 1048576 9\n", "not understood; say:"],
    ["list all\n", "not understood; say:"],
    ["\n", "not understood; say:"],
    ["remove web1\n", "no guest web1 is kept here"],
    ["attach web1\n", "no guest web1 is kept here"],
    ["list\u001b[2J\n", "a request is a line of printable ASCII"],
    ["a".repeat(4000), "longer than a line may be"],
  ])("answers %# with its cause, on one line", async (text, cause) => {
    await rig.start();
    const answer = await tell(text);
    expect(answer).toMatch(/^error [\x20-\x7e]+\n$/);
    expect(answer).toContain(cause);
    expect(rig.holder.list()).toEqual([]);
  });

  test("takes several requests of one connection, and a line in pieces", async () => {
    await rig.start();
    const socket = connect(rig.holder.path);
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk.toString();
    });
    socket.write("add a 1048576\nadd b 1048576\nli");
    await until(() => said === "ok\nok\n", "two answers");
    socket.write("st\n");
    await until(() => said.endsWith("guest a 1048576 -\nguest b 1048576 -\nok\n"), "the list");
    socket.destroy();
  });

  test("is root's alone, also where its mode was widened", async () => {
    const holder = await rig.start();
    expect(statSync(rig.holder.path).mode & 0o777).toBe(0o600);
    chmodSync(rig.holder.path, 0o666);
    const program = rig.connectAs(NOBODY, undefined);
    await program.line("ended");
    await until(() => holder.errors.some((line) => line.includes("may not give orders")), "why");
  });

  test("keeps as many guests as it says, and lists them all", async () => {
    await rig.start();
    for (let at = 0; at < 256; at++) rig.holder.add(`${"guest".repeat(12)}${at}`, 1 << 30);
    expect(() => rig.holder.add("one-more", BYTES)).toThrow(/no place is left/);
    expect(rig.holder.list().length).toBe(256);
  });

  test("turns away clients beyond its limit and serves those that are there", async () => {
    await rig.start();
    const sockets = Array.from({ length: 16 }, () => connect(rig.holder.path));
    expect(await tell("")).toContain("too many clients");
    for (const socket of sockets) socket.destroy();
    await rig.answers();
  });

  test("refuses a client that does not read, and nobody else", async () => {
    await rig.start();
    for (let at = 0; at < 100; at++) rig.holder.add(`guest${at}`, BYTES);
    const deaf = connect(rig.holder.path);
    deaf.pause();
    let isClosed = false;
    deaf.on("error", () => {
      isClosed = true;
    });
    while (!isClosed && !deaf.destroyed) {
      deaf.write("list\n".repeat(20));
      rig.holder.list();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(rig.holder.list().length).toBe(100);
  });
});

test("a holder that does not answer is an error that says so", async () => {
  expect(() => new Holder(`${rig.directory}/none`).list()).toThrow(
    expect.objectContaining({ code: "ERR_UC_HOLDER", message: expect.stringMatching(/ENOENT/) }),
  );
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(`${rig.directory}/mute`, resolve));
  expect(() => new Holder(`${rig.directory}/mute`).list()).toThrow(/ETIMEDOUT/);
  mute.close();
  await rig.start();
  expect(() => rig.holder.add("a\nremove b", BYTES)).toThrow(/takes no guest of the name/);
});

test("descriptors that are handed out are the caller's, and none leaks", async () => {
  await rig.start();
  rig.holder.add("web1", BYTES);
  const first = rig.holder.attach("web1");
  const fds = [first.region, ...first.server, ...first.guest];
  for (const fd of fds) closeSync(fd);
  const again = rig.holder.attach("web1");
  expect([again.region, ...again.server, ...again.guest]).toEqual(fds);
  for (const fd of fds) closeSync(fd);
});

test("a second holder leaves the first one's sockets alone", async () => {
  await rig.start();
  rig.holder.add("web1", BYTES);
  const second = new LineProcess(PROGRAM, ["--directory", `${rig.directory}/run`]);
  expect(await second.end()).toBe(1);
  expect(second.errors.join()).toContain("another process listens");
  await rig.connect("web1").line("set up");
});

test("ends with SIGTERM and leaves no socket behind", async () => {
  const holder = await rig.start();
  rig.holder.add("web1", BYTES);
  expect(await holder.end("SIGTERM")).toBe(0);
  expect([existsSync(rig.socketOf("web1")), existsSync(rig.holder.path)]).toEqual([false, false]);
});

test.each([
  [["--help"], 0, "Usage: undercroft-holder"],
  [["--no-such"], 2, "not understood: --no-such"],
  [["extra"], 2, "not understood: extra"],
  [["--peer-uid", "root"], 2, "not a user's number: root"],
  [["--directory", "/dev/null"], 1, "/dev/null is no directory"],
  [["--directory", "/tmp"], 1, "/tmp must belong to user"],
  [["--directory", `/tmp/${"x".repeat(300)}`], 1, "too long"],
])("wrong usage %# is told", (args, status, text) => {
  const result = spawnSync(PROGRAM, args, { encoding: "utf8" });
  expect([result.status, result.stdout + result.stderr]).toEqual([
    status,
    expect.stringContaining(text),
  ]);
});
