// `npm run dev`: the page with hot reload, before a made-up fabric.
//   npm run dev -- --scene normal|calm|nolinks|discovering|none|empty   --links 10000   --port 5173

import { parseArgs } from "node:util";
import { createServer } from "vite";

import { mock } from "./mock.mjs";

const { values } = parseArgs({
  options: {
    scene: { type: "string", default: "normal" },
    links: { type: "string", default: "0" },
    port: { type: "string", default: "5173" },
  },
});
const handle = mock({ scene: values.scene, links: Number(values.links) });
const server = await createServer({
  server: { host: "127.0.0.1", port: Number(values.port) },
  plugins: [
    {
      name: "mock-api",
      configureServer: ({ middlewares }) => {
        middlewares.use((request, response, next) => handle(request, response) || next());
      },
    },
  ],
});
await server.listen();
server.printUrls();
