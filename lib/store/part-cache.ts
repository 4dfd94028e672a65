// SPDX-License-Identifier: Apache-2.0
// Decrypted parts in memory files, as many as fit; those longest unused go first. A part that a
// query looks at stays until it is let go.
import { closeSync } from "node:fs";

interface Opened {
  readonly fd: number;
  readonly bytes: number;
  users: number;
  isGone: boolean;
}

/** Parts by file name. */
export class PartCache {
  readonly #open: (file: string) => { fd: number; bytes: number };
  readonly #bytesMax: number;
  readonly #parts = new Map<string, Opened>();
  #bytes = 0;

  constructor(bytesMax: number, open: (file: string) => { fd: number; bytes: number }) {
    this.#bytesMax = bytesMax;
    this.#open = open;
  }

  /** The descriptor of a part, which stays valid until {@link release}. */
  acquire(file: string): number {
    let part = this.#parts.get(file);
    if (part === undefined) {
      part = { ...this.#open(file), users: 0, isGone: false };
      this.#bytes += part.bytes;
    }
    this.#parts.delete(file);
    this.#parts.set(file, part);
    part.users += 1;
    this.#trim();
    return part.fd;
  }

  release(file: string): void {
    const part = this.#parts.get(file);
    if (part === undefined) return;
    part.users -= 1;
    if (part.isGone && part.users === 0) this.#drop(file, part);
    this.#trim();
  }

  /** The file is no more. */
  forget(file: string): void {
    const part = this.#parts.get(file);
    if (part === undefined) return;
    part.isGone = true;
    if (part.users === 0) this.#drop(file, part);
  }

  close(): void {
    for (const [file, part] of this.#parts) this.#drop(file, part);
  }

  #trim(): void {
    for (const [file, part] of this.#parts) {
      if (this.#bytes <= this.#bytesMax) return;
      if (part.users === 0) this.#drop(file, part);
    }
  }

  #drop(file: string, part: Opened): void {
    closeSync(part.fd);
    this.#bytes -= part.bytes;
    this.#parts.delete(file);
  }
}
