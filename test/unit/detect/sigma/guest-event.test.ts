// SPDX-License-Identifier: Apache-2.0
// Our own events as Sigma rules see them: every column has a value from the right place, and the
// tables of docs/detection.md are those of the code.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type GuestFacts,
  guestMappings,
  guestSigmaEvent,
  loadRules,
  networkMappings,
  networkSigmaEvent,
  SigmaEngine,
  type SigmaEvent,
} from "../../../../lib/detect/detect.ts";
import type {
  GuestEvent,
  GuestNetworkEvent,
  ProcessExecEvent,
  RegistryEvent,
  SocketEvent,
} from "../../../../lib/model/model.ts";
import { BASE, exec, exit, file, fork, hash } from "../../events.ts";

const shell = exec({ path: "/usr/bin/bash", arguments: ["bash", "-i"], pid: 1 });
const curl = exec({
  path: "/usr/bin/curl",
  arguments: ["curl", "-s", "http://x/a b"],
  workingDirectory: "/tmp",
});

function facts(product: GuestFacts["product"] = "linux"): GuestFacts {
  const at = (pid: number): ProcessExecEvent | undefined => ({ 500: curl, 1: shell })[pid];
  return {
    product,
    exec: at,
    parent: (pid) => (pid === 500 ? shell : undefined),
    userName: (uid) => (uid === 0 ? "root" : undefined),
  };
}

function columns(event: SigmaEvent | undefined): Record<string, unknown> {
  if (event === undefined) throw new Error("not mapped");
  const names = [...event.fieldNames()];
  return Object.fromEntries(names.map((name) => [name, event.get(name)]));
}

const guestColumns = (event: GuestEvent, product?: GuestFacts["product"]) =>
  columns(guestSigmaEvent(event, facts(product)));

const actor = {
  ...{ ProcessId: 500, ParentProcessId: 1, Image: "/usr/bin/curl", User: "root", Computer: "g" },
  ...{ CommandLine: "curl -s http://x/a b", CurrentDirectory: "/tmp" },
  ...{ ParentImage: "/usr/bin/bash", ParentCommandLine: "bash -i" },
};

const socket: SocketEvent = {
  ...BASE,
  kind: "socket.connect",
  socketCookie: 1n,
  family: 4,
  protocol: 6,
  localAddress: "10.0.0.1",
  localPort: 40_000,
  remoteAddress: "192.0.2.1",
  remotePort: 443,
  networkNamespace: 1,
  result: 0,
};

const value: RegistryEvent = {
  ...BASE,
  kind: "value.set",
  key: "\\REGISTRY\\MACHINE\\SOFTWARE\\Run",
  name: "x",
  valueType: 4,
  dataBytes: 4,
  data: "01000000",
  status: 0,
};

describe("a guest's events", () => {
  test("a started process", () => {
    const started = { ...curl, timeMs: Date.UTC(2024, 1, 29, 1, 2, 3, 4) };
    const event = guestSigmaEvent(started, facts());
    expect(event?.source).toEqual({ product: "linux", categories: ["process_creation"] });
    expect(columns(event)).toMatchObject({
      ...actor,
      ...{ EventID: 1, UtcTime: "2024-02-29 01:02:03.004", ProcessGuid: "b-500-7-1" },
    });
  });

  test("one of whom nothing is known", () => {
    const stranger = exit({ pid: 77, uid: 9 });
    const { Image, CommandLine, ParentImage, User } = guestColumns(stranger);
    expect([Image, CommandLine, ParentImage, User]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("files", () => {
    const path = "/etc/shadow";
    expect(guestColumns(file({ kind: "file.create", path }))).toMatchObject({
      ...actor,
      TargetFilename: path,
    });
    expect(guestColumns(file({ kind: "file.open", path }))).toMatchObject({ FileName: path });
    const renamed = file({ kind: "file.rename", path, oldPath: "/tmp/x" });
    expect(guestColumns(renamed)).toMatchObject({ SourceFilename: "/tmp/x", TargetFilename: path });
  });

  test("connections, from both sides", () => {
    const near = { SourceIp: "10.0.0.1", SourcePort: 40_000 };
    const far = { DestinationIp: "192.0.2.1", DestinationPort: 443 };
    expect(guestColumns(socket)).toMatchObject({
      ...{ ...actor, ...near, ...far, Initiated: "true", Protocol: "tcp" },
      ...{ DestinationIsIpv6: "false" },
    });
    expect(guestColumns({ ...socket, kind: "socket.accept" })).toMatchObject({
      ...{ Initiated: "false", SourceIp: "192.0.2.1", DestinationIp: "10.0.0.1" },
      ...{ SourcePort: 443, DestinationPort: 40_000 },
    });
    expect(guestSigmaEvent({ ...socket, result: 111 }, facts())).toBeUndefined();
    expect(guestSigmaEvent({ ...socket, result: 115 }, facts())).toBeDefined();
  });

  test.each([
    [4, "01000000", "DWORD (0x00000001)"],
    [4, "0100", "Binary Data"],
    [11, "0200000001000000", "QWORD (0x00000001-0x00000002)"],
    [1, "63006d00640000007800", "cmd"],
    [7, "610000006200000000000000", "a;b"],
    [3, "00", "Binary Data"],
    [1, "", "(Empty)"],
  ])("registry data of type %i, %s", (valueType, data, Details) => {
    const event = { ...value, valueType, data, dataBytes: data.length / 2 };
    expect(guestColumns(event, "windows")).toMatchObject({
      ...{ EventType: "SetValue", TargetObject: "HKLM\\SOFTWARE\\Run\\x", Details },
    });
  });

  test("registry keys", () => {
    const renamed = { ...value, kind: "key.rename", key: "\\REGISTRY\\USER\\S-1\\a" } as const;
    expect(guestColumns(renamed, "windows")).toMatchObject({
      ...{ EventType: "RenameKey", TargetObject: "HKU\\S-1\\a", NewName: "x" },
    });
    const unnamed = guestColumns({ ...value, name: "" }, "windows");
    expect(unnamed.TargetObject).toBe("HKLM\\SOFTWARE\\Run\\(Default)");
  });

  test("who acts on Windows", () => {
    const user = "NT AUTHORITY\\SYSTEM";
    const started = exec({ user, gid: 0x4000, cgroupId: 2, arguments: [], workingDirectory: "" });
    const { User, IntegrityLevel, TerminalSessionId, CommandLine, CurrentDirectory } = columns(
      guestSigmaEvent(started, facts("windows")),
    );
    expect([User, IntegrityLevel, TerminalSessionId]).toEqual([user, "System", 2]);
    expect([CommandLine, CurrentDirectory]).toEqual([undefined, undefined]);
    expect(guestColumns(started).IntegrityLevel).toBeUndefined();
    expect(guestColumns({ ...value, gid: 0x2100 }, "windows").IntegrityLevel).toBe("Medium");
  });

  test("a change that the registry refused is none", () => {
    expect(guestSigmaEvent({ ...value, status: 0xc000_0022 }, facts("windows"))).toBeUndefined();
    expect(guestSigmaEvent({ ...value, status: 0x104 }, facts("windows"))).toBeDefined();
  });

  test("the control set in use has the name that rules know", () => {
    const key = "\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\x";
    expect(guestColumns({ ...value, key }, "windows").TargetObject).toBe(
      "HKLM\\System\\CurrentControlSet\\Services\\x\\x",
    );
  });

  test.each(["process.fork", "process.hash", "file.write", "key.read", "socket.bind"])(
    "%s has no place",
    (kind) => {
      const shapes = [fork(), hash(""), file(), value, socket];
      for (const shape of shapes) {
        expect(guestSigmaEvent({ ...shape, kind } as GuestEvent, facts())).toBeUndefined();
      }
    },
  );

  test("meet a rule as its author wrote it", () => {
    const text = `title: Download to a temporary place
logsource: {category: process_creation, product: linux}
detection:
    selection: {Image|endswith: '/curl', CommandLine|contains: ' -s '}
    parent: {ParentImage|endswith: '/bash', CurrentDirectory: /tmp}
    condition: all of them
`;
    const engine = new SigmaEngine(loadRules([{ name: "a.yml", text }]));
    const [linux, windows] = (["linux", "windows"] as const).map((product) =>
      guestSigmaEvent(curl, facts(product)),
    );
    expect(linux && engine.match(linux)).toHaveLength(1);
    expect(windows && engine.match(windows)).toEqual([]);
  });
});

const flow = {
  ...{ ...BASE, slot: 1, interfaceName: "tap0", outbound: true, flowId: 1, timeMs: 5 },
  ...{ program: "/usr/bin/curl", commandLine: "curl x", ancestors: ["/usr/bin/bash", "?"] },
  ...{ transport: "tcp" as const, sourceAddress: "10.0.0.1", sourcePort: 40_000 },
  ...{ destinationAddress: "192.0.2.1", destinationPort: 80, communityId: "1:x" },
} as const;

const http = {
  ...flow,
  ...{ kind: "http", depth: 1, method: "GET", authority: "x.example:80", uri: "/a/b.php?c=d" },
  ...{ referrer: "", userAgent: "curl/8", origin: "", version: "1.1", requestBodyBytes: 0 },
  ...{ responseBodyBytes: 9, responseEncoding: "", statusCode: 200, statusMessage: "OK" },
} as const satisfies GuestNetworkEvent;

const dns = {
  ...flow,
  ...{ kind: "dns", transactionId: 7, opcode: 0, query: "x.example", queryType: 16 },
  ...{ queryClass: 1, asked: true, answered: true, responseCode: 3, authoritative: false },
  ...{ truncated: false, recursionDesired: true, recursionAvailable: true },
  ...{ answers: ["TXT 1 a", "TXT 1 b"], answerTtls: [1, 1], roundTripMs: 1 },
} as const satisfies GuestNetworkEvent;

describe("network events", () => {
  test("of HTTP are a proxy's going out, and a web server's coming in", () => {
    const out = networkSigmaEvent(http);
    expect(out?.source.categories).toEqual(["proxy"]);
    expect(columns(out)).toMatchObject({
      ...{ "c-uri": "http://x.example:80/a/b.php?c=d", "c-uri-extension": "php" },
      ...{ "cs-uri-stem": "/a/b.php", "cs-uri-query": "/a/b.php?c=d", host: "x.example" },
      ...{ "cs-method": "GET", "sc-status": 200, "c-useragent": "curl/8", src_ip: "10.0.0.1" },
      ...{ Image: "/usr/bin/curl", ParentImage: "/usr/bin/bash", "id.resp_p": 80 },
    });
    expect(out?.get("cs-referer")).toBeUndefined();
    const inbound = networkSigmaEvent({ ...http, outbound: false });
    expect(inbound?.source.categories).toEqual(["webserver"]);
  });

  test("of DNS have their answers as a list", () => {
    const event = networkSigmaEvent(dns);
    expect(event?.source).toMatchObject({ product: "zeek", service: "dns" });
    expect(columns(event)).toMatchObject({
      ...{ query: "x.example", qtype_name: "TXT", rcode_name: "NXDOMAIN" },
      ...{ answers: ["TXT 1 a", "TXT 1 b"], "dns.question.name": "x.example" },
    });
    expect(networkSigmaEvent({ ...dns, answered: false })?.get("rcode_name")).toBeUndefined();
  });

  test("of a flow without an owner name no process", () => {
    const event = networkSigmaEvent({
      ...dns,
      program: "",
      commandLine: "",
      ancestors: [],
      pid: 0,
    });
    const { Image, ParentImage, ProcessId } = columns(event);
    expect([Image, ParentImage, ProcessId]).toEqual([undefined, undefined, undefined]);
  });

  test("of other kinds have no place", () => {
    expect(networkSigmaEvent({ ...flow, kind: "anomaly", name: "x" })).toBeUndefined();
  });
});

describe("docs/detection.md", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../../docs/detection.md"), "utf8");
  const rows = (name: string): string[][] => {
    const part = text.split(`<!-- ${name} -->`)[1]?.split(`<!-- end of ${name} -->`)[0] ?? "";
    const lines = part.split("\n").filter((line) => line.startsWith("| `"));
    return lines.map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  };
  const quoted = (words: readonly string[]): string =>
    words.map((word) => `\`${word}\``).join(", ");

  test("has the table of guests' events", () => {
    const wanted = guestMappings().map(({ kind, categories, fields }) => [
      ...[`\`${kind}\``, quoted(categories), quoted(fields)],
    ]);
    expect(rows("guest events")).toEqual(wanted);
  });

  test("has the table of network events", () => {
    const wanted = networkMappings().map(({ kind, source, fields }) => {
      const { categories, product, service } = source;
      const parts = [
        ...categories.map((category) => `category \`${category}\``),
        ...(product === undefined ? [] : [`product \`${product}\``]),
        ...(service === undefined ? [] : [`service \`${service}\``]),
      ];
      return [`\`${kind}\``, parts.join(", "), quoted(fields)];
    });
    expect(rows("network events")).toEqual(wanted);
  });
});
