// SPDX-License-Identifier: Apache-2.0
// Holds an event against the OCSF schema's own files: only declared attributes, the required ones,
// values of the enumerations, objects inside objects. Called by ocsf.test.ts.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Attribute {
  readonly requirement?: string;
  readonly enum?: Readonly<Record<string, unknown>>;
  readonly type?: string;
}

interface Definition {
  readonly uid?: number;
  readonly extends?: string;
  readonly attributes?: Readonly<Record<string, Attribute | readonly string[]>>;
  readonly constraints?: { readonly at_least_one?: readonly string[] };
}

type Attributes = Map<string, Attribute>;

/** Network activity. */
const CATEGORY = 4;
const DERIVED: ReadonlySet<string> = new Set(["category_uid", "class_uid", "type_uid"]);

/** The schema in a folder. */
export class OcsfSchema {
  readonly #folder: string;
  readonly #dictionary: Readonly<Record<string, Attribute>>;

  constructor(folder: string) {
    this.#folder = folder;
    this.#dictionary = (
      this.#read("dictionary.json") as { attributes: Readonly<Record<string, Attribute>> }
    ).attributes;
  }

  /** What is wrong with an event of a class; empty when nothing is. */
  problems(classFile: string, event: unknown): string[] {
    const problems: string[] = [];
    const file = `events/network/${classFile}.json`;
    const attributes = this.#attributes(file, "events");
    // The schema derives these from its folders; as it stands they have no values of their own.
    const { uid = 0 } = this.#read(file) as Definition;
    const ids = event as Readonly<Record<string, unknown>>;
    const classUid = CATEGORY * 1000 + uid;
    if (ids.category_uid !== CATEGORY) problems.push(`${classFile}.category_uid: not ${CATEGORY}`);
    if (ids.class_uid !== classUid) problems.push(`${classFile}.class_uid: not ${classUid}`);
    if (ids.type_uid !== classUid * 100 + Number(ids.activity_id)) {
      problems.push(`${classFile}.type_uid: not class and activity`);
    }
    this.#check(attributes, [], event, classFile, problems);
    return problems;
  }

  #check(
    attributes: Attributes,
    oneOf: readonly string[],
    value: unknown,
    place: string,
    problems: string[],
  ): void {
    if (typeof value !== "object" || value === null) {
      problems.push(`${place}: not an object`);
      return;
    }
    const fields = value as Readonly<Record<string, unknown>>;
    for (const [name, { requirement }] of attributes) {
      if (requirement === "required" && !(name in fields))
        problems.push(`${place}.${name}: missing`);
    }
    if (oneOf.length > 0 && !oneOf.some((name) => name in fields)) {
      problems.push(`${place}: none of ${oneOf.join(", ")}`);
    }
    for (const [name, field] of Object.entries(fields)) {
      const attribute = attributes.get(name);
      if (attribute === undefined) problems.push(`${place}.${name}: not declared`);
      else this.#value(name, attribute, field, `${place}.${name}`, problems);
    }
  }

  #value(
    name: string,
    attribute: Attribute,
    value: unknown,
    place: string,
    problems: string[],
  ): void {
    for (const one of Array.isArray(value) ? value : [value]) {
      const known = this.#dictionary[name];
      const values = DERIVED.has(name) ? {} : { ...known?.enum, ...attribute.enum };
      if (Object.keys(values).length > 0 && !(String(one) in values)) {
        problems.push(`${place}: ${one} is none of its values`);
      }
      const type = attribute.type ?? known?.type ?? "";
      const file = `objects/${type}.json`;
      if (type === "object" || !existsSync(join(this.#folder, file))) {
        this.#plain(type, one, place, problems);
        continue;
      }
      const oneOf = (this.#read(file) as Definition).constraints?.at_least_one ?? [];
      this.#check(this.#attributes(file, "objects"), oneOf, one, place, problems);
    }
  }

  #plain(type: string, value: unknown, place: string, problems: string[]): void {
    const wanted = /^(integer|long|timestamp|port|float)_t$/.test(type)
      ? "number"
      : type === "boolean_t"
        ? "boolean"
        : type === "object" || type === "json_t"
          ? "object"
          : "string";
    if (typeof value !== wanted) problems.push(`${place}: ${typeof value}, not ${type}`);
  }

  #attributes(file: string, kind: string): Attributes {
    const definition = this.#read(file) as Definition;
    const parent = definition.extends;
    const found: Attributes = parent === undefined ? new Map() : this.#parent(parent, kind);
    for (const [name, attribute] of Object.entries(definition.attributes ?? {})) {
      if (name !== "$include") {
        found.set(name, { ...found.get(name), ...(attribute as Attribute) });
        continue;
      }
      for (const profile of attribute as readonly string[]) {
        for (const [key, one] of this.#attributes(profile, kind)) {
          if (!found.has(key)) found.set(key, { ...one, requirement: "optional" });
        }
      }
    }
    return found;
  }

  #parent(name: string, kind: string): Attributes {
    const places =
      kind === "objects"
        ? [`objects/${name}.json`]
        : [`events/${name}.json`, `events/network/${name}.json`];
    const file = places.find((place) => existsSync(join(this.#folder, place)));
    return file === undefined ? new Map() : this.#attributes(file, kind);
  }

  #read(file: string): unknown {
    return JSON.parse(readFileSync(join(this.#folder, file), "utf8"));
  }
}
