// SPDX-License-Identifier: Apache-2.0
// The package's front door: the version and, as rooms are finished, what users import.

/** The version of this package, equal to the one in package.json. */
export const version = "0.1.0";
