// A table that stays quick at 10,000 rows: only the rows in sight exist. It is a real table to a screen reader
// (caption, scope, row counts); on a phone the same rows are laid out as small cards by the style sheet, which
// is why roles are given explicitly. Sorting is kept in the address.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { setParam, useRoute } from "./route";

export interface Column<Row> {
  key: string;
  title: string;
  /** What the column means, where the title alone does not say. */
  hint?: string;
  /** What it is sorted by; unknown (null) always sorts last. Without it the column cannot be sorted. */
  value?: (row: Row) => number | string | null;
  /** Numbers are mostly looked for from the largest. */
  largestFirst?: boolean;
  cell: (row: Row) => ComponentChildren;
}

export interface TableProps<Row> {
  /** Names the table in the address and the style sheet. */
  id: string;
  caption: string;
  /** In the order that is shown until the reader sorts. */
  rows: Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  href?: (row: Row) => string;
  rowClass?: (row: Row) => string;
  /** Row heights must be fixed, so that positions can be computed: on wide screens and on phones. */
  heights?: [wide: number, narrow: number];
  /** How many rows are in sight before the table scrolls. */
  inSight?: number;
}

const narrow = matchMedia("(max-width: 700px)");
const SPARE_ROWS = 8;

function useNarrow(): boolean {
  const [is, set] = useState(narrow.matches);
  useLayoutEffect(() => {
    const change = (): void => set(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return is;
}

function sorted<Row>(rows: Row[], column: Column<Row> | undefined, down: boolean): Row[] {
  const value = column?.value;
  if (!value) return rows;
  const sign = down ? -1 : 1;
  return rows
    .map((row, at) => ({ row, at, value: value(row) }))
    .sort((a, b) => {
      if (a.value === b.value) return a.at - b.at;
      if (a.value === null) return 1;
      if (b.value === null) return -1;
      return a.value < b.value ? -sign : sign;
    })
    .map(({ row }) => row);
}

/** While the reader points at a row, rows keep their places, so that nothing moves away under the pointer. */
function useHeldOrder<Row>(rows: Row[], rowKey: (row: Row) => string, held: boolean, when: string): Row[] {
  const order = useRef<{ when: string; places: Map<string, number> } | null>(null);
  if (!held) order.current = null;
  else if (order.current?.when !== when) {
    order.current = { when, places: new Map(rows.map((row, at) => [rowKey(row), at])) };
  }
  const places = order.current?.places;
  if (!places) return rows;
  const place = (row: Row): number => places.get(rowKey(row)) ?? places.size;
  return [...rows].sort((a, b) => place(a) - place(b));
}

export function Table<Row>(props: TableProps<Row>): JSX.Element {
  const { id, columns, rowKey } = props;
  const sort = useRoute().params.get(id) ?? "";
  const down = sort.startsWith("-");
  const sortKey = down ? sort.slice(1) : sort;
  const isNarrow = useNarrow();
  const [wideHeight, narrowHeight] = props.heights ?? [34, 60];
  const height = isNarrow ? narrowHeight : wideHeight;
  const inSight = props.inSight ?? 14;

  const [pointing, setPointing] = useState(false);
  const inOrder = useMemo(
    () => sorted(props.rows, columns.find((column) => column.key === sortKey), down),
    [props.rows, columns, sortKey, down],
  );
  const rows = useHeldOrder(inOrder, rowKey, pointing, sort);

  const box = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(0);
  const fits = Math.ceil(inSight * (isNarrow ? 0.7 : 1));
  const scrolls = rows.length > fits + 2;
  const from = scrolls ? Math.min(first, Math.max(0, rows.length - fits)) : 0;
  const to = scrolls ? Math.min(rows.length, from + fits + 2 * SPARE_ROWS) : rows.length;

  const scrolled = (): void => {
    const top = box.current?.scrollTop ?? 0;
    // In steps of a few rows, so that scrolling by pixels does not redraw each time.
    const at = Math.max(0, Math.floor(top / height) - SPARE_ROWS);
    setFirst(at - (at % 4));
  };
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = 0;
    setFirst(0);
  }, [sort, isNarrow]);

  const sortBy = (column: Column<Row>): void => {
    const natural = `${column.largestFirst ? "-" : ""}${column.key}`;
    const other = column.largestFirst ? column.key : `-${column.key}`;
    setParam(id, sort === natural ? other : sort === other ? null : natural);
  };
  const follow = (event: MouseEvent, row: Row): void => {
    const target = event.target as Element;
    if (!props.href || target.closest("a,button,summary") || getSelection()?.type === "Range") return;
    location.hash = props.href(row);
  };

  return (
    <div class="tablebox">
      {isNarrow && rows.length > 1 && (
        <label class="sortby">
          Sort by{" "}
          <select value={sort} onChange={(event) => setParam(id, event.currentTarget.value || null)}>
            <option value="">attention</option>
            {columns.filter((column) => column.value).map((column) => {
              const key = `${column.largestFirst ? "-" : ""}${column.key}`;
              return <option key={key} value={key}>{column.title}</option>;
            })}
          </select>
        </label>
      )}
      <div
        class="scroll"
        ref={box}
        onScroll={scrolls ? scrolled : undefined}
        // A region that scrolls must be reachable by keyboard.
        tabIndex={scrolls ? 0 : undefined}
        role={scrolls ? "region" : undefined}
        aria-label={scrolls ? props.caption : undefined}
        style={scrolls ? { maxHeight: `${fits * height + (isNarrow ? 0 : 33)}px` } : undefined}
      >
        <table role="table" class={`grid ${id}`} aria-rowcount={rows.length + 1} style={{ "--row": `${height}px` }}>
          <caption class="sr">{props.caption}</caption>
          <colgroup>{columns.map((column) => <col key={column.key} class={`c-${column.key}`} />)}</colgroup>
          <thead role="rowgroup">
            <tr role="row" aria-rowindex={1}>
              {columns.map((column) => {
                const sorting = column.key === sortKey ? (down ? "descending" : "ascending") : undefined;
                return (
                  <th key={column.key} role="columnheader" scope="col" class={`c-${column.key}`} aria-sort={sorting} title={column.hint}>
                    {column.value ? (
                      <button type="button" onClick={() => sortBy(column)}>
                        {column.title}
                        <span class="sortsign" aria-hidden="true">{sorting ? (down ? "▾" : "▴") : ""}</span>
                      </button>
                    ) : column.title}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody
            role="rowgroup"
            onPointerEnter={(event) => event.pointerType === "mouse" && setPointing(true)}
            onPointerLeave={() => setPointing(false)}
          >
            {from > 0 && <tr aria-hidden="true" class="space" style={{ height: `${from * height}px` }} />}
            {rows.slice(from, to).map((row, at) => (
              <tr
                key={rowKey(row)}
                role="row"
                aria-rowindex={from + at + 2}
                class={`${(from + at) % 2 ? "odd" : ""} ${props.href ? "goes" : ""} ${props.rowClass?.(row) ?? ""}`}
                onClick={(event) => follow(event, row)}
              >
                {columns.map((column) => (
                  <td key={column.key} role="cell" class={`c-${column.key}`} data-title={column.title}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
            {to < rows.length && <tr aria-hidden="true" class="space" style={{ height: `${(rows.length - to) * height}px` }} />}
          </tbody>
        </table>
      </div>
    </div>
  );
}
