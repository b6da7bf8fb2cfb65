// What is doubled and what hangs on a single part, as it is; and what would be lost if something were taken away, before
// somebody takes it away. `#/audit?without=leaf3&without=risk%3Aduct-7`

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { GroupLine, Ledger, Point, Ways } from "./api";
import type { Fabric } from "./fabric";
import { isNews, useLedger } from "./ledger";
import { Badge, Empty, Name, Panel, Since, Text, Value } from "./parts";
import { toAudit, toDevice, toLink, useRoute } from "./route";
import { Table, type Column } from "./table";
import { count } from "./units";

const MOST_LINES = 100;

export function AuditView({ fabric }: { fabric: Fabric }): JSX.Element {
  const { params } = useRoute();
  const without = params.getAll("without");
  const { ledger, refused } = useLedger(without, true, fabric);
  const asked = ledger && sameWords(ledger.what_if?.without ?? [], without) ? ledger : null;
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Audit</h1>
        <p>What is doubled, what hangs on a single part, and what would be lost without something.</p>
      </div>
      <WhatIfPanel fabric={fabric} ledger={asked} known={ledger} without={without} refused={refused} />
      {!asked && !refused && <p class="muted pad" role="status">Looking…</p>}
      {asked && !asked.what_if && <AsItIs ledger={asked} />}
      {asked && <GroupsPanel ledger={asked} />}
      {asked && asked.ways.length > 0 && <WaysPanel ledger={asked} />}
    </>
  );
}

const sameWords = (one: string[], other: string[]): boolean => one.length === other.length && one.every((word, at) => bare(word) === bare(other[at] ?? ""));
const bare = (what: string): string => what.trim().replace(/^device:/, "");

/** The field, what was taken away, and what that would do. */
function WhatIfPanel(props: { fabric: Fabric; ledger: Ledger | null; known: Ledger | null; without: string[]; refused: string | null }): JSX.Element {
  const { fabric, ledger, known, without, refused } = props;
  const field = useRef<HTMLInputElement>(null);
  const go = (list: string[]): void => {
    location.hash = toAudit(list);
  };
  const choices = useMemo(() => [
    ...fabric.state.devices.map(({ name }) => name),
    ...(known?.risks ?? []).map((name) => `risk:${name}`),
    ...fabric.state.links.map(({ id }) => `link:${id}`),
  ].slice(0, 5_000), [fabric.state.devices, fabric.state.links, known?.risks]);
  const take = (): void => {
    const what = field.current?.value.trim() ?? "";
    if (what && !without.includes(what)) go([...without, what]);
    if (field.current) field.current.value = "";
  };
  // A choice of the list is a whole name: it needs no second key.
  useEffect(() => {
    const input = field.current;
    const chosen = (event: Event): void => {
      if (!(event instanceof InputEvent) || event.inputType === "insertReplacementText") take();
    };
    input?.addEventListener("input", chosen);
    return () => input?.removeEventListener("input", chosen);
  });
  return (
    <Panel class="whatif" title="What if this were gone?" note={<span>ask before maintenance; also <code>selvedge audit --without NAME</code></span>}>
      <form class="take" onSubmit={(event) => (event.preventDefault(), take())}>
        <input ref={field} list="parts" aria-label="A device, link:NAME or risk:NAME" placeholder="spine1, link:leaf1:eth1, risk:duct-7" autocomplete="off" spellcheck={false} />
        <datalist id="parts">{choices.map((choice) => <option key={choice} value={choice} />)}</datalist>
        <button type="submit">Take away</button>
        <span class="chips">
          {without.map((what) => (
            <button key={what} type="button" class="chip some unknown" title="Put it back" onClick={() => go(without.filter((other) => other !== what))}>
              <Name>{what}</Name> <span aria-hidden="true">✕</span><span class="sr"> put it back</span>
            </button>
          ))}
          {without.length > 1 && <button type="button" class="linkish" onClick={() => go([])}>Put all back</button>}
        </span>
      </form>
      {refused && <p class="pad"><Badge state="critical" text="It cannot be asked" /> <Text>{refused}</Text></p>}
      {ledger?.what_if && <Loss what={ledger.what_if} />}
    </Panel>
  );
}

function Loss({ what }: { what: NonNullable<Ledger["what_if"]> }): JSX.Element {
  const gone = what.groups.filter(({ state }) => state === "lost" || state === "critical");
  const verdict = what.cut_off.length > 0
    ? <Badge state="critical" text="Somebody would be cut off." />
    : what.headroom
      ? <Badge state="critical" text="Nobody would be cut off, and not all of the load would fit." />
    : gone.length > 0 || what.points.length > 0
      ? <Badge state="warning" text="Nobody would be cut off, and the next failure would be one too many." />
      : <Badge state="ok" text="Nothing would be lost." />;
  return (
    <div class="loss" role="status">
      <p class="verdict">{verdict}</p>
      <Lines title="Would be cut off" lines={what.cut_off.map(({ name, to }) => <><b><Name>{name}</Name></b> would have no way to <Text>{to}</Text></>)} />
      <Lines title="Would be too full" lines={what.headroom ? [<Text>{what.headroom.summary}</Text>] : []} />
      <Lines title="Would become single points of failure" lines={what.points.map((summary) => <Text>{summary}</Text>)} />
      <Lines
        title="Redundancy that would be gone"
        lines={what.groups.map(({ name, after, before, planned, state }) => (
          <><Badge state={state} /> <b><Name>{name}</Name></b> would have {after} of {planned} links, now {before}</>
        ))}
      />
    </div>
  );
}

function Lines({ title, lines }: { title: string; lines: ComponentChildren[] }): JSX.Element | null {
  if (lines.length === 0) return null;
  return (
    <section>
      <h3>{title} <span class="muted">{count(lines.length)}</span></h3>
      <ul>{lines.slice(0, MOST_LINES).map((line, at) => <li key={at}>{line}</li>)}</ul>
      {lines.length > MOST_LINES && <p class="muted">and {count(lines.length - MOST_LINES)} more</p>}
    </section>
  );
}

function AsItIs({ ledger }: { ledger: Ledger }): JSX.Element {
  const news = ledger.points.filter((point) => isNews(point) && point.told_by === null);
  const always = ledger.points.filter((point) => !isNews(point) && point.told_by === null);
  return (
    <>
      {ledger.unmatched.length > 0 && (
        <p class="pad"><Badge state="warning" text="Not protected" /> [[protect]] names {ledger.unmatched.join(", ")}, and no device with a cable is that.</p>
      )}
      {ledger.cut_off.length > 0 && (
        <Panel title="Cut off" note={count(ledger.cut_off.length)}>
          <ul class="points">{ledger.cut_off.slice(0, MOST_LINES).map(({ name, to }) => <li key={`${name} ${to}`}><Badge state="lost" text="cut off" /> <span><b><Name>{name}</Name></b> has no way to <Text>{to}</Text></span></li>)}</ul>
        </Panel>
      )}
      <Panel title="Single points of failure" note={news.length > 0 ? count(news.length) : undefined}>
        {news.length > 0
          ? <PointList points={news} ledger={ledger} />
          : <Empty><p>{ledger.cut_off.length > 0 ? "None beside that." : "None: no single device, link or shared risk that was doubled would cut anybody off."}</p></Empty>}
      </Panel>
      {ledger.headroom && ledger.headroom.cases.length > 0 && (
        <Panel title="Would not be survived" note={<><span>{count(ledger.headroom.cases.length + ledger.headroom.cases_left_out)}</span><span>what these carry does not fit on what would be left</span></>}>
          <ul class="points">
            {ledger.headroom.cases.slice(0, MOST_LINES).map(({ kind, name, summary }) => (
              <li key={`${kind} ${name}`}>
                <Badge state="warning" text={kind === "risk" ? "shared risk" : kind} />
                <div><p><Text>{summary}</Text></p></div>
                <nav><a href={toAudit([kind === "device" ? name : `${kind}:${name}`])}>What if?</a></nav>
              </li>
            ))}
          </ul>
        </Panel>
      )}
      {always.length > 0 && (
        <Panel title="Never doubled" note={<><span>{count(always.length)}</span><span>by plan; told as alerts only where [[protect]] asks for it</span></>}>
          <PointList points={always} ledger={ledger} />
        </Panel>
      )}
    </>
  );
}

function PointList({ points, ledger }: { points: Point[]; ledger: Ledger }): JSX.Element {
  const cables = (point: Point): Point[] => ledger.points.filter(({ told_by }) => point.kind === "device" && told_by === point.name);
  return (
    <ul class="points">
      {points.slice(0, MOST_LINES).map((point) => (
        <li key={`${point.kind} ${point.name}`}>
          <Badge state={point.planned ? (point.protected ? "warning" : "info") : "critical"} text={point.kind === "risk" ? "shared risk" : point.kind} />
          <div>
            <p><Text>{point.summary}</Text></p>
            <p class="muted">
              {point.since !== null && <>for <Since at={point.since} /> · </>}
              {point.effects.map(({ cut_off, total, to }, at) => <span key={at}>{at > 0 && "; "}{count(total)} would be cut off from {to}{total > 1 && cut_off.length > 0 && <>: <Text>{few(cut_off, total)}</Text></>}</span>)}
              {cables(point).length > 0 && <> · cables in the way: {cables(point).slice(0, 5).map(({ name }, at) => <span key={name}>{at > 0 && ", "}<a href={toLink(name)}><Name>{name}</Name></a></span>)}</>}
            </p>
          </div>
          <nav>
            {point.kind === "device" && <a href={toDevice(point.name)}>Open</a>}
            {point.kind === "link" && <a href={toLink(point.name)}>Open</a>}
            <a href={toAudit([point.kind === "device" ? point.name : `${point.kind}:${point.name}`])}>What if?</a>
          </nav>
        </li>
      ))}
      {points.length > MOST_LINES && <li class="muted">and {count(points.length - MOST_LINES + ledger.points_left_out)} more</li>}
    </ul>
  );
}

const few = (names: string[], total: number): string => {
  const shown = names.slice(0, 6);
  return total > shown.length ? `${shown.join(", ")} and ${count(total - shown.length)} more` : shown.join(", ");
};

const STANDINGS = ["lost", "critical", "degraded", "unknown", "ok"];

function GroupsPanel({ ledger }: { ledger: Ledger }): JSX.Element {
  const whole = ledger.groups.filter(({ state }) => state === "ok").length;
  const columns = useMemo((): Column<GroupLine>[] => [
    { key: "state", title: "State", value: ({ state }) => STANDINGS.indexOf(state), cell: ({ state }) => <Badge state={state} /> },
    { key: "name", title: "Group", value: ({ name }) => name, cell: ({ name, device }) => (device ? <a href={toDevice(device)}><Name>{name}</Name></a> : <Name>{name}</Name>) },
    { key: "works", title: "Works", hint: "Links that work, of those planned", value: ({ working, planned }) => working.length / Math.max(1, planned.length), cell: ({ working, unknown, planned }) => <>{working.length}{unknown.length > 0 && ` + ${unknown.length}?`} of {planned.length}</> },
    { key: "next", title: "The next failure", value: ({ next }) => next, cell: ({ next }) => <Text>{next}</Text> },
  ], []);
  return (
    <Panel title={ledger.what_if ? "Redundancy, as it would be" : "Redundancy"} note={`${count(whole)} of ${count(ledger.groups.length)} whole`}>
      {ledger.groups.length > 0
        ? <Table id="standings" caption="Redundancy groups, the worst first" rows={ledger.groups} columns={columns} rowKey={({ name }) => name} heights={[34, 92]} inSight={12} />
        : <Empty><p>No redundancy is known: no device has two ways up, and no two devices two cables.</p></Empty>}
    </Panel>
  );
}

function WaysPanel({ ledger }: { ledger: Ledger }): JSX.Element {
  const bound = ledger.ways_bound;
  const columns = useMemo((): Column<Ways>[] => {
    const shown = (ways: number | null): JSX.Element => <Value value={ways} as={(n) => (n >= bound ? `${n} or more` : String(n))} why="too much to count" />;
    return [
      { key: "devices", title: "No shared device", value: ({ by_devices }) => by_devices, cell: ({ by_devices }) => shown(by_devices) },
      { key: "links", title: "No shared link", value: ({ by_links }) => by_links, cell: ({ by_links }) => shown(by_links) },
      { key: "from", title: "From", value: ({ name }) => name, cell: ({ name }) => <b><Name>{name}</Name></b> },
      { key: "to", title: "To", value: ({ to }) => to, cell: ({ to }) => <Text>{to}</Text> },
    ];
  }, [bound]);
  return (
    <Panel title="Ways that share nothing" note={count(ledger.ways.length)}>
      <Table id="ways" caption="How many ways share nothing" rows={ledger.ways} columns={columns} rowKey={({ name, to }) => `${name} ${to}`} heights={[34, 60]} inSight={10} />
    </Panel>
  );
}
