// `npm run check`: types, and the committed dist is exactly what the sources build, twice over.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const page = fileURLToPath(new URL("..", import.meta.url));
const run = (tool, ...args) => execFileSync(join(page, "node_modules/.bin", tool), args, { cwd: page, stdio: ["ignore", "ignore", "inherit"] });

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

function differences(one, other) {
  const names = [...new Set([...filesOf(one), ...filesOf(other)])].sort();
  const read = (folder, name) => {
    try {
      return readFileSync(join(folder, name));
    } catch {
      return null;
    }
  };
  return names.filter((name) => {
    const [a, b] = [read(one, name), read(other, name)];
    return a === null || b === null || !a.equals(b);
  });
}

run("tsc", "--noEmit");
const room = mkdtempSync(join(tmpdir(), "selvedge-page-"));
try {
  const [first, second] = [join(room, "first"), join(room, "second")];
  run("vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", first);
  run("vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", second);
  const unsteady = differences(first, second);
  if (unsteady.length > 0) throw new Error(`two builds differ in ${unsteady.join(", ")}`);
  const stale = differences(join(page, "dist"), first);
  if (stale.length > 0) throw new Error(`dist is not what the sources build: ${stale.join(", ")}. Run: npm run build`);
  for (const name of filesOf(first)) {
    const bytes = readFileSync(join(first, name));
    console.log(`${name.padEnd(20)} ${String(bytes.length).padStart(7)} bytes ${String(gzipSync(bytes, { level: 9 }).length).padStart(7)} gzip`);
  }
  console.log("dist is what the sources build");
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(room, { recursive: true, force: true });
}
