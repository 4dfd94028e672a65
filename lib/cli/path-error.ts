// SPDX-License-Identifier: Apache-2.0
// The rooms below judge regions and know no paths; a person with ten regions needs the path. Called
// by the commands that open files.
import { UndercroftError } from "../errors/errors.ts";

/** The same error, naming the file unless it does already. */
export function namingPath(error: UndercroftError, path: string): UndercroftError {
  if (error.message.includes(path)) return error;
  const message = `${path}: ${error.message}`;
  return new UndercroftError(error.code, message, { ...error.detail, path }, { cause: error });
}
