// SPDX-License-Identifier: Apache-2.0
// The words this project does not use, each with the word it uses instead, and the places where
// an outside name leaves no choice. Read by tidy.ts; CONTRIBUTING.md shows the glossary.

/** One refused word: found in prose and as a part of an identifier. */
export type RefusedWord = {
  readonly word: string;
  readonly use: string;
  /** Text that may hold the word: names that others gave. */
  readonly allowed?: RegExp;
};

/** Lower case; a plural is found too. */
export const refusedWords: readonly RefusedWord[] = [
  {
    word: "agent",
    use: "guest driver",
    allowed: /user-space agents?|in-guest agents?|agent in the guest|agent-based|user[-_ ]?agent/gi,
  },
  {
    word: "endpoint",
    use: "guest",
    allowed: /endpoint detection and response|(src|dst)_endpoint/gi,
  },
  { word: "appliance", use: "server" },
  { word: "svm", use: "server VM" },
  // How iproute2 names the bridge of an interface, libvirt a shmem device that migrates, and the
  // kernel a device that may write by itself.
  {
    word: "master",
    use: "server or manager",
    allowed: /master br\w+|\.master\b|\bmaster\?:|"master"|role='master'|pci_set_master/g,
  },
  { word: "slave", use: "guest or server" },
  { word: "backend", use: "manager", allowed: /memory-backend-\w+|fsnotify_backend/gi },
  {
    word: "controller",
    use: "manager",
    allowed: /AbortController|abort ?controller|<controller /gi,
  },
  { word: "onboarding", use: "enrolment or registration" },
  { word: "collector", use: "sensor", allowed: /garbage collectors?/gi },
  { word: "shm", use: "region", allowed: /\/dev\\?\/shm|shm_(open|unlink)|dev_shm/gi },
  // A format of that name and its root element; a column that feeds call so; a corpus.
  { word: "ioc", use: "indicator", allowed: /OpenIOC|<\/?ioc\b|"ioc"|"ioc-lists-maltrail"/g },
  { word: "rpc", use: "command", allowed: /rpc_pipefs|DCE\/RPC/g },
  { word: "whitelist", use: "allow list" },
  { word: "blacklist", use: "block list or indicators" },
  {
    word: "host",
    use: "hypervisor host",
    // The last ones are names that protocols and the logs of other programs gave.
    allowed: new RegExp(
      "hypervisor[ -]hosts?|[\"'`]host[\"'`]|localhost|/etc/hosts|host_(say|wait)" +
        "|host_(key_alg|name)|(\\b|\\\\n)host: |queryHost|http\\.host|HTTP hosts|Font Driver Host" +
        "|__Host-|cs-host|otrf-host-logs|dnsentryitem/host|x_misp_host",
      "gi",
    ),
  },
];

/** Phrases of the founding document and of others for things that have a name here. */
export const refusedPhrases: readonly { readonly phrase: RegExp; readonly use: string }[] = [
  { phrase: /\bterminal VMs?\b/i, use: "guest" },
  { phrase: /\bmiddle layer\b/i, use: "hypervisor host" },
  { phrase: /\bevent bus\b/i, use: "data channel" },
  { phrase: /\bC2\b/, use: "manager" },
];

/** Splits identifiers into their words: `regionHost` and `region_host` hold `host`. */
export function wordsOf(text: string): string[] {
  return text
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}
