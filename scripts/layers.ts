// SPDX-License-Identifier: Apache-2.0
// The import law of ARCHITECTURE.md, made from one table (layers.json) into dependency-cruiser
// rules, plus the include law of the C side. Called by scripts/check.ts; test/repo plants a
// violation of every rule and expects it found.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { cruise, type ICruiseResult, type IForbiddenRuleType } from "dependency-cruiser";
import table from "./layers.json" with { type: "json" };

/** One broken rule: which rule, which file, what it reached for. */
export type Violation = { readonly rule: string; readonly from: string; readonly to: string };

type IncludeRule = {
  readonly folders: readonly string[];
  readonly system: "any" | readonly string[];
  readonly refused?: readonly string[];
  /** Headers that the builder finds on its include path: one a platform. */
  readonly provided?: readonly string[];
};

const rooms: readonly string[] = table.floors.flat();
const includeRules = table.includes as Readonly<Record<string, IncludeRule>>;
const cruised = ["lib", "scripts", "bench", "console"];
const cSource = /\.(c|cc|h)$/;

/** The dependency-cruiser rules that layers.json stands for. */
export function importRules(): IForbiddenRuleType[] {
  return [
    ...rooms.map(floorRule),
    {
      name: "face",
      comment: "a room is entered through its face, lib/<room>/<room>.ts",
      from: { path: "^(?:lib/([^/]+)|scripts|bench|console)/" },
      to: { path: "^lib/([^/]+)/", pathNot: ["^lib/$1/", "^lib/([^/]+)/\\1\\.ts$"] },
    },
    {
      name: "known-room",
      comment: "every folder of lib has a floor in scripts/layers.json",
      from: {},
      to: { path: "^lib/", pathNot: rooms.map((room) => `^${placeOf(room)}`) },
    },
    {
      name: "pure",
      comment: "these rooms are pure functions: no file, no network, no clock",
      from: { path: `^lib/(${table.pure.join("|")})/` },
      to: { dependencyTypes: ["core"] },
    },
    ...Object.entries(table.never).map(([room, refused]) => ({
      name: `never-${room}`,
      comment: "this room runs on a machine that has no regions",
      from: { path: `^lib/${room}/` },
      to: { path: `^lib/(${refused.join("|")})/`, reachable: true },
    })),
    {
      name: "addon-loader",
      comment: "only one room loads the addon",
      from: { pathNot: `^lib/${table.addonLoader}/` },
      to: { path: "\\.node$" },
    },
    {
      name: "console",
      comment: "the console knows the manager's HTTP API and the model's types only",
      from: { path: "^console/" },
      to: { path: "^(lib|addon|scripts|bench)/", pathNot: `^lib/${table.console.room}/` },
    },
    {
      name: "product-only",
      comment: "the product imports none of the repository's tools and tests",
      from: { path: "^lib/" },
      to: { path: "^(scripts|test|bench|fuzz|console)/" },
    },
    {
      name: "circular",
      comment: "no import circle",
      from: { path: "^lib/" },
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "every import leads somewhere",
      from: {},
      to: { couldNotResolve: true },
    },
  ];
}

/** A room imports lower floors only; ground rooms say by name whom they may import. */
function floorRule(room: string): IForbiddenRuleType {
  const floor = table.floors.findIndex((names) => names.includes(room));
  const ground = table.groundImports as Readonly<Record<string, readonly string[]>>;
  const allowed = floor === 0 ? (ground[room] ?? []) : table.floors.slice(0, floor).flat();
  return {
    name: `floor-${room}`,
    comment: `${room} is on floor ${floor} and imports ${allowed.join(", ") || "no room"}`,
    from: { path: `^${placeOf(room)}` },
    to: { path: "^lib/", pathNot: [room, ...allowed].map((name) => `^${placeOf(name)}`) },
  };
}

function placeOf(room: string): string {
  return room.endsWith(".ts") ? `lib/${room.replace(".", "\\.")}$` : `lib/${room}/`;
}

/** Follows every import below `root` and returns the broken rules. */
export async function importViolations(root: string): Promise<Violation[]> {
  const result = await cruise(
    cruised.filter((name) => existsSync(join(root, name))),
    {
      baseDir: root,
      validate: true,
      ruleSet: { forbidden: importRules() },
      tsPreCompilationDeps: true,
      doNotFollow: { path: "node_modules" },
      enhancedResolveOptions: {
        exportsFields: ["exports"],
        conditionNames: ["import", "types", "node", "default"],
      },
    },
  );
  const { summary } = result.output as ICruiseResult;
  if (summary.totalCruised === 0) throw new Error(`dependency-cruiser saw no file in ${root}`);
  return [
    ...summary.violations.map(({ rule, from, to }) => ({ rule: rule.name, from, to })),
    ...loaderViolations(root),
  ];
}

/** The addon is loaded by a computed path, which no import graph shows: look at the words. */
function loaderViolations(root: string): Violation[] {
  const loads = /process\.dlopen|createRequire|undercroft\.node/;
  return listFiles(root, "lib")
    .filter((file) => file.endsWith(".ts") && !file.startsWith(`lib/${table.addonLoader}/`))
    .flatMap((from) => {
      const found = loads.exec(readFileSync(join(root, from), "utf8"));
      return found === null ? [] : [{ rule: "addon-loader", from, to: found[0] }];
    });
}

/** Checks each `#include` of our C and C++ and returns the broken rules. */
export function includeViolations(root: string): Violation[] {
  return ["addon", "guest-drivers", "hypervisor"]
    .flatMap((name) => listFiles(root, name))
    .filter((file) => cSource.test(file))
    .flatMap((file) => fileIncludes(root, file));
}

function fileIncludes(root: string, from: string): Violation[] {
  // The table lists the narrower folder first.
  const entry = Object.entries(includeRules).find(([folder]) => from.startsWith(`${folder}/`));
  if (entry === undefined) throw new Error(`${from} has no include rule in scripts/layers.json`);
  const [, rule] = entry;
  const text = readFileSync(join(root, from), "utf8");
  return [...text.matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)]
    .filter(([, mark, name = ""]) =>
      mark === "<" ? !maySystem(rule, name) : !mayLocal(root, rule, from, name),
    )
    .map(([, , to = ""]) => ({ rule: `include-${entry[0]}`, from, to }));
}

function maySystem(rule: IncludeRule, name: string): boolean {
  if (rule.refused?.includes(name)) return false;
  return rule.system === "any" || rule.system.includes(name);
}

function mayLocal(root: string, rule: IncludeRule, from: string, name: string): boolean {
  if (rule.provided?.includes(name)) return true;
  const beside = relative(root, join(root, dirname(from), name));
  const places = [beside, ...rule.folders.map((folder) => join(folder, name))];
  return places.some(
    (place) =>
      existsSync(join(root, place)) &&
      rule.folders.some((folder) => place.startsWith(`${folder}/`)),
  );
}

function listFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}
