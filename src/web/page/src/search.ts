// What the reader typed, and what it lets through. Words must all occur in a row's names; `is:down` and the
// like ask for a condition and are what the buttons above the tables write.

import type { Group } from "./api";
import { BUSY, Rank, type DeviceRow, type LinkRow } from "./fabric";

export interface Query {
  words: string[];
  conditions: string[];
}

/** None where nothing was typed: then nothing needs to be looked through. */
export function queryOf(text: string): Query | null {
  const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (parts.length === 0) return null;
  return {
    words: parts.filter((part) => !part.startsWith("is:")),
    conditions: parts.filter((part) => part.startsWith("is:")).map((part) => part.slice(3)),
  };
}

/** The same text with one condition put in or taken out. */
export function toggled(text: string, condition: string): string {
  const parts = text.split(/\s+/).filter(Boolean);
  const others = parts.filter((part) => !part.startsWith("is:"));
  return parts.includes(`is:${condition}`) ? others.join(" ") : [...others, `is:${condition}`].join(" ");
}

const says = (query: Query, text: string): boolean => {
  const lower = text.toLowerCase();
  return query.words.every((word) => lower.includes(word));
};

export function matchesLink(query: Query, { link, worst, drops, rank }: LinkRow): boolean {
  const meets = (condition: string): boolean => {
    switch (condition) {
      case "drops":
        return drops !== null && drops > 0;
      case "busy":
        return worst !== null && worst >= BUSY;
      case "trouble":
        return rank < Rank.Unknown;
      default:
        return link.state === condition;
    }
  };
  return query.conditions.every(meets) && says(query, link.groups.length ? `${link.id}\n${link.groups.join("\n")}` : link.id);
}

export function matchesDevice(query: Query, { device }: DeviceRow): boolean {
  const labels = Object.entries(device.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return says(query, [device.name, device.address ?? "", device.sysDescr ?? "", device.state, ...labels].join("\n"));
}

export const matchesGroup = (query: Query, group: Group): boolean =>
  says(query, [group.name, group.state, ...group.planned].join("\n"));
