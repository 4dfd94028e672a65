// SPDX-License-Identifier: Apache-2.0
// Text from a guest: decoded whatever it is, and shown so that it cannot steer a terminal.
import { describe, expect, it } from "vitest";
import {
  decodeFixedText,
  decodeText,
  encodeText,
  fromHex,
  printable,
} from "../../../lib/wire/wire.ts";

describe("decoding", () => {
  it.each([
    ["a lone continuation byte", [0x61, 0x80, 0x62], "a\ufffdb"],
    ["an overlong slash", [0xc0, 0xaf], "\ufffd\ufffd"],
    ["a surrogate half", [0xed, 0xa0, 0x80], "\ufffd\ufffd\ufffd"],
    ["a cut sequence", [0xe2, 0x82], "\ufffd"],
    ["a byte order mark", [0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
    ["a NUL", [0x61, 0, 0x62], "a\0b"],
  ])("replaces what is wrong and keeps the rest: %s", (_what, bytes, text) => {
    expect(decodeText(Uint8Array.from(bytes), 0, bytes.length)).toBe(text);
  });

  it("takes the given bytes only", () => {
    expect(decodeText(encodeText("abcdef"), 2, 3)).toBe("cde");
    expect(decodeText(encodeText("abcdef"), 2, 0)).toBe("");
  });

  it("ends a fixed field at its first NUL, or at its size", () => {
    const bytes = encodeText("abc\0def");
    expect(decodeFixedText(bytes, 0, 7)).toBe("abc");
    expect(decodeFixedText(bytes, 4, 2)).toBe("de");
    expect(decodeFixedText(bytes, 3, 4)).toBe("");
  });
});

describe("printing", () => {
  it.each([
    ["a colour sequence", "\u001b[31mred", "\\x1b[31mred"],
    ["a one-byte sequence", "\u009b31m", "\\x9b31m"],
    ["a new line in a path", "/tmp/a\nb\r", "/tmp/a\\x0ab\\x0d"],
    ["a right-to-left mark", "/tmp/\u202etxt.exe", "/tmp/\\u{202e}txt.exe"],
    ["a joiner that hides", "e\u200bvil", "e\\u{200b}vil"],
    ["a line separator", "a\u2028b", "a\\u{2028}b"],
    ["a tag beyond 16 bits", "a\u{e0041}b", "a\\u{e0041}b"],
    ["letters of any script", "ümläut-日本 🦊", "ümläut-日本 🦊"],
  ])("shows %s as it is", (_what, given, shown) => {
    expect(printable(given)).toBe(shown);
  });
});

describe("hex", () => {
  it("takes both cases and refuses what is none", () => {
    expect([...fromHex("00Ff")]).toEqual([0, 255]);
    for (const wrong of ["f", "gg", "0x00", " 0"]) expect(() => fromHex(wrong)).toThrow(RangeError);
  });
});
