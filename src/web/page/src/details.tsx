// The views of one thing: a link, a device, an interface.

import type { ComponentChildren, JSX } from "preact";

import type { Device, Interface, Link, LinkEnd } from "./api";
import { alertsAbout, AlertList } from "./alerts";
import { dropsOf, linksByAttention, utilizationOf, whyLossUnknown, whyUnknown, type Fabric } from "./fabric";
import { HistoryCharts, type ChartSpec } from "./history";
import { InterfacesTable, lossOf, peerOf, useInterfaces, why } from "./interfaces";
import { LinksTable } from "./links";
import { Badge, Drops, Empty, Load, Name, Panel, Since, Speed, Text, Value } from "./parts";
import { toAudit, toDevice, toInterface, toLink } from "./route";
import { bps, count, duration, pps } from "./units";

const Facts = ({ children }: { children: ComponentChildren }): JSX.Element => <dl class="facts">{children}</dl>;
const Fact = ({ name, title, children }: { name: string; title?: string; children: ComponentChildren }): JSX.Element => (
  <div title={title}><dt>{name}</dt><dd>{children}</dd></div>
);

function About(props: { fabric: Fabric; link?: string; device?: string; interface?: string }): JSX.Element | null {
  const alerts = alertsAbout(props.fabric, props);
  if (alerts.length === 0) return null;
  return <Panel title="Alerts"><AlertList alerts={alerts} fabric={props.fabric} /></Panel>;
}

function Gone({ what, name }: { what: string; name: string }): JSX.Element {
  return (
    <Empty>
      <h1 tabIndex={-1}><Name>{name}</Name></h1>
      <p>No {what} of this name is known now. It may have been renamed, taken out, or not found yet.</p>
      <p><a href="#/">Back to the overview</a></p>
    </Empty>
  );
}

export function LinkView({ fabric, id }: { fabric: Fabric; id: string }): JSX.Element {
  const row = fabric.linkById.get(id);
  if (!row) return <Gone what="link" name={id} />;
  const { link } = row;
  const limit = link.a.speed_bps === null || link.b.speed_bps === null ? (link.a.speed_bps ?? link.b.speed_bps) : Math.min(link.a.speed_bps, link.b.speed_bps);
  const ab = `${link.a.device} → ${link.b.device}`;
  const ba = `${link.b.device} → ${link.a.device}`;
  const charts: ChartSpec[] = [
    {
      title: "Traffic",
      unit: "bps",
      limit_bps: limit,
      curves: [
        { label: ab, of: 0, field: "out_bps", instead: { of: 1, field: "in_bps" } },
        { label: ba, of: 1, field: "out_bps", instead: { of: 0, field: "in_bps" } },
      ],
    },
    {
      title: "Drops, by who counts them",
      unit: "pps",
      curves: [
        { label: `${link.a.device} sending`, of: 0, field: "out_drops_pps" },
        { label: `${link.a.device} receiving`, of: 0, field: "in_drops_pps" },
        { label: `${link.b.device} sending`, of: 1, field: "out_drops_pps" },
        { label: `${link.b.device} receiving`, of: 1, field: "in_drops_pps" },
      ],
    },
  ];
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}><Name>{`${link.a.device}:${link.a.interface}`}</Name> <span aria-label="to">⇄</span> <Name>{`${link.b.device}:${link.b.interface}`}</Name></h1>
        <p><Badge state={link.state} /> for <Since at={link.since} /> · {heard(link)} · <a href={toAudit([`link:${id}`])}>what if it were gone?</a></p>
      </div>
      <About fabric={fabric} link={id} />
      {link.headroom && (
        <p class="pad">
          <Badge state={link.headroom.utilization > 1 ? "critical" : "ok"} text={`${Math.round(link.headroom.utilization * 100)} % after the worst failure`} />{" "}
          if <a href={toAudit([partOf(link.headroom.without)])}><Name>{link.headroom.without.name}</Name></a> fails: {bps(link.headroom.after.after_bps)} from <Name>{link.headroom.after.from}</Name>, of {bps(link.headroom.after.capacity_bps)}
          {link.headroom.after.method === "estimate" && <span class="muted"> (estimated, give or take {bps(link.headroom.after.within_bps)})</span>}
          {link.headroom.after.basis === "busy" && <span class="muted"> in the busy hour</span>}
        </p>
      )}
      <div class="pair">
        <EndPanel fabric={fabric} link={link} from="a" />
        <EndPanel fabric={fabric} link={link} from="b" />
      </div>
      <Panel title="History"><HistoryCharts fabric={fabric} ends={[endOf(link.a), endOf(link.b)]} charts={charts} /></Panel>
      <GroupsOf fabric={fabric} link={link} />
    </>
  );
}

const partOf = ({ kind, name }: { kind: string; name: string }): string => (kind === "device" ? name : `${kind}:${name}`);

const endOf = ({ device, interface: name }: LinkEnd): { device: string; interface: string } => ({ device, interface: name });

const heard = (link: Link): JSX.Element =>
  link.heard_at ? <>neighbour protocol last heard <Since at={link.heard_at} suffix=" ago" /></> : <>declared, no neighbour protocol speaks of it</>;

function EndPanel({ fabric, link, from }: { fabric: Fabric; link: Link; from: "a" | "b" }): JSX.Element {
  const [end, other] = from === "a" ? [link.a, link.b] : [link.b, link.a];
  const reason = (field: string): string => whyUnknown(fabric, link, from, field);
  return (
    <Panel
      title={<><a href={toDevice(end.device)}><Name>{end.device}</Name></a> <a class="port" href={toInterface(end.device, end.interface)}><Name>{end.interface}</Name></a></>}
      note={<Badge state={end.oper_status === "up" ? "up" : end.oper_status === "unknown" ? "unknown" : "down"} text={end.watched ? end.oper_status : "not watched"} />}
    >
      <Facts>
        <Fact name={`Sends to ${other.device}`}>
          <Load down={link.state === "down"} ratio={utilizationOf(link, from)} why={reason("utilization")} />
          <span class="big"><Value value={end.out_bps} as={bps} why={reason("out_bps")} /></span>
        </Fact>
        <Fact name="Speed"><Speed of={end} why={reason("speed_bps")} /></Fact>
        <Fact name="Lost on the way" title="Discards and errors counted by either end for this direction">
          <Drops value={dropsOf(link, from)} as={pps} why={whyLossUnknown(fabric, link, from)} />
        </Fact>
        <Fact name="Vanished" title="Frames that one end sent and the other neither received nor admits to have lost">
          <Vanished link={link} from={from} />
        </Fact>
        <Fact name="Drops sending"><Drops value={end.out_drops_pps} as={pps} why={reason("out_drops_pps")} /></Fact>
        <Fact name="Drops receiving"><Drops value={end.in_drops_pps} as={pps} why={reason("in_drops_pps")} /></Fact>
      </Facts>
    </Panel>
  );
}

function Vanished({ link, from }: { link: Link; from: "a" | "b" }): JSX.Element {
  const way = from === "a" ? "a_to_b" : "b_to_a";
  const loss = link.loss_ratio?.[way];
  if (!loss) return <span class="muted" title={link.loss_ratio?.why?.[way]}>unknown: {link.loss_ratio?.why?.[way] ?? "not compared"}</span>;
  const parts = (ratio: number): string => count(Number((ratio * 1e6).toPrecision(2)));
  return (
    <span title={`${count(loss.lost)} of ${count(loss.sent)} frames since ${loss.since}`}>
      {parts(loss.low)} to {parts(loss.high)} in a million
    </span>
  );
}

function GroupsOf({ fabric, link }: { fabric: Fabric; link: Link }): JSX.Element {
  const groups = fabric.groups.filter((group) => group.planned.includes(link.id));
  return (
    <Panel title="Redundancy">
      {groups.length === 0 && <p class="muted pad">No other path stands beside this link: nothing takes over if it fails.</p>}
      {groups.map((group) => (
        <div class="groupbox" key={group.name}>
          <h3><Badge state={group.state} /> <Name>{group.name}</Name> <span class="muted">{group.working.length} of {group.planned.length} working</span></h3>
          <ul class="members">
            {group.planned.map((id) => (
              <li key={id}>
                <Badge state={group.working.includes(id) ? "up" : group.unknown.includes(id) ? "unknown" : "down"} />{" "}
                {id === link.id ? <b><Name>{id}</Name></b> : <a href={toLink(id)}><Name>{id}</Name></a>}
              </li>
            ))}
          </ul>
        </div>
      ))}
    </Panel>
  );
}

export function DeviceView({ fabric, name }: { fabric: Fabric; name: string }): JSX.Element {
  const row = fabric.deviceByName.get(name);
  const links = fabric.linksOfDevice.get(name) ?? [];
  if (!row && links.length === 0) return <Gone what="device" name={name} />;
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}><Name>{name}</Name></h1>
        {row ? <DeviceState device={row.device} /> : <p><Badge state="unknown" text="not watched" /> only heard of from its neighbours</p>}
        <p><a href={toAudit([name])}>What if it were gone?</a></p>
      </div>
      <About fabric={fabric} device={name} />
      {row && <Panel title="Identity"><Identity device={row.device} links={links.length} /></Panel>}
      {row && <Panel title="Interfaces"><InterfacesTable fabric={fabric} device={name} /></Panel>}
      {links.length > 0 && (
        <Panel title="Links" note={`${links.length}`}>
          <LinksTable fabric={fabric} rows={[...links].sort(linksByAttention)} caption={`Links of ${name}`} />
        </Panel>
      )}
    </>
  );
}

const DeviceState = ({ device }: { device: Device }): JSX.Element => (
  <p>
    <Badge state={device.state} text={device.state === "ok" ? "answers" : device.state} /> {device.since && <>for <Since at={device.since} /></>}
    {device.why && <> · <Text>{device.why}</Text></>}
  </p>
);

const Identity = ({ device, links }: { device: Device; links: number }): JSX.Element => (
  <Facts>
    <Fact name="Address">{device.address ? <Name>{device.address}</Name> : <span class="muted">this machine</span>}</Fact>
    <Fact name="Up for"><Value value={device.sysUpTime_ms} as={duration} why="sysUpTime was not read" /></Fact>
    <Fact name="Interfaces">{count(device.interfaces)}</Fact>
    <Fact name="Links">{count(links)}</Fact>
    {device.sysObjectID && <Fact name="sysObjectID"><Name>{device.sysObjectID}</Name></Fact>}
    {Object.entries(device.labels ?? {}).map(([key, value]) => <Fact key={key} name={key}><Name>{value}</Name></Fact>)}
    {device.sysDescr && <div class="wide"><dt>sysDescr</dt><dd class="descr"><Text>{device.sysDescr}</Text></dd></div>}
  </Facts>
);

export function InterfaceView({ fabric, device, name }: { fabric: Fabric; device: string; name: string }): JSX.Element {
  const { data, error } = useInterfaces(device);
  const port = data?.find((one) => one.interface === name);
  const peer = peerOf(fabric, { device, interface: name });
  const charts: ChartSpec[] = [
    { title: "Traffic", unit: "bps", limit_bps: port?.speed_bps ?? null, curves: [{ label: "sent", of: 0, field: "out_bps" }, { label: "received", of: 0, field: "in_bps" }] },
    { title: "Packets", unit: "pps", curves: [{ label: "sent", of: 0, field: "out_pps" }, { label: "received", of: 0, field: "in_pps" }] },
    { title: "Drops", unit: "pps", curves: [{ label: "sending", of: 0, field: "out_drops_pps" }, { label: "receiving", of: 0, field: "in_drops_pps" }] },
  ];
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}><a href={toDevice(device)}><Name>{device}</Name></a> <Name>{name}</Name></h1>
        {port && (
          <p>
            <Badge state={port.ifOperStatus === "up" ? "up" : port.ifOperStatus === "unknown" ? "unknown" : "down"} text={port.ifOperStatus} />
            {port.since && <> for <Since at={port.since} /></>}
            {port.ifAdminStatus !== "up" && <> · ifAdminStatus {port.ifAdminStatus}</>}
            {peer && <> · leads to <a href={toLink(peer.id)}><Name>{peer.name}</Name></a></>}
          </p>
        )}
        {!port && <p class="muted">{error ? `It could not be read: ${error}` : data ? "The device does not have this interface now." : "Reading…"}</p>}
      </div>
      <About fabric={fabric} device={device} interface={name} />
      {port && <Panel title="Now"><PortFacts port={port} /></Panel>}
      <Panel title="History"><HistoryCharts fabric={fabric} ends={[{ device, interface: name }]} charts={charts} /></Panel>
      {port && <Panel title="Counters"><Counters port={port} /></Panel>}
    </>
  );
}

const PortFacts = ({ port }: { port: Interface }): JSX.Element => (
  <Facts>
    <Fact name="Received">
      <Load ratio={port.utilization.in} why={why(port, "utilization.in", "utilization_in", "in_bps")} />
      <span class="big"><Value value={port.rates["in_bps"]} as={bps} why={why(port, "in_bps", "ifHCInOctets")} /></span>
    </Fact>
    <Fact name="Sent">
      <Load ratio={port.utilization.out} why={why(port, "utilization.out", "utilization_out", "out_bps")} />
      <span class="big"><Value value={port.rates["out_bps"]} as={bps} why={why(port, "out_bps", "ifHCOutOctets")} /></span>
    </Fact>
    <Fact name="Packets in"><Value value={port.rates["in_pps"]} as={pps} why={why(port, "in_pps", "ifHCInUcastPkts")} /></Fact>
    <Fact name="Packets out"><Value value={port.rates["out_pps"]} as={pps} why={why(port, "out_pps", "ifHCOutUcastPkts")} /></Fact>
    <Fact name="Drops in"><Drops value={lossOf(port, "in", "drops")} as={pps} why={why(port, "in_drops_pps", "ifInDiscards", "ifInErrors")} /></Fact>
    <Fact name="Drops out"><Drops value={lossOf(port, "out", "drops")} as={pps} why={why(port, "out_drops_pps", "ifOutDiscards", "ifOutErrors")} /></Fact>
    <Fact name="Speed"><Speed of={port} why={why(port, "speed_bps", "ifHighSpeed", "ifSpeed")} /></Fact>
    <Fact name="ifIndex">{port.ifIndex ?? "–"}</Fact>
    {port.ifAlias && <Fact name="ifAlias"><Name>{port.ifAlias}</Name></Fact>}
    {port.ifDescr && <Fact name="ifDescr"><Name>{port.ifDescr}</Name></Fact>}
    {port.ifType != null && <Fact name="ifType">{port.ifType}</Fact>}
  </Facts>
);

function Counters({ port }: { port: Interface }): JSX.Element {
  const names = [...new Set([...Object.keys(port.counters), ...Object.keys(port.unknown ?? {})])];
  return (
    <Facts>
      {names.map((name) => (
        <Fact key={name} name={name}><Value value={port.counters[name]} as={count} why={port.unknown?.[name]} /></Fact>
      ))}
    </Facts>
  );
}
