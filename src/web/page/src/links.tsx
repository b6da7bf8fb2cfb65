// The table of links: both ends, and what passes and is lost in each direction.

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import { dropsOf, Rank, utilizationOf, whyLossUnknown, whyUnknown, type Fabric, type LinkRow } from "./fabric";
import type { Link, LinkEnd } from "./api";
import { toLink } from "./route";
import { Badge, Drops, End, Load, Since, Speed } from "./parts";
import { Table, type Column } from "./table";
import { bps, pps } from "./units";

function load(fabric: Fabric, row: LinkRow, from: "a" | "b"): JSX.Element {
  const { link } = row;
  const sends = link[from].out_bps;
  const [sender, receiver] = from === "a" ? [link.a, link.b] : [link.b, link.a];
  return (
    <Load
      down={link.state === "down"}
      ratio={utilizationOf(link, from)}
      why={whyUnknown(fabric, link, from, "utilization")}
      title={`${sends === null ? "rate unknown" : bps(sends)} from ${sender.device} to ${receiver.device}`}
    />
  );
}

function lost(fabric: Fabric, row: LinkRow, from: "a" | "b"): JSX.Element {
  return <Drops value={dropsOf(row.link, from)} as={pps} why={whyLossUnknown(fabric, row.link, from)} />;
}

function columnsFor(fabric: Fabric): Column<LinkRow>[] {
  return [
    {
      key: "state",
      title: "State",
      value: ({ link }) => ["down", "unknown", "up"].indexOf(link.state),
      // On a phone there is no room for the columns of drops; there they stand beside the state.
      cell: ({ link, drops }) => <><Badge state={link.state} />{drops ? <span class="phone"> <Drops value={drops} as={pps} /></span> : null}</>,
    },
    {
      key: "name",
      title: "Link (a ⇄ b)",
      value: ({ key }) => key,
      cell: ({ link }) => (
        <a href={toLink(link.id)} class="ends">
          <End end={link.a} />
          <span class="joins" aria-label="to"> ⇄ </span>
          <End end={link.b} />
        </a>
      ),
    },
    {
      key: "speed",
      title: "Speed",
      hint: "Of the slower end",
      largestFirst: true,
      value: ({ link }) => slowerEnd(link).speed_bps,
      cell: ({ link }) => <Speed of={slowerEnd(link)} why="neither end says" />,
    },
    {
      key: "ab",
      title: "a → b",
      hint: "Utilisation from the first end to the second, against the slower of both",
      largestFirst: true,
      value: ({ link }) => link.utilization.a_to_b,
      cell: (row) => load(fabric, row, "a"),
    },
    {
      key: "ba",
      title: "b → a",
      hint: "Utilisation from the second end to the first",
      largestFirst: true,
      value: ({ link }) => link.utilization.b_to_a,
      cell: (row) => load(fabric, row, "b"),
    },
    {
      key: "dab",
      title: "Drops →",
      hint: "Packets per second lost from the first end to the second: discards and errors",
      largestFirst: true,
      value: ({ link }) => dropsOf(link, "a"),
      cell: (row) => lost(fabric, row, "a"),
    },
    {
      key: "dba",
      title: "Drops ←",
      hint: "Packets per second lost from the second end to the first: discards and errors",
      largestFirst: true,
      value: ({ link }) => dropsOf(link, "b"),
      cell: (row) => lost(fabric, row, "b"),
    },
    {
      key: "since",
      title: "Since",
      hint: "How long its state has been as it is",
      largestFirst: true,
      value: ({ link }) => link.since,
      cell: ({ link }) => <Since at={link.since} />,
    },
  ];
}

/** The end that bounds what the link can carry: the slower one, or the only one that is known. */
const slowerEnd = ({ a, b }: Link): LinkEnd => (b.speed_bps !== null && (a.speed_bps === null || b.speed_bps < a.speed_bps) ? b : a);

const rowClass = ({ link, rank }: LinkRow): string =>
  link.state === "down" ? "is-down" : link.state === "unknown" ? "is-unknown" : rank <= Rank.Warning ? "is-warned" : "";

export function LinksTable(props: { fabric: Fabric; rows: LinkRow[]; caption: string; inSight?: number }): JSX.Element {
  const { fabric } = props;
  const columns = useMemo(() => columnsFor(fabric), [fabric]);
  return (
    <Table
      id="links"
      caption={props.caption}
      rows={props.rows}
      columns={columns}
      rowKey={({ link }) => link.id}
      href={({ link }) => toLink(link.id)}
      rowClass={rowClass}
      heights={[34, 92]}
      inSight={props.inSight ?? 14}
    />
  );
}
