// SPDX-License-Identifier: Apache-2.0
// Folds detections into findings: one case for one rule, guest and process. Bounded; the oldest
// case is forgotten first (whoever keeps findings for good listens to the server).
import type {
  Disposition,
  EvidenceEvent,
  Finding,
  ProcessIdentity,
  Severity,
} from "../model/model.ts";
import { toHex } from "../wire/wire.ts";

/** What a finding is made of. */
export interface FindingInput {
  readonly rule: string;
  readonly title: string;
  readonly severity: Severity;
  readonly field: string;
  readonly value: string;
  readonly tags: readonly string[];
  readonly process: ProcessIdentity;
  readonly evidence: readonly EvidenceEvent[];
  readonly disposition: Disposition;
}

/** A case after one more match. */
export interface FoldedFinding {
  readonly finding: Finding;
  readonly isNew: boolean;
  /** New, acted on, or its count doubled: a flood of matches is not told match by match. */
  readonly isWorthTelling: boolean;
}

const FINDINGS_MAX = 10_000;
const EVIDENCE_MAX = 8;

// What was done weighs more than what was only seen: a later sight never takes it back.
const WEIGHT: Readonly<Record<Disposition, number>> = {
  none: 0,
  allowed: 1,
  pending: 2,
  failed: 3,
  blocked: 4,
  killed: 5,
};

/** The open cases of one server. */
export class FindingStore {
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #byKey = new Map<string, string>();
  readonly #byId = new Map<string, { readonly key: string; finding: Finding }>();

  constructor(randomBytes: (count: number) => Uint8Array) {
    this.#randomBytes = randomBytes;
  }

  get all(): readonly Finding[] {
    return [...this.#byId.values()].map(({ finding }) => finding);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Adds one match to its case, or opens one. */
  fold(input: FindingInput, nowMs: number): FoldedFinding {
    const { guest, boot, pid, processStartNs, execGeneration } = input.process;
    const key = [input.rule, guest, boot, pid, processStartNs, execGeneration].join("|");
    const known = this.#byId.get(this.#byKey.get(key) ?? "");
    if (known === undefined) {
      return { finding: this.#open(key, input, nowMs), isNew: true, isWorthTelling: true };
    }
    const { finding } = known;
    const room = EVIDENCE_MAX - finding.evidence.length;
    known.finding = {
      ...finding,
      lastMs: nowMs,
      count: finding.count + 1,
      evidence:
        room > 0 ? [...finding.evidence, ...input.evidence.slice(0, room)] : finding.evidence,
      disposition: heavier(finding.disposition, input.disposition),
    };
    const isActed = known.finding.disposition !== finding.disposition;
    const isWorthTelling = isActed || Number.isInteger(Math.log2(known.finding.count));
    return { finding: known.finding, isNew: false, isWorthTelling };
  }

  /** Notes a command that a finding led to, or what became of it. */
  act(id: string, disposition: Disposition, command: bigint): Finding | undefined {
    const known = this.#byId.get(id);
    if (known === undefined) return undefined;
    const { finding } = known;
    const isKnown = finding.commands.includes(command);
    const commands = isKnown ? finding.commands : [...finding.commands, command];
    if (isKnown && finding.disposition === disposition) return undefined;
    known.finding = { ...finding, commands, disposition };
    return known.finding;
  }

  /** Notes what became of a finding without a command; undefined when that is no news. */
  settle(id: string, disposition: Disposition): Finding | undefined {
    const known = this.#byId.get(id);
    if (known === undefined) return undefined;
    const next = heavier(known.finding.disposition, disposition);
    if (next === known.finding.disposition) return undefined;
    known.finding = { ...known.finding, disposition: next };
    return known.finding;
  }

  #open(key: string, input: FindingInput, nowMs: number): Finding {
    const { guest } = input.process;
    const evidence = input.evidence.slice(0, EVIDENCE_MAX);
    const finding: Finding = {
      ...input,
      id: toHex(this.#randomBytes(16)),
      guest,
      firstMs: nowMs,
      lastMs: nowMs,
      count: 1,
      evidence,
      commands: [],
    };
    this.#byKey.set(key, finding.id);
    this.#byId.set(finding.id, { key, finding });
    if (this.#byId.size > FINDINGS_MAX) this.#forgetOldest();
    return finding;
  }

  #forgetOldest(): void {
    for (const [id, { key }] of this.#byId) {
      this.#byId.delete(id);
      this.#byKey.delete(key);
      return;
    }
  }
}

const heavier = (one: Disposition, other: Disposition): Disposition =>
  WEIGHT[other] > WEIGHT[one] ? other : one;
