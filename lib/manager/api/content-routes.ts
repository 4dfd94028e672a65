// SPDX-License-Identifier: Apache-2.0
// Routes of what servers look for and do: indicators, rules, policy, and who has what of it.
import Type from "typebox";
import { INDICATOR_FORMATS, type IndicatorFormat } from "../../detect/detect.ts";
import type { ApiContentState, ApiRuleFile } from "../../model/model.ts";
import { closed, type Routes } from "./call.ts";

const UPLOAD_BYTES_MAX = 64 << 20;

export const contentRoutes: Routes = {
  uploadIndicators: {
    bodyBytesMax: UPLOAD_BYTES_MAX,
    body: Type.Object(
      {
        source: Type.String({ minLength: 1, maxLength: 200 }),
        text: Type.String(),
        format: Type.Optional(Type.Enum([...INDICATOR_FORMATS])),
      },
      closed,
    ),
    handle: ({ parts, body }) => {
      const format = body.format as IndicatorFormat | undefined;
      return parts.content.upload(String(body.source), String(body.text), format);
    },
  },
  lookUpIndicator: {
    query: Type.Object({ value: Type.String({ maxLength: 4096 }) }, closed),
    handle: ({ parts, query }) => parts.content.lookUp(query.value ?? ""),
  },
  contentState: {
    handle: ({ parts }): ApiContentState => {
      const { versions: current, size: indicators, servers } = parts.content;
      return { current, indicators, servers };
    },
  },
  pushContent: {
    handle: ({ parts }) => {
      parts.content.pushAll();
      return {};
    },
  },
  readRules: { handle: ({ parts }) => parts.content.rules },
  changeRules: {
    bodyBytesMax: UPLOAD_BYTES_MAX,
    body: Type.Object(
      {
        files: Type.Array(
          Type.Object({ name: Type.String({ maxLength: 200 }), text: Type.String() }, closed),
          { maxItems: 10_000 },
        ),
      },
      closed,
    ),
    handle: ({ parts, body }) => ({
      problems: parts.content.useRules(body.files as readonly ApiRuleFile[]),
    }),
  },
  readPolicy: { handle: ({ parts }) => ({ text: parts.content.policy }) },
  changePolicy: {
    body: Type.Object({ text: Type.String({ maxLength: 1 << 19 }) }, closed),
    handle: ({ parts, body }) => {
      parts.content.usePolicy(String(body.text));
      return {};
    },
  },
};
