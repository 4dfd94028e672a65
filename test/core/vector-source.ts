// SPDX-License-Identifier: Apache-2.0
// Turns the golden vectors into a C program over the guest core. The C compiler then checks every
// field name, and the core's own encoder makes the bytes. Used by vectors.test.ts only.
import { readFileSync } from "node:fs";

type Value = number | string;
type Values = Readonly<Record<string, Value>>;

export interface RecordVector {
  readonly name: string;
  readonly kind: string;
  readonly header: Values;
  readonly body: Values;
  readonly fields: Readonly<Record<string, string>>;
  readonly truncated: readonly string[];
  hex: string;
}

interface RuleVector extends Values {
  readonly match: string;
  readonly pattern: string;
}

export interface CommandVector {
  readonly name: string;
  readonly kind: string;
  readonly id: string;
  readonly deadlineNs: string;
  readonly body?: Values;
  readonly rules?: readonly RuleVector[];
  readonly ids?: readonly string[];
  hex: string;
}

export interface PageVector {
  readonly name: string;
  readonly page: "superblock" | "hello" | "session" | "status";
  readonly fields: Values;
  readonly directory?: readonly Values[];
  readonly lost?: Readonly<Record<string, string>>;
  hex: string;
}

interface RingStep {
  readonly write?: string;
  readonly bytes?: number;
  readonly drop?: string;
  readonly reason?: string;
  readonly drain?: boolean;
}

export interface RingVector {
  readonly name: string;
  readonly capacityLog2: number;
  readonly sessionId: number;
  readonly features: string;
  readonly ops: readonly RingStep[];
  tail: string;
  ringHex: string;
  records: Array<{ type: number; length: number; sequence: number }>;
}

export interface MalformedRing {
  readonly name: string;
  readonly capacityLog2: number;
  readonly sessionId: number;
  readonly previousSessionId: number;
  readonly features: string;
  readonly tail: string;
  readonly head?: string;
  readonly ringHex: string;
  readonly fault: string;
}

export interface Vectors {
  readonly records: RecordVector[];
  readonly commands: CommandVector[];
  readonly pages: PageVector[];
  readonly rings: RingVector[];
  readonly malformed: { readonly rings: MalformedRing[] };
}

/** The header that names every kind there is. */
export const wireHeader: string = new URL("../../guest-drivers/wire/uc_wire.h", import.meta.url)
  .pathname;

/** Where a file of vectors lies. */
export function vectorFile(name: string): string {
  return new URL(`../../guest-drivers/wire/vectors/${name}.json`, import.meta.url).pathname;
}

/** Reads all vectors. */
export function readVectors(): Vectors {
  const read = (name: string): unknown => JSON.parse(readFileSync(vectorFile(name), "utf8"));
  return {
    records: read("records") as RecordVector[],
    commands: read("commands") as CommandVector[],
    pages: read("pages") as PageVector[],
    rings: read("rings") as RingVector[],
    malformed: read("malformed") as Vectors["malformed"],
  };
}

const BODY_STRUCTS: Readonly<Record<string, string>> = {
  PROCESS_FORK: "uc_process_fork",
  PROCESS_EXEC: "uc_process_exec",
  PROCESS_EXISTING: "uc_process_exec",
  PROCESS_EXIT: "uc_process_exit",
  PROCESS_HASH: "uc_process_hash",
  IMAGE_LOAD: "uc_image_load",
  REMOTE_THREAD: "uc_remote_thread",
  VERDICT: "uc_verdict",
  COMMAND_RESULT: "uc_command_result",
  UNREGISTER: "uc_unregister",
  CLOCK: "uc_clock",
  VOLUME: "uc_volume",
  MODULE_LOAD: "uc_module_event",
  MODULE_UNLOAD: "uc_module_event",
  DNS_QUERY: "uc_socket_event",
  REDIRECT_STATUS: "uc_redirect_status",
  BLOCK_RULE: "uc_block_rule",
};

function bodyStruct(kind: string): string {
  if (kind.startsWith("FILE_")) return "uc_file_event";
  if (kind.startsWith("SOCKET_")) return "uc_socket_event";
  if (kind.startsWith("KEY_") || kind.startsWith("VALUE_")) return "uc_registry_event";
  const name = BODY_STRUCTS[kind];
  if (name === undefined) throw new Error(`no body structure known for ${kind}`);
  return name;
}

const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const bytesOf = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "{ 0 }" : `{ ${[...bytes].join(", ")} }`;

const TEXT_MEMBERS = new Set(["driverVersion", "osVersion"]);
const BYTE_MEMBERS = new Set([
  ...["sha256", "serverInstance", "bootId", "guestId"],
  ...["localAddress", "remoteAddress", "interfaceName", "uplinkName"],
]);

function member(name: string, value: Value): string {
  if (TEXT_MEMBERS.has(name)) {
    return `.${snake(name)} = ${bytesOf(Buffer.from(String(value), "utf8"))}`;
  }
  if (BYTE_MEMBERS.has(name)) {
    return `.${snake(name)} = ${bytesOf(Buffer.from(String(value), "hex"))}`;
  }
  return `.${snake(name)} = ${typeof value === "string" ? `${value}ull` : `${value}u`}`;
}

const structure = (values: Values): string =>
  `{ ${Object.entries(values)
    .map(([name, value]) => member(name, value))
    .join(", ")} }`;

function recordSource(vector: RecordVector, index: number): string {
  const lines = [
    `const struct uc_event_header header = ${structure(vector.header)};`,
    `const struct ${bodyStruct(vector.kind)} body = ${structure(vector.body)};`,
    "struct uc_record record;",
    "uint16_t flags;",
    `if (!uc_record_begin_buffer(&record, payload, sizeof(payload), UC_RECORD_${vector.kind},`,
    `			    &header, &body)) printf("error: record ${index}\\n");`,
  ];
  for (const [kind, text] of Object.entries(vector.fields)) {
    const bytes = Buffer.from(text, kind === "DATA" ? "hex" : "utf8");
    const cut = vector.truncated.includes(kind);
    lines.push(
      `{ static const uint8_t field[] = ${bytesOf(bytes)};`,
      `uc_record_field(&record, UC_FIELD_${kind}, field, ${bytes.length}, ${cut}); }`,
    );
  }
  lines.push(
    `print_vector("records", ${index}, payload, uc_record_end_buffer(&record, &flags));`,
    `if (flags != ${vector.truncated.length > 0 ? "UC_FRAME_TRUNCATED" : "0"})`,
    `	printf("error: frame flags of record ${index}\\n");`,
  );
  return lines.join("\n\t");
}

const COMMAND_STRUCTS: Readonly<Record<string, string>> = {
  START_MONITORING: "uc_command_start_monitoring",
  KILL_PROCESS: "uc_command_kill_process",
  RULES_BEGIN: "uc_command_rules_begin",
  RULES_COMMIT: "uc_command_rules_commit",
  REDIRECT_START: "uc_command_redirect_start",
  REDIRECT_STOP: "uc_command_redirect_stop",
  BLOCK_ADD: "uc_block_rule",
};

function ruleSource(rule: RuleVector): string {
  const { pattern, match, ...values } = rule;
  const bytes = Buffer.from(pattern, match === "SHA256" ? "hex" : "utf8");
  const head = structure({ ...values, patternBytes: bytes.length } as Values);
  return [
    `{ struct uc_rule rule = ${head};`,
    `static const uint8_t pattern[] = ${bytesOf(bytes)};`,
    `rule.match = UC_MATCH_${match};`,
    "at = append(at, &rule, sizeof(rule));",
    "at = append(at, pattern, sizeof(pattern)); }",
  ].join("\n\t");
}

function commandSource(vector: CommandVector, index: number): string {
  const lines = [
    `const struct uc_command command = { ${vector.id}ull, ${vector.deadlineNs}ull,`,
    `	UC_COMMAND_${vector.kind}, 0 };`,
    "uint32_t at = append(0, &command, sizeof(command));",
  ];
  if (vector.body !== undefined) {
    lines.push(
      `{ const struct ${COMMAND_STRUCTS[vector.kind]} body = ${structure(vector.body)};`,
      "at = append(at, &body, sizeof(body)); }",
    );
  }
  for (const rule of vector.rules ?? []) lines.push(ruleSource(rule));
  for (const id of vector.ids ?? []) {
    lines.push(`{ const uint64_t id = ${id}ull; at = append(at, &id, sizeof(id)); }`);
  }
  lines.push(`print_command(${index}, command.kind, at);`);
  return lines.join("\n\t");
}

function pageSource(vector: PageVector, index: number): string {
  const lines: string[] = [];
  switch (vector.page) {
    case "superblock":
      lines.push(
        `const struct uc_superblock superblock = ${structure(vector.fields)};`,
        `const struct uc_directory_entry entries[] = { ${[
          ...(vector.directory ?? []).map(structure),
          "{ 0 }",
        ].join(", ")} };`,
        `print_superblock(${index}, &superblock, entries);`,
      );
      break;
    case "hello":
      lines.push(
        `const struct uc_hello hello = ${structure(vector.fields)};`,
        "begin_server(12);",
        "uc_region_write_hello(server.region, &hello);",
        `print_page(${index}, UC_HELLO_OFFSET);`,
      );
      break;
    case "session":
      lines.push(
        `const struct uc_session session = ${structure(vector.fields)};`,
        "struct uc_session read;",
        "begin_server(12);",
        "hand_answer(&server, &session);",
        "if (!uc_region_read_session(&read, server.region) ||",
        "    memcmp(&read, &session, sizeof(read)) != 0)",
        `	printf("error: session ${index} is not read as written\\n");`,
        `print_page(${index}, UC_SESSION_OFFSET);`,
      );
      break;
    case "status":
      lines.push(
        `struct uc_status status = ${structure(vector.fields)};`,
        ...Object.entries(vector.lost ?? {}).map(([place, count]) => {
          const [recordClass, reason] = place.split("/");
          return (
            `status.lost[uc_loss_index(UC_CLASS_${recordClass}, UC_LOSS_${reason})] = ` +
            `${count}ull;`
          );
        }),
        "begin_server(12);",
        "uc_region_write_status(server.region, &status);",
        `print_page(${index}, UC_STATUS_OFFSET);`,
      );
  }
  return lines.join("\n\t");
}

function ringSource(vector: RingVector, index: number): string {
  const lines = [
    `begin_ring(${vector.capacityLog2}, ${vector.features}ull, ${vector.sessionId}u);`,
  ];
  for (const step of vector.ops) {
    if (step.write !== undefined) {
      lines.push(`put_filler(UC_RECORD_${step.write}, ${step.bytes});`);
    } else if (step.drop !== undefined) {
      lines.push(`uc_ring_drop(&ring, UC_RECORD_${step.drop}, UC_LOSS_${step.reason});`);
    } else {
      lines.push("uc_consumer_drain(&reader.consumer);");
    }
  }
  lines.push(`print_ring(${index});`);
  return lines.join("\n\t");
}

function malformedSource(vector: MalformedRing, index: number): string {
  const image = Buffer.from(vector.ringHex, "hex");
  return [
    `static const uint8_t image[] = ${bytesOf(image)};`,
    `drain_image(${index}, ${vector.capacityLog2}, ${vector.tail}ull, ${vector.head ?? 0}ull,`,
    `	    ${vector.sessionId}u, ${vector.previousSessionId}u, ${vector.features}ull,`,
    "	    image, sizeof(image));",
  ].join("\n\t");
}

/** The whole program. */
export function vectorProgram(vectors: Vectors): string {
  const bodies = [
    ...vectors.records.map(recordSource),
    ...vectors.commands.map(commandSource),
    ...vectors.pages.map(pageSource),
    ...vectors.rings.map(ringSource),
    ...vectors.malformed.rings.map(malformedSource),
  ];
  const functions = bodies.map(
    (body, index) => `static void vector_${index}(void)\n{\n\t${body}\n}\n`,
  );
  const calls = bodies.map((_, index) => `\tvector_${index}();`);
  return [
    '#include "vectors.h"\n',
    ...functions,
    "int main(void)\n{",
    ...calls,
    "\treturn 0;\n}\n",
  ].join("\n");
}
