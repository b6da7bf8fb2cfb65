// The interfaces of one device: asked for when somebody looks, and again while they do.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { fetchInterfaces, type Interface } from "./api";
import { endKey, worse, type Fabric } from "./fabric";
import { Badge, Drops, Load, Name, Since, Speed, Value } from "./parts";
import { toInterface, toLink } from "./route";
import { Table, type Column } from "./table";
import { bps, naturalKey, pps } from "./units";

const EVERY_MS = 2_000;

export interface Answer<T> {
  data: T | null;
  error: string | null;
}

/** Interfaces of a device, asked again while the page is seen; the last answer stays when one fails. */
export function useInterfaces(device: string): Answer<Interface[]> {
  const [answer, set] = useState<Answer<Interface[]>>({ data: null, error: null });
  useEffect(() => {
    const stop = new AbortController();
    set({ data: null, error: null });
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        try {
          set({ data: await fetchInterfaces(device, stop.signal), error: null });
        } catch (error) {
          if (!stop.signal.aborted) set((kept) => ({ ...kept, error: error instanceof Error ? error.message : String(error) }));
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void ask(), EVERY_MS);
    };
    let timer = setTimeout(() => void ask());
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [device]);
  return answer;
}

/** Why a figure is missing: by its own name, else by any counter it is made of. */
export function why(port: Interface, ...names: string[]): string | undefined {
  const said = names.map((name) => port.unknown?.[name]).find(Boolean);
  if (said) return said;
  const reasons = Object.values(port.unknown ?? {});
  return reasons.length > 0 && new Set(reasons).size === 1 ? reasons[0] : undefined;
}

/** A rate per second under whichever of its names the API uses; a sum is known where one part is. */
export function lossOf(port: Interface, way: "in" | "out", kind: "drops" | "discards" | "errors"): number | null {
  const direct = port.rates[`${way}_${kind}_pps`] ?? port.rates[`${way}_${kind}`];
  if (direct !== undefined && direct !== null) return direct;
  if (kind !== "drops") return null;
  const [discards, errors] = [lossOf(port, way, "discards"), lossOf(port, way, "errors")];
  return discards === null && errors === null ? null : (discards ?? 0) + (errors ?? 0);
}

const order = (port: Interface): string => {
  const trouble = port.ifAdminStatus === "up" && port.ifOperStatus !== "up" && port.ifOperStatus !== "notPresent" && port.since !== null;
  const busy = (worse(port.utilization.in, port.utilization.out) ?? 0) >= 0.8;
  const idle = port.ifAdminStatus === "down" || port.ifOperStatus !== "up";
  return `${trouble ? 0 : busy ? 1 : idle ? 3 : 2}${naturalKey(port.interface)}`;
};

const statusState = (port: Interface): string =>
  port.ifOperStatus === "up" ? "up" : port.ifAdminStatus === "down" ? "off" : port.ifOperStatus === "unknown" ? "unknown" : "down";

function columnsFor(fabric: Fabric): Column<Interface>[] {
  const way = (key: "in" | "out", title: string): Column<Interface>[] => [
    {
      key: `${key}load`,
      title: `${title}`,
      hint: `Utilisation, ${key === "in" ? "received" : "sent"}`,
      largestFirst: true,
      value: (port) => port.utilization[key],
      cell: (port) => <Load ratio={port.utilization[key]} why={why(port, `utilization.${key}`, `utilization_${key}`, `${key}_bps`, "speed_bps")} />,
    },
    {
      key: `${key}bps`,
      title: `${title} rate`,
      largestFirst: true,
      value: (port) => port.rates[`${key}_bps`] ?? null,
      cell: (port) => <Value value={port.rates[`${key}_bps`]} as={bps} why={why(port, `${key}_bps`, key === "in" ? "ifHCInOctets" : "ifHCOutOctets")} />,
    },
  ];
  const losses = (key: "in" | "out", title: string): Column<Interface> => ({
    key: `${key}drops`,
    title,
    hint: `Discards and errors, ${key === "in" ? "receiving" : "sending"}`,
    largestFirst: true,
    value: (port) => lossOf(port, key, "drops"),
    cell: (port) => (
      <Drops
        value={lossOf(port, key, "drops")}
        as={pps}
        why={why(port, `${key}_drops_pps`, key === "in" ? "ifInDiscards" : "ifOutDiscards", key === "in" ? "ifInErrors" : "ifOutErrors")}
      />
    ),
  });
  return [
    {
      key: "state",
      title: "State",
      value: (port) => order(port),
      cell: (port) => <Badge state={statusState(port)} text={port.ifAdminStatus === "down" ? "off" : port.ifOperStatus} title={`ifAdminStatus ${port.ifAdminStatus}, ifOperStatus ${port.ifOperStatus}`} />,
    },
    {
      key: "name",
      title: "Interface",
      value: (port) => naturalKey(port.interface),
      cell: (port) => (
        <a href={toInterface(port.device, port.interface)}>
          <b><Name>{port.interface}</Name></b>
          {port.ifAlias && <> <i><Name>{port.ifAlias}</Name></i></>}
        </a>
      ),
    },
    {
      key: "peer",
      title: "Leads to",
      value: (port) => peerOf(fabric, port)?.name ?? null,
      cell: (port) => {
        const peer = peerOf(fabric, port);
        return peer ? <a href={toLink(peer.id)}><Name>{peer.name}</Name></a> : <span class="muted">–</span>;
      },
    },
    {
      key: "speed",
      title: "Speed",
      largestFirst: true,
      value: (port) => port.speed_bps,
      cell: (port) => <Speed of={port} why={why(port, "speed_bps", "ifHighSpeed", "ifSpeed")} />,
    },
    ...way("in", "In"),
    ...way("out", "Out"),
    losses("in", "Drops in"),
    losses("out", "Drops out"),
    { key: "since", title: "Since", largestFirst: true, value: (port) => port.since, cell: (port) => <Since at={port.since} /> },
  ];
}

export function peerOf(fabric: Fabric, port: { device: string; interface: string }): { id: string; name: string } | null {
  const link = fabric.linkByEnd.get(endKey(port))?.link;
  if (!link) return null;
  const other = link.a.device === port.device && link.a.interface === port.interface ? link.b : link.a;
  return { id: link.id, name: `${other.device}:${other.interface}` };
}

export function InterfacesTable(props: { fabric: Fabric; device: string; inSight?: number }): JSX.Element {
  const { data, error } = useInterfaces(props.device);
  if (!data) return <p class="muted pad">{error ? `The interfaces could not be read: ${error}` : "Reading interfaces…"}</p>;
  if (data.length === 0) return <p class="muted pad">No interface is known yet.</p>;
  const rows = data.map((port) => ({ port, key: order(port) })).sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ port }) => port);
  return (
    <Table
      id="interfaces"
      caption={`Interfaces of ${props.device}`}
      rows={rows}
      columns={columnsFor(props.fabric)}
      rowKey={(port) => port.interface}
      href={(port) => toInterface(port.device, port.interface)}
      rowClass={(port) => (statusState(port) === "down" ? "is-down" : statusState(port) === "off" ? "is-off" : "")}
      heights={[34, 92]}
      inSight={props.inSight ?? 20}
    />
  );
}
