// SPDX-License-Identifier: Apache-2.0
// What a user chose for this browser: language, theme, single keys. Kept in the browser only.
import { LANGUAGES, type Language, languageOf } from "../words/words.ts";

export type Theme = "system" | "light" | "dark";

export interface Preferences {
  readonly language: Language;
  readonly theme: Theme;
  /** Shortcuts of one key without Ctrl or Alt (WCAG 2.1.4 wants them to be turned off). */
  readonly hasKeys: boolean;
}

const NAME = "undercroft";

/** What was chosen before; what the browser asks for otherwise. */
export function readPreferences(): Preferences {
  const kept = parsePreferences(localStorage.getItem(NAME));
  return { language: languageOf(navigator.languages), theme: "system", hasKeys: true, ...kept };
}

/** Keeps and applies them. */
export function applyPreferences(preferences: Preferences): void {
  localStorage.setItem(NAME, JSON.stringify(preferences));
  const { documentElement: page } = document;
  page.lang = LANGUAGES[preferences.language].tag;
  if (preferences.theme === "system") delete page.dataset.theme;
  else page.dataset.theme = preferences.theme;
}

/** Whether the page is dark now. */
export function isDark({ theme }: Preferences): boolean {
  if (theme !== "system") return theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Takes what is right of a kept text: another version may have written it. */
export function parsePreferences(text: string | null): Partial<Preferences> {
  try {
    const { language, theme, hasKeys } = JSON.parse(text ?? "{}") as Record<string, unknown>;
    return {
      ...(language === "en" || language === "zh" ? { language } : {}),
      ...(theme === "system" || theme === "light" || theme === "dark" ? { theme } : {}),
      ...(typeof hasKeys === "boolean" ? { hasKeys } : {}),
    };
  } catch {
    return {};
  }
}
