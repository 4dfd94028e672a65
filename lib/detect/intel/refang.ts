// SPDX-License-Identifier: Apache-2.0
// Takes back what people do to addresses, domains and URLs so that nobody clicks on them by
// mistake. Called by importers for kinds of the network and of mail only: elsewhere a bracket is
// a bracket.

const SIGNS = /[[({<\\]|^h(?:xx|\*\*)p|^fxp/i;
const DOTS = /\s*(?:\[\s*(?:\.|dot)\s*\]|\(\s*(?:\.|dot)\s*\)|\{\s*(?:\.|dot)\s*\}|\\\.)\s*/gi;
const AT_SIGNS = /\s*(?:\[\s*(?:@|at)\s*\]|\(\s*(?:@|at)\s*\))\s*/gi;

/** The value as it was before it was made harmless; any other text is itself. */
export function refang(text: string): string {
  if (!SIGNS.test(text)) return text;
  return text
    .replace(/^<(.*)>$/, "$1")
    .replace(/^h(?:xx|\*\*)p(s?)(?=\W)/i, "http$1")
    .replace(/^fxp(s?)(?=\W)/i, "ftp$1")
    .replaceAll(/\[:\/\/\]|\(:\/\/\)|\[:\]\/\//g, "://")
    .replaceAll(DOTS, ".")
    .replaceAll(/\[:\]|\(:\)/g, ":")
    .replaceAll("[/]", "/")
    .replaceAll(AT_SIGNS, "@");
}
