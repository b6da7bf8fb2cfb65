// The built page in headless Chromium, as the binary serves it: same Content-Security-Policy, the made-up API behind
// it. Takes pictures into a folder and fails on a console error, a request elsewhere, or a task that blocks too long.
//   node dev/look.mjs --out DIR [--only NAME,NAME] [--chromium /usr/bin/chromium]

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";

import { mock } from "./mock.mjs";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    only: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const LINK = "#/link/" + encodeURIComponent("leaf3:Ethernet1/2 - spine2:Ethernet1/3");
const LONGEST_TASK_MS = 200;
const wide = { width: 1400, height: 1000 };
const phone = { width: 375, height: 812, mobile: true };

const ROWS = "document.querySelectorAll('table.links tbody tr:not(.space)').length";
const TAP = `(async () => {
  const box = document.querySelector('.canvasbox'), at = box.getBoundingClientRect();
  for (let y = 10; y < at.height && location.hash.length < 3; y += 12) for (let x = 10; x < at.width - 130 && location.hash.length < 3; x += 16) {
    box.dispatchEvent(new MouseEvent('click', { clientX: at.x + x, clientY: at.y + y, bubbles: true }));
    if (x % 64 === 10) await new Promise((go) => setTimeout(go));
  }
})()`;
// Name, address, what to look with. `act` runs in the page, `keys` are typed, `hover` is pointed at, `gone` closes the
// server; `expect` must then be true.
const LOOKS = [
  { name: "overview", ...wide },
  { name: "overview-full", ...wide, full: true },
  { name: "overview-dark", ...wide, dark: true, full: true },
  { name: "overview-phone", ...phone, full: true },
  { name: "overview-phone-dark", ...phone, dark: true },
  { name: "overview-calm", ...wide, scene: "calm" },
  { name: "alert-open", ...wide, act: "document.querySelectorAll('.alert summary')[2].click()" },
  { name: "filtered", ...wide, hash: "#/?q=leaf1&links=-ab", expect: `${ROWS} === 7 && document.querySelector('th.c-ab').ariaSort === 'descending'` },
  { name: "keys", ...wide, keys: ["/", "l", "e", "a", "f", "1", ":"], expect: `${ROWS} === 7 && location.hash === '#/?q=leaf1%3A'` },
  { name: "keys-escape", ...wide, keys: ["/", "l", "e", "Escape"], expect: `location.hash === '#/' && document.activeElement.type === 'search'` },
  { name: "chip", ...wide, act: "document.querySelector('.chip.down').click()", expect: `${ROWS} === 1` },
  { name: "theme", ...wide, act: "(async () => { for (const _ of [1, 2]) { document.querySelector('.theme').click(); await new Promise((go) => setTimeout(go, 200)); } })()", expect: "document.documentElement.dataset.theme === 'dark' && localStorage['selvedge.theme'] === 'dark'" },
  { name: "tap", ...phone, act: TAP, expect: "/^#.(device|link)/.test(location.hash)" },
  { name: "tip", ...wide, hover: "canvas", expect: "!!document.querySelector('.tip')" },
  { name: "link", ...wide, hash: LINK, full: true, wait: 2500 },
  { name: "link-dark", ...wide, hash: `${LINK}?range=6h`, dark: true, full: true, wait: 2500 },
  { name: "link-phone", ...phone, hash: LINK, full: true, wait: 2500 },
  { name: "link-gap", ...wide, hash: `${"#/link/" + encodeURIComponent("leaf6:Ethernet1/1 - spine1:Ethernet1/6")}?range=1h`, full: true, wait: 2500 },
  { name: "device", ...wide, hash: "#/device/leaf2", full: true },
  { name: "device-phone", ...phone, hash: "#/device/leaf2", full: true },
  { name: "device-hostile", ...wide, hash: "#/device/leaf3", full: true, expect: "document.images.length === 0 && document.body.textContent.includes('onerror')" },
  { name: "interface", ...wide, hash: "#/interface/leaf2/Ethernet1%2F1", full: true, wait: 2500 },
  { name: "alerts", ...wide, hash: "#/alerts", act: "document.querySelectorAll('.summarybutton')[1].click()" },
  { name: "alerts-phone", ...phone, hash: "#/alerts" },
  { name: "about", ...wide, hash: "#/about" },
  { name: "gone", ...wide, gone: true },
  { name: "back", ...wide, gone: true, back: true },
  { name: "tablet", width: 860, height: 1100 },
  { name: "empty", ...wide, scene: "empty" },
  { name: "discovering", ...wide, scene: "discovering" },
  { name: "none", ...wide, scene: "none" },
  { name: "nolinks", ...wide, scene: "nolinks" },
  { name: "many", ...wide, links: 10_000, wait: 9000, full: true, expect: `${ROWS} > 10 && ${ROWS} < 60` },
  { name: "many-filtered", ...wide, links: 10_000, wait: 7000, hash: "#/?q=leaf12%20&links=-ab" },
  { name: "many-scrolled", ...wide, links: 10_000, wait: 6000, act: "document.querySelector('table.links').closest('.scroll').scrollTop = 200000", expect: "Number(document.querySelector('table.links tbody tr:not(.space)').ariaRowIndex) > 5000" },
  { name: "many-sorted", ...wide, links: 10_000, wait: 6000, act: "document.querySelector('table.links th.c-ab button').click()" },
  { name: "many-phone", ...phone, links: 10_000, wait: 7000 },
];

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

function serve(options, port = 0) {
  const handle = mock(options);
  const server = createServer((request, response) => {
    if (handle(request, response)) return;
    const path = new URL(request.url, "http://localhost").pathname;
    const file = path === "/" ? "index.html" : path.slice(1);
    try {
      const body = readFileSync(new URL(`../dist/${file}`, import.meta.url));
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((ready) => server.listen(port, "127.0.0.1", () => ready(server)));
}

/** Chromium's protocol over a pipe: messages are JSON, each ended by a zero byte. */
class Browser {
  constructor(binary) {
    this.profile = mkdtempSync(join(tmpdir(), "selvedge-look-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", `--user-data-dir=${this.profile}`, "--remote-debugging-pipe", "about:blank"];
    this.child = spawn(binary, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.next = 1;
    this.waiting = new Map();
    this.heard = () => {};
    let rest = "";
    this.child.stdio[4].on("data", (chunk) => {
      const parts = (rest + chunk).split("\0");
      rest = parts.pop();
      for (const part of parts) {
        const message = JSON.parse(part);
        const waiter = this.waiting.get(message.id);
        this.waiting.delete(message.id);
        if (waiter) message.error ? waiter.reject(new Error(message.error.message)) : waiter.resolve(message.result);
        else this.heard(message);
      }
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  async close() {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    await this.send("Browser.close").catch(() => {});
    await gone;
    rmSync(this.profile, { recursive: true, force: true });
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The longest task of the page's main thread in processor time, so that a busy machine does not blame the page. */
function longestTask(events) {
  const mains = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid} ${e.tid}`));
  const tasks = events.filter((e) => e.name.endsWith("RunTask") && mains.has(`${e.pid} ${e.tid}`));
  return Math.round(Math.max(0, ...tasks.map((e) => (e.tdur ?? e.dur ?? 0) / 1000)));
}

async function look(browser, spec) {
  let server = await serve({ scene: spec.scene, links: spec.links });
  const { port } = server.address();
  const origin = `http://127.0.0.1:${port}`;
  const { browserContextId } = await browser.send("Target.createBrowserContext");
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank", browserContextId });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const problems = [];
  const trace = [];
  let traced = () => {};
  browser.heard = ({ method, params }) => {
    if (method === "Runtime.exceptionThrown") problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) problems.push(`console: ${params.args.map((a) => a.value ?? a.description).join(" ")}`);
    if (method === "Log.entryAdded" && params.entry.level === "error" && !spec.gone) problems.push(`log: ${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Network.requestWillBeSent" && !params.request.url.startsWith(origin) && !params.request.url.startsWith("data:")) problems.push(`asked elsewhere: ${params.request.url}`);
    if (method === "Tracing.dataCollected") trace.push(...params.value);
    if (method === "Tracing.tracingComplete") traced();
    if (method === "Page.javascriptDialogOpening") problems.push("a dialog opened");
  };
  for (const domain of ["Runtime", "Log", "Network", "Page"]) await send(`${domain}.enable`);
  await send("Emulation.setDeviceMetricsOverride", { width: spec.width, height: spec.height, deviceScaleFactor: 1, mobile: spec.mobile ?? false });
  if (spec.mobile) await send("Emulation.setTouchEmulationEnabled", { enabled: true });
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: spec.dark ? "dark" : "light" }] });
  await browser.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "__metadata"] } });
  await send("Page.navigate", { url: `${origin}/${spec.hash ?? ""}` });
  await pause(spec.wait ?? 2200);
  const evaluate = async (expression) => (await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true })).result.value;
  if (spec.act) await evaluate(spec.act);
  for (const key of spec.keys ?? []) {
    const text = key.length === 1 ? key : undefined;
    await send("Input.dispatchKeyEvent", { type: "keyDown", key, text });
    await send("Input.dispatchKeyEvent", { type: "keyUp", key });
    await pause(60);
  }
  if (spec.hover) {
    const at = await evaluate(`(() => { const b = document.querySelector(${JSON.stringify(spec.hover)}).getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()`);
    for (let i = 0; i < 60 && !(await evaluate("!!document.querySelector('.tip')")); i += 1) {
      await send("Input.dispatchMouseEvent", { type: "mouseMoved", x: at[0] + at[2] * (0.2 + i * 0.011), y: at[1] + at[3] * 0.45 });
      await pause(60);
    }
  }
  if (spec.gone) {
    server.closeAllConnections();
    server.close();
    await pause(6500);
    if (!(await evaluate("!!document.querySelector('.banner')"))) problems.push("it does not say that the server is gone");
  }
  if (spec.back) {
    server = await serve({ scene: spec.scene, links: spec.links }, port);
    await pause(6500);
    if (await evaluate("!!document.querySelector('.banner')")) problems.push("it did not come back");
  }
  if (spec.act || spec.keys) await pause(1500);
  if (spec.expect && (await evaluate(spec.expect)) !== true) problems.push(`not so: ${spec.expect} at ${await evaluate("location.hash")}`);
  const complete = new Promise((done) => (traced = done));
  await browser.send("Tracing.end");
  await complete;
  const long = longestTask(trace);
  if (long > LONGEST_TASK_MS) problems.push(`a task of ${long} ms`);
  const over = await evaluate("document.documentElement.scrollWidth - innerWidth");
  if (over > 0) problems.push(`wider than the screen by ${over} px`);
  if (values.out) {
    if (spec.full) {
      const height = await evaluate("document.documentElement.scrollHeight");
      await send("Emulation.setDeviceMetricsOverride", { width: spec.width, height: Math.min(height, 4000), deviceScaleFactor: 1, mobile: spec.mobile ?? false });
      await pause(700);
    }
    const { data } = await send("Page.captureScreenshot", { format: "png" });
    mkdirSync(values.out, { recursive: true });
    writeFileSync(join(values.out, `${spec.name}.png`), Buffer.from(data, "base64"));
  }
  await browser.send("Target.closeTarget", { targetId });
  await browser.send("Target.disposeBrowserContext", { browserContextId });
  server.closeAllConnections();
  server.close();
  console.log(`${problems.length ? "FAIL" : "ok  "} ${spec.name.padEnd(22)} longest task ${String(long).padStart(4)} ms${problems.map((p) => `\n     ${p}`).join("")}`);
  return problems.length;
}

const only = values.only?.split(",");
const browser = new Browser(values.chromium);
let failed = 0;
for (const spec of LOOKS) if (!only || only.includes(spec.name)) failed += await look(browser, spec);
await browser.close();
process.exit(failed ? 1 : 0);
