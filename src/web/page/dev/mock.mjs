// The HTTP API as Selvedge speaks it, answered by the made-up fabric. A request handler, so that the development
// server and the browser check can both mount it.

import { Fabric } from "./fabric.mjs";

export function mock(options = {}) {
  const fabric = new Fabric(options);
  const json = (response, value) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(value));
  };

  /** Answers what is the API's and says so; leaves the rest. */
  return function handle(request, response) {
    const url = new URL(request.url, "http://localhost");
    const ask = (name) => url.searchParams.get(name) ?? "";
    switch (url.pathname) {
      case "/api/events":
        stream(response, fabric);
        return true;
      case "/api/status":
        json(response, fabric.status(Date.now() / 1000));
        return true;
      case "/api/interfaces":
        json(response, fabric.interfaces(ask("device")));
        return true;
      case "/api/audit":
        json(response, audit(fabric.state(), url.searchParams.getAll("without")));
        return true;
      case "/api/history":
        json(response, fabric.history(ask("device"), ask("interface"), Number(ask("from")), Number(ask("to")), Number(ask("step")) || 10));
        return true;
      case "/api/devices":
      case "/api/links":
      case "/api/groups":
      case "/api/alerts":
        json(response, fabric.state()[url.pathname.slice(5)]);
        return true;
      default:
        return false;
    }
  };
}

/** A ledger in its shape: the groups as they stand, and a point where one of two links is left. */
function audit(state, without) {
  const groups = state.groups.map((group) => {
    const left = group.working.length + group.unknown.length;
    const whole = left === group.planned.length;
    return { ...group, state: whole ? "ok" : left === 0 ? "lost" : left === 1 ? "critical" : "degraded", next: whole ? `The next failure leaves ${left - 1}.` : "Nothing more may fail." };
  });
  const weak = groups.find((group) => group.state === "critical");
  const cut = weak?.planned.find((id) => !weak.working.includes(id)) ?? "";
  const points = weak
    ? [{ kind: "link", name: weak.working[0], planned: false, protected: false, effects: [{ from: "leaves", to: "the rest of the fabric", cut_off: [weak.device], total: 1 }], because: [cut], since: state.taken_at, told_by: null, summary: `${weak.working[0]} is the only cable from ${weak.device} to the rest of the fabric since ${cut} failed at 12:03:07 UTC` }]
    : [];
  const what_if = without.length > 0 ? { without, cut_off: [], groups: groups.slice(0, 2).map(({ name, planned }) => ({ name, planned: planned.length, before: 2, after: 1, state: "critical" })), points: [] } : null;
  return { taken_at: state.taken_at, findings: points.length, what_if, cut_off: [], points, points_left_out: 0, groups, ways: [], ways_bound: 4, unmatched: [], risks: ["duct-7"] };
}

function stream(response, fabric) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const send = () => response.write(`event: state\ndata: ${JSON.stringify(fabric.state())}\n\n`);
  send();
  const timer = setInterval(send, 1000);
  response.on("close", () => clearInterval(timer));
}
