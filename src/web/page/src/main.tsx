// Where the page starts.

import { render } from "preact";

import { App } from "./app";
import { startLive } from "./live";
import { startTheme } from "./theme";
import "./style.css";

startTheme();
startLive();
const root = document.getElementById("app");
if (root) render(<App />, root);
