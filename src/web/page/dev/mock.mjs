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

function stream(response, fabric) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const send = () => response.write(`event: state\ndata: ${JSON.stringify(fabric.state())}\n\n`);
  send();
  const timer = setInterval(send, 1000);
  response.on("close", () => clearInterval(timer));
}
