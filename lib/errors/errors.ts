// SPDX-License-Identifier: Apache-2.0
// The one table of operational errors: what went wrong outside the program, and what to do.
// Guest faults are not here: those are values (lib/model/fault.ts). Bugs are plain asserts.

/** Every operational error code with the meaning that docs/errors.md repeats. */
export const ERROR_TABLE = {
  ERR_UC_ARGUMENT: "A command-line argument or call argument is missing or not valid.",
  ERR_UC_CONFIG: "A configuration file or value is not valid.",
  ERR_UC_NATIVE_MISSING: "No native addon fits this platform, or it could not be loaded.",
  ERR_UC_NATIVE_UNSUPPORTED: "The running Node.js lacks a call that was asked for.",
  ERR_UC_REGION_OPEN: "A region file could not be opened or made.",
  ERR_UC_REGION_SIZE: "A region's size is not a power of two in range, or not the configured one.",
  ERR_UC_REGION_OWNER: "A region file's type, owner or mode is not as configured.",
  ERR_UC_REGION_MAGIC: "A file is not an Undercroft region.",
  ERR_UC_REGION_VERSION: "A region has a layout version that this program does not speak.",
  ERR_UC_REGION_CORRUPT: "A region's superblock or directory contradicts itself.",
  ERR_UC_REGION_CLOSED: "A region was used after it was closed.",
  ERR_UC_HOLDER: "The holder of doorbell regions does not answer, or refuses a request.",
  ERR_UC_RECORDING: "A recording of a region cannot be written, or is not one.",
  ERR_UC_LAYOUT: "A ring layout does not fit the region.",
  ERR_UC_INTERFACE: "A network interface cannot be watched, or its packet thread failed.",
  ERR_UC_INDICATORS: "An indicator file has a line that is not valid.",
  ERR_UC_RULES: "No usable detection rule was found, or a rule's test failed.",
  ERR_UC_FEED: "A feed of threat intelligence cannot be had, or is not what it should be.",
  ERR_UC_PATTERN: "A STIX pattern is not valid, or its verdict cannot be had.",
  ERR_UC_STORE: "A file of the event store cannot be written or read, or is not one.",
  ERR_UC_STORE_KEY: "The event store's key cannot be used, or is not the one that sealed a file.",
  ERR_UC_SEARCH: "A search is not valid, or a page of it cannot be had.",
  ERR_UC_POLICY: "A response policy is not valid.",
  ERR_UC_COMMAND_INVALID: "A command cannot be encoded for the wire.",
  ERR_UC_COMMAND_FAILED: "A command reached its end without being carried out.",
  ERR_UC_GUEST_UNKNOWN: "No guest of that name or id is known to this server.",
  ERR_UC_GUEST_EXISTS: "A guest of that name is already attached to this server.",
  ERR_UC_REDIRECTOR_MISSING:
    "No redirector is there to watch a guest's interface or act at its tap.",
  ERR_UC_QEMU_MISSING: "QEMU is not installed.",
  ERR_UC_QEMU_FAILED: "QEMU ended early or did not answer.",
  ERR_UC_KERNEL_MISSING: "No guest kernel image or its headers could be had.",
  ERR_UC_DRIVER_BUILD: "The guest driver did not build.",
  ERR_UC_TOOL_MISSING: "A program that this command needs is not installed.",
  ERR_UC_LIBVIRT: "libvirt could not be reached, or refused what was asked of it.",
  ERR_UC_DOMAIN_UNKNOWN: "libvirt knows no domain of that name or UUID.",
  ERR_UC_DOMAIN_STATE: "A domain is not in a state in which that can be done.",
  ERR_UC_SERVICE: "The Undercroft service of this hypervisor host did not answer.",
  ERR_UC_LINK: "The link between a server and its manager cannot be used, or is not set up.",
  ERR_UC_LINK_REFUSED: "A manager refuses a server, or a token or certificate does not count.",
  ERR_UC_LINK_FRAME: "What came over the link breaks its rules.",
  ERR_UC_MANAGER: "The manager's state or address cannot be used, or its API refuses a call.",
  ERR_UC_SIGN_IN: "A user, session, token or one-time link does not count at the manager.",
  ERR_UC_GUEST_BOOT: "The guest did not boot, or did not reach the expected point in time.",
  ERR_UC_SCENARIO: "The scripted scenario did not end as expected.",
} as const;

/** A code of {@link ERROR_TABLE}. */
export type ErrorCode = keyof typeof ERROR_TABLE;

const BRAND = Symbol.for("undercroft.error");

/** An operational error: says what failed, where, and what to do. */
export class UndercroftError extends Error {
  readonly code: ErrorCode;
  /** Plain facts for logs and programs: path, line, errno, guest. */
  readonly detail: Readonly<Record<string, string | number>>;

  constructor(
    code: ErrorCode,
    message: string,
    detail: Readonly<Record<string, string | number>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "UndercroftError";
    this.code = code;
    this.detail = detail;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Tells an operational error apart, also across two copies of this package. */
export function isUndercroftError(value: unknown): value is UndercroftError {
  return typeof value === "object" && value !== null && BRAND in value;
}
