// SPDX-License-Identifier: Apache-2.0
// Where the browser enters: puts the console into the page.
import { render } from "preact";
import { App } from "./app.tsx";

const place = document.getElementById("console");
if (place !== null) render(<App />, place);
