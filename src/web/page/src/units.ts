// Numbers as network people write them. Rates use SI prefixes (1 kbit/s is 1000 bit/s); three digits that count.

const PREFIXES = ["", "k", "M", "G", "T", "P"];

/** Three significant digits, and never "1000" where the next prefix would do. */
function scaled(value: number): [digits: string, prefix: string] {
  let power = 0;
  let rest = Math.abs(value);
  while (rest >= 999.5 && power < PREFIXES.length - 1) {
    rest /= 1000;
    power += 1;
  }
  const decimals = rest >= 99.95 || (power === 0 && Number.isInteger(rest)) ? 0 : rest >= 9.995 ? 1 : 2;
  return [rest.toFixed(decimals), PREFIXES[power] ?? ""];
}

/** `9.87 Gbit/s` */
export function bps(value: number): string {
  if (value > 0 && value < 1) return "<1 bit/s";
  const [digits, prefix] = scaled(Math.round(value));
  return `${digits} ${prefix}bit/s`;
}

/** A nominal speed, without digits that say nothing: `10 Gbit/s`, `2.5 Gbit/s`. */
export function speed(value: number): string {
  const [digits, prefix] = scaled(value);
  return `${digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits} ${prefix}bit/s`;
}

/** `12 pps`; small rates keep their digits, since one lost packet in a minute matters. */
export function pps(value: number): string {
  if (value === 0) return "0 pps";
  if (value < 0.01) return "<0.01 pps";
  if (value < 10) return `${Number(value.toPrecision(2))} pps`;
  const [digits, prefix] = scaled(Math.round(value));
  return `${digits} ${prefix}pps`;
}

/** A ratio as percent: `<0.1 %`, `4.2 %`, `42 %`, and `99.7 %` rather than a rounded-up 100. */
export function percent(ratio: number): string {
  const value = ratio * 100;
  if (value === 0) return "0 %";
  if (value < 0.1) return "<0.1 %";
  if (value < 9.95 || (value >= 99 && value < 99.95)) return `${value.toFixed(1)} %`;
  return `${Math.round(value)} %`;
}

/** `12,345` */
export const count = (value: number): string => value.toLocaleString("en");

const STEPS: [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** `4 s`, `3 min`, `2 h 10 min`, `12 d 4 h`; a second part only while it still says something. */
export function duration(ms: number): string {
  const at = STEPS.findIndex(([, size]) => ms >= size);
  if (at < 0) return "0 s";
  const [name, size] = STEPS[at]!;
  const whole = Math.floor(ms / size);
  const next = STEPS[at + 1];
  if (!next || next[0] === "s" || whole >= 20) return `${whole} ${name}`;
  const rest = Math.floor((ms - whole * size) / next[1]);
  return rest > 0 ? `${whole} ${name} ${rest} ${next[0]}` : `${whole} ${name}`;
}

const ABSOLUTE = new Intl.DateTimeFormat("en-CA", {
  dateStyle: "short",
  timeStyle: "long",
  hourCycle: "h23",
});

/** Date, time and zone, for titles. */
export const absolute = (at: number): string => ABSOLUTE.format(at);

/** Sorts `eth2` before `eth10` with plain comparison, which is far cheaper than a collator at 10,000 names. */
export const naturalKey = (name: string): string => name.replace(/\d+/g, (digits) => digits.padStart(10, "0"));
