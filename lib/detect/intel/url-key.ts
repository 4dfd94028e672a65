// SPDX-License-Identifier: Apache-2.0
// The part of a URL that counts when two are compared. Used by the kinds, the stores and whoever
// looks a URL up.

/** Whether the path or what follows it begins here: a slash, a question mark, a number sign. */
export function isMark(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 47 || code === 63 || code === 35;
}

/** A URL without what says nothing: scheme, user, port 80 and 443, case of the server, fragment. */
export function urlKey(url: string): string | undefined {
  const marks = url.indexOf("://");
  const scheme = marks > 0 && isScheme(url, marks) ? marks + 3 : 0;
  let end = scheme;
  while (end < url.length && !isMark(url, end)) end++;
  let server = url.slice(scheme, end).toLowerCase();
  const at = server.lastIndexOf("@");
  if (at >= 0) server = server.slice(at + 1);
  if (server.endsWith(":80")) server = server.slice(0, -3);
  else if (server.endsWith(":443")) server = server.slice(0, -4);
  if (server.endsWith(".")) server = server.slice(0, -1);
  if (server === "") return undefined;
  const fragment = url.indexOf("#", end);
  const path = url.slice(end, fragment < 0 ? undefined : fragment);
  return path.startsWith("/") ? server + path : `${server}/${path}`;
}

function isScheme(url: string, end: number): boolean {
  for (let at = 0; at < end; at++) if (isMark(url, at)) return false;
  return true;
}

/** Where the path begins in a key. */
export function pathStartOf(key: string): number {
  return key.indexOf("/");
}
