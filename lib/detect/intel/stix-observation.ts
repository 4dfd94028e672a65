// SPDX-License-Identifier: Apache-2.0
// Observations as the evaluator of STIX patterns sees them: times, how often, and the cyber
// observable objects with their references resolved by id within the same observation.
import { UndercroftError } from "../../errors/errors.ts";
import { plainText } from "./json-fields.ts";
import { EACH, type StixPath } from "./stix-ast.ts";
import { propertyValue } from "./stix-bytes.ts";
import { readStixTime } from "./stix-values.ts";

/** Steps of one walk along a path. */
const WALK_MAX = 1_000_000;

type Properties = Readonly<Record<string, unknown>>;

/** One observed-data object and what it refers to. */
export interface StixObservation {
  readonly firstMs: number;
  readonly lastMs: number;
  /** How often it was observed (number_observed). */
  readonly count: number;
  readonly objects: ReadonlyMap<string, Properties>;
}

/**
 * The observations among the objects of a bundle: each observed-data with the objects that it
 * refers to (STIX 2.1), or holds itself (2.0).
 * @throws {UndercroftError} ERR_UC_PATTERN for an observation without times or count
 */
export function stixObservations(objects: readonly unknown[]): StixObservation[] {
  const all = objects.filter(isProperties);
  const byId = new Map(all.map((object) => [plainText(object.id), object]));
  return all
    .filter(({ type }) => type === "observed-data")
    .map((data) => ({
      firstMs: timeOf(data, "first_observed"),
      lastMs: timeOf(data, "last_observed"),
      count: countOf(data),
      objects: observed(data, byId),
    }));
}

function observed(
  data: Properties,
  byId: ReadonlyMap<string, Properties>,
): Map<string, Properties> {
  const found = new Map<string, Properties>();
  for (const id of Array.isArray(data.object_refs) ? data.object_refs : []) {
    const object = byId.get(plainText(id));
    if (object !== undefined) found.set(plainText(id), object);
  }
  for (const [id, object] of Object.entries(isProperties(data.objects) ? data.objects : {})) {
    if (isProperties(object)) found.set(id, object);
  }
  return found;
}

function timeOf(data: Properties, name: string): number {
  const time = readStixTime(plainText(data[name]));
  if (time === undefined) throw badObservation(data, `${name} is no time`);
  return time.seconds * 1000 + Number(`0.${time.fraction || "0"}`) * 1000;
}

function countOf(data: Properties): number {
  const count = data.number_observed;
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 1) {
    throw badObservation(data, "number_observed is no count");
  }
  return count;
}

function badObservation(data: Properties, what: string): UndercroftError {
  const id = plainText(data.id).slice(0, 80);
  return new UndercroftError("ERR_UC_PATTERN", `observation ${id}: ${what}`);
}

/** Whether a value is an object of JSON that is no list. */
export function isProperties(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Calls back with each value that a path leads to from one root object; true from it ends. */
export function someValue(
  observation: StixObservation,
  root: Properties,
  { steps }: StixPath,
  test: (value: unknown) => boolean,
): boolean {
  // References may lead in circles, and each [*] multiplies: the walk as a whole is bounded.
  let left = WALK_MAX;
  const walk = (value: unknown, at: number, isReferences: boolean): boolean => {
    if (left-- <= 0) throw new UndercroftError("ERR_UC_PATTERN", "an object path leads too far");
    const step = steps[at];
    if (step === undefined) return test(value);
    if (step === EACH || typeof step === "number") {
      if (!Array.isArray(value)) return false;
      const elements = step === EACH ? value : value.slice(step, step + 1);
      return elements.some((element) => {
        const one = isReferences ? observation.objects.get(plainText(element)) : element;
        return one !== undefined && walk(one, at + 1, false);
      });
    }
    if (!isProperties(value) || !Object.hasOwn(value, step)) return false;
    const next = propertyValue(step, value[step]);
    if (!step.endsWith("_ref")) return walk(next, at + 1, step.endsWith("_refs"));
    const object = observation.objects.get(plainText(next));
    return object !== undefined && walk(object, at + 1, false);
  };
  return walk(root, 0, false);
}
