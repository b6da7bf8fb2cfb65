// The first view: what is wrong, the fabric drawn, then links, groups and devices, each with what needs attention
// first.

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import type { Group } from "./api";
import { AlertsPanel } from "./alerts";
import { isOpen, type DeviceRow, type Fabric } from "./fabric";
import { TopologyPanel } from "./drawing/panel";
import { InterfacesTable } from "./interfaces";
import { LinksTable } from "./links";
import { Badge, Empty, Name, Panel, Since, Value } from "./parts";
import { setParam, toDevice, toLink, useRoute } from "./route";
import { matchesDevice, matchesGroup, matchesLink, queryOf, toggled, type Query } from "./search";
import { Table, type Column } from "./table";
import { count, duration } from "./units";

const TARGET_EXAMPLE = `[snmp.auth.lab]
version = "2c"
community = "public"

[[snmp.target]]
address = "192.0.2.1"
auth = "lab"`;

export function Overview({ fabric }: { fabric: Fabric }): JSX.Element {
  const text = useRoute().params.get("q") ?? "";
  const query = useMemo(() => queryOf(text), [text]);
  const { devices, links } = fabric.state;
  if (devices.length === 0) return <NothingYet fabric={fabric} />;
  const drawn = links.some((link) => !isOpen(link));
  return (
    <>
      <h1 class="sr" tabIndex={-1}>Overview</h1>
      <Discovering fabric={fabric} />
      <div class="top">
        <AlertsPanel fabric={fabric} />
        {drawn ? <TopologyPanel fabric={fabric} query={query} /> : <NoLinks devices={devices.length} />}
      </div>
      {links.length > 0 && <LinksPanel fabric={fabric} text={text} query={query} />}
      {!drawn && devices.length <= 3 && devices.map(({ name }) => (
        <Panel key={name} title={<a href={toDevice(name)}><Name>{name}</Name></a>}>
          <InterfacesTable fabric={fabric} device={name} inSight={12} />
        </Panel>
      ))}
      <div class="halves">
        {fabric.groups.length > 0 && <GroupsPanel fabric={fabric} query={query} />}
        <DevicesPanel fabric={fabric} query={query} />
      </div>
    </>
  );
}

/** How far asking has come: all targets, those that answered, those that did not. */
function progress(fabric: Fabric): { total: number; done: number; failed: number } {
  const { total = 0, answered = 0, failed = 0 } = fabric.state.status.targets ?? {};
  return { total, done: answered + failed, failed };
}

function Discovering({ fabric }: { fabric: Fabric }): JSX.Element | null {
  const { total, done, failed } = progress(fabric);
  if (done >= total) return null;
  return (
    <p class="discovering" role="status">
      <progress value={done} max={total} aria-label="Discovering" /> Discovering {done}/{total}…
      {failed > 0 && <span class="muted"> {failed} did not answer so far</span>}
    </p>
  );
}

function NothingYet({ fabric }: { fabric: Fabric }): JSX.Element {
  const { total, done, failed } = progress(fabric);
  return (
    <Empty>
      <h1 tabIndex={-1}>{total === 0 ? "Nothing to watch yet" : done < total ? `Discovering ${done}/${total}…` : "No device answers"}</h1>
      {total === 0 && (
        <>
          <p>Tell Selvedge what to poll in <code>selvedge.toml</code>; it takes the change up by itself:</p>
          <pre>{TARGET_EXAMPLE}</pre>
        </>
      )}
      {total > 0 && done < total && (
        <>
          <progress value={done} max={total} aria-label="Discovering" />
          <p>Devices are being asked who they are. They appear here as they answer{failed > 0 && `; ${failed} did not so far`}.</p>
        </>
      )}
      {total > 0 && done >= total && (
        <p>All {total} targets were asked and {failed} did not answer. <code>selvedge check</code> looks through the configuration, and <code>selvedge poll</code> asks one device and says what it gets.</p>
      )}
    </Empty>
  );
}

const NoLinks = ({ devices }: { devices: number }): JSX.Element => (
  <Panel title="Topology">
    <Empty>
      <h3>No links found yet</h3>
      <p>Links are drawn from what neighbours tell each other by LLDP. For one to appear:</p>
      <ul>
        <li>LLDP runs on both ends of the cable (<code>lldpd</code> on Linux, <code>lldp run</code> or the like on switches);</li>
        <li>at least one of them is polled and answers LLDP-MIB (lldpRemTable) to the user or community given{devices === 1 && "; so far only one device is watched"};</li>
        <li>one LLDP interval has passed, mostly 30 seconds.</li>
      </ul>
    </Empty>
  </Panel>
);

function LinksPanel({ fabric, text, query }: { fabric: Fabric; text: string; query: Query | null }): JSX.Element {
  const rows = useMemo(() => (query ? fabric.links.filter((row) => matchesLink(query, row)) : fabric.links), [fabric, query]);
  const { counts } = fabric;
  const chips: [condition: string, name: string, n: number, title: string][] = [
    ["down", "down", counts.down, "At least one end says so"],
    ["drops", "with drops", counts.drops, "Packets are lost now, in one direction or both"],
    ["busy", "busy", counts.busy, "80 % of the speed and more, in one direction or both"],
    ["unknown", "unknown", counts.unknown, "Neither end says how it is"],
  ];
  return (
    <Panel
      id="linkspanel"
      title="Links"
      note={
        <>
          <span role="status">{rows.length === fabric.links.length ? count(rows.length) : `${count(rows.length)} of ${count(fabric.links.length)}`}</span>
          <span class="chips" role="group" aria-label="Show only links that are">
            {chips.map(([condition, name, n, title]) => {
              const on = query?.conditions.includes(condition) ?? false;
              return (
                <button
                  key={condition}
                  type="button"
                  class={`chip ${condition} ${n > 0 ? "some" : ""}`}
                  title={title}
                  aria-pressed={on}
                  disabled={n === 0 && !on}
                  onClick={() => setParam("q", toggled(text, condition))}
                >
                  {count(n)} {name}
                </button>
              );
            })}
          </span>
        </>
      }
    >
      {rows.length > 0
        ? <LinksTable fabric={fabric} rows={rows} caption={`Links: ${count(rows.length)} of ${count(fabric.links.length)}, those that need attention first`} />
        : <Nothing of="link" />}
    </Panel>
  );
}

const Nothing = ({ of }: { of: string }): JSX.Element => (
  <p class="muted pad">
    No {of} matches. <button type="button" class="linkish" onClick={() => setParam("q", null)}>Clear the filter</button>
  </p>
);

const GROUP_ORDER = ["lost", "degraded", "unknown", "ok"];

function GroupsPanel({ fabric, query }: { fabric: Fabric; query: Query | null }): JSX.Element {
  const rows = useMemo(() => (query ? fabric.groups.filter((group) => matchesGroup(query, group)) : fabric.groups), [fabric, query]);
  const columns = useMemo((): Column<Group>[] => [
    { key: "state", title: "State", value: ({ state }) => GROUP_ORDER.indexOf(state), cell: ({ state }) => <Badge state={state} /> },
    { key: "name", title: "Paths", value: ({ name }) => name, cell: ({ name, device }) => (device ? <a href={toDevice(device)}><Name>{name}</Name></a> : <Name>{name}</Name>) },
    { key: "kind", title: "Kind", value: ({ kind }) => kind, cell: ({ kind }) => kind },
    {
      key: "working",
      title: "Working",
      hint: "Paths that work, of those planned",
      value: ({ working, planned }) => working.length / Math.max(1, planned.length),
      cell: (group) => <Working group={group} />,
    },
  ], []);
  return (
    <Panel title="Redundancy" note={rows.length === fabric.groups.length ? count(rows.length) : `${count(rows.length)} of ${count(fabric.groups.length)}`}>
      {rows.length > 0
        ? <Table id="groups" caption="Redundancy groups" rows={rows} columns={columns} rowKey={({ name }) => name} heights={[34, 60]} inSight={10} />
        : <Nothing of="group" />}
    </Panel>
  );
}

/** One small sign for each planned path, so that a gap is seen; each leads to its link. */
function Working({ group }: { group: Group }): JSX.Element {
  const few = group.planned.length <= 8;
  return (
    <span class="working">
      <b>{group.working.length}/{group.planned.length}</b>
      {few && group.planned.map((id) => {
        const state = group.working.includes(id) ? "up" : group.unknown.includes(id) ? "unknown" : "down";
        return <a key={id} class={`pip ${state}`} href={toLink(id)} title={`${id}: ${state}`} aria-label={`${id}: ${state}`}>{state === "down" ? "✕" : state === "unknown" ? "?" : ""}</a>;
      })}
    </span>
  );
}

function DevicesPanel({ fabric, query }: { fabric: Fabric; query: Query | null }): JSX.Element {
  const rows = useMemo(() => (query && query.words.length > 0 ? fabric.devices.filter((row) => matchesDevice(query, row)) : fabric.devices), [fabric, query]);
  const columns = useMemo((): Column<DeviceRow>[] => [
    {
      key: "state",
      title: "State",
      value: ({ device }) => ["unreachable", "unknown", "ok"].indexOf(device.state),
      cell: ({ device }) => <Badge state={device.state} text={device.state === "unreachable" ? "no answer" : device.state} title={device.why ?? undefined} />,
    },
    { key: "name", title: "Device", value: ({ key }) => key, cell: ({ device }) => <a href={toDevice(device.name)}><b><Name>{device.name}</Name></b></a> },
    { key: "address", title: "Address", value: ({ device }) => device.address ?? "", cell: ({ device }) => (device.address ? <Name>{device.address}</Name> : <span class="muted">this machine</span>) },
    {
      key: "nalerts",
      title: "Alerts",
      hint: "Alerts that fire about it, its interfaces or its links",
      largestFirst: true,
      value: ({ alerts }) => alerts,
      cell: ({ alerts, worst }) => (alerts > 0 ? <Badge state={worst ?? "info"} text={count(alerts)} title={`${worst}, the worst of them`} /> : <span class="muted">0</span>),
    },
    { key: "nlinks", title: "Links", largestFirst: true, value: ({ links }) => links, cell: ({ links }) => count(links) },
    {
      key: "uptime",
      title: "Up for",
      hint: "sysUpTime",
      value: ({ device }) => device.sysUpTime_ms ?? null,
      cell: ({ device }) => <Value value={device.sysUpTime_ms} as={duration} why={device.why ?? "sysUpTime was not read"} />,
    },
    { key: "since", title: "Since", hint: "How long it has answered, or not", largestFirst: true, value: ({ device }) => device.since, cell: ({ device }) => <Since at={device.since} /> },
  ], []);
  return (
    <Panel title="Devices" note={rows.length === fabric.devices.length ? count(rows.length) : `${count(rows.length)} of ${count(fabric.devices.length)}`}>
      {rows.length > 0
        ? <Table id="devices" caption="Devices" rows={rows} columns={columns} rowKey={({ device }) => device.name} href={({ device }) => toDevice(device.name)} rowClass={({ device }) => (device.state === "unreachable" ? "is-down" : "")} heights={[34, 60]} inSight={10} />
        : <Nothing of="device" />}
    </Panel>
  );
}
