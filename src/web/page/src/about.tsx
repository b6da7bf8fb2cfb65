// How Selvedge itself does: whatever its status says, with the units that trail the names.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { fetchStatus, type Status } from "./api";
import { Panel, Since, Text, useTick } from "./parts";
import { absolute, bps, count, duration } from "./units";

const EVERY_MS = 5_000;

export function AboutView({ status }: { status: Status }): JSX.Element {
  const [asked, set] = useState<Status | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const ask = (): void => {
      if (!document.hidden) fetchStatus(stop.signal).then(set, () => undefined); // the banner tells when nobody answers
    };
    ask();
    const timer = setInterval(ask, EVERY_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, []);
  const shown = asked ?? status;
  const { version, started_at, ...rest } = shown;
  const plain = Object.entries(rest).filter(([, value]) => value === null || typeof value !== "object");
  const nested = Object.entries(rest).filter(([, value]) => value !== null && typeof value === "object");
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Selvedge {version}</h1>
        {started_at && <p>running for <Since at={started_at} /></p>}
      </div>
      {plain.length > 0 && <Panel title="Status"><Fields fields={plain} /></Panel>}
      <div class="halves even">
        {nested.map(([name, value]) => (
          <Panel key={name} title={words(name)}>
            {Array.isArray(value) ? <List items={value} /> : <Fields fields={Object.entries(value as object)} />}
          </Panel>
        ))}
      </div>
      <p class="muted pad">
        The same as data: <a href="api/status">status</a>, <a href="api/links">links</a>, <a href="api/devices">devices</a>,{" "}
        <a href="api/alerts">alerts</a>, <a href="metrics">metrics</a>.
      </p>
    </>
  );
}

const words = (name: string): string =>
  (name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, " ")).replace(/\b(lldp|snmp|cpu)\b/gi, (known) => known.toUpperCase());

const SUFFIXES: [RegExp, (value: number) => string][] = [
  [/_ms$/, (value) => (value < 1000 ? `${Number(value.toPrecision(3))} ms` : duration(value))],
  [/_s$/, (value) => (value < 60 ? `${Number(value.toPrecision(3))} s` : duration(value * 1000))],
  [/_bytes$/, (value) => `${count(Math.round(value / 1024))} KiB`],
  [/_bps$/, bps],
];

function Field({ name, value, depth }: { name: string; value: unknown; depth: number }): JSX.Element {
  if (value === null || value === undefined) return <span class="muted">–</span>;
  if (typeof value === "number") return <>{SUFFIXES.find(([suffix]) => suffix.test(name))?.[1](value) ?? count(value)}</>;
  if (typeof value === "boolean") return <>{value ? "yes" : "no"}</>;
  if (typeof value === "string") {
    const at = /_at$/.test(name) ? Date.parse(value) : NaN;
    return Number.isNaN(at) ? <Text>{value}</Text> : <Moment at={at} />;
  }
  if (depth > 3) return <code>{JSON.stringify(value)}</code>;
  if (Array.isArray(value)) return <List items={value} />;
  const { state, ...more } = value as { state?: unknown };
  if (typeof state === "string") return <>{[state, ...Object.values(more).filter((one) => one !== null)].join(": ")}</>;
  return <Fields fields={Object.entries(value)} depth={depth + 1} />;
}

function Moment({ at }: { at: number }): JSX.Element {
  useTick();
  return <time title={absolute(at)}>{duration(Math.max(0, Date.now() - at))} ago</time>;
}

const Fields = ({ fields, depth = 0 }: { fields: [string, unknown][]; depth?: number }): JSX.Element => (
  <dl class="facts">
    {fields.map(([name, value]) => (
      <div key={name} class={value !== null && typeof value === "object" && !("state" in value) ? "wide" : ""}>
        <dt>{words(name.replace(/_(ms|s|bytes|bps|at)$/, ""))}</dt>
        <dd><Field name={name} value={value} depth={depth} /></dd>
      </div>
    ))}
  </dl>
);

const List = ({ items }: { items: unknown[] }): JSX.Element => (
  <ul class="plain">
    {items.slice(0, 50).map((item, at) => <li key={at}><Field name="" value={item} depth={1} /></li>)}
    {items.length > 50 && <li class="muted">and {items.length - 50} more</li>}
    {items.length === 0 && <li class="muted">none</li>}
  </ul>
);
