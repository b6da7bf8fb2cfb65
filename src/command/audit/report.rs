//! The ledger for people.

use std::fmt;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::command::top::text::Text;
use crate::topology::headroom::{After, Basis, Headroom, Method, words};
use crate::topology::ledger::{Ledger, PartName, Point, Scene, Standing, Ways, WhatIf};

const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const HEAD: Style = Style::new().bold();

/// Links that are listed; they are many.
const MOST_LINKS: usize = 20;
/// Lines of one section; the rest is counted.
const MOST: usize = 50;

/// A ledger as it is printed.
pub(super) struct Report<'l> {
    pub(super) ledger: &'l Ledger,
    pub(super) scene: &'l Scene,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, scene } = self;
        let (devices, links) = (scene.devices.len(), scene.links.len());
        writeln!(f, "{devices} devices, {links} links, as of {}", ledger.taken_at)?;
        for name in &ledger.unmatched {
            writeln!(f, "{WARN}[[protect]] names {}, and no device with a cable is that{WARN:#}", safe(name))?;
        }
        if let Some(what_if) = &ledger.what_if {
            return what_if_report(f, what_if);
        }
        let cut_off = ledger.cut_off.iter().map(|cut| format!("{} has no way to {}", cut.name, cut.to));
        section(f, "Cut off", BAD, cut_off)?;
        let told = |point: &&Point| point.told_by.is_none();
        let (news, always): (Vec<&Point>, Vec<&Point>) =
            ledger.points.iter().filter(told).partition(|point| !point.planned || point.protected);
        section(f, "Single points of failure", BAD, news.iter().map(|point| point.summary.clone()))?;
        section(f, "Never doubled", Style::new(), always.iter().map(|point| point.summary.clone()))?;
        if ledger.points_left_out > 0 {
            writeln!(f, "and {} more single points", ledger.points_left_out)?;
        }
        if let Some(headroom) = &ledger.headroom {
            headroom_report(f, headroom)?;
        }
        groups(f, ledger)?;
        ways(f, &ledger.ways, ledger.ways_bound)?;
        match ledger.findings {
            0 => writeln!(f, "\n{GOOD}Everything that is doubled by plan is doubled.{GOOD:#}"),
            1 => writeln!(f, "\n{BAD}1 finding{BAD:#}"),
            n => writeln!(f, "\n{BAD}{n} findings{BAD:#}"),
        }
    }
}

fn headroom_report(f: &mut fmt::Formatter<'_>, headroom: &Headroom) -> fmt::Result {
    section(f, "Would not be survived", WARN, headroom.cases.iter().map(|case| case.summary.clone()))?;
    if headroom.cases_left_out > 0 {
        writeln!(f, "and {} more failures", headroom.cases_left_out)?;
    }
    if !headroom.links.is_empty() {
        let all = headroom.links.len() + headroom.links_left_out;
        writeln!(f, "\n{HEAD}Links after the worst failure ({all}){HEAD:#}")?;
        let mut table = table(&["LINK", "NOW", "AFTER", "CAPACITY", "IF THIS FAILS"]);
        for worst in headroom.links.iter().take(MOST_LINKS) {
            let After { link, before_bps, after_bps, capacity_bps, within_bps, method, basis, .. } = &worst.after;
            let off = within_bps / capacity_bps * 100.0;
            let how = match method {
                Method::Split => String::new(),
                Method::Estimate => format!(" ~{off:.0}"),
            };
            let share = format!("{:.0}{how} %", after_bps / capacity_bps * 100.0);
            let what = match &worst.without {
                PartName::Device { name } => name.to_string(),
                PartName::Link { name, .. } => name.to_string(),
                PartName::Risk { name } => name.clone(),
            };
            let when = if *basis == Basis::Busy { ", in the busy hour" } else { "" };
            let now = format!("{:.0} %", before_bps / capacity_bps * 100.0);
            let capacity = words::bits(*capacity_bps);
            table.add_row([safe(link.as_str()), now, share, capacity, format!("{}{when}", safe(&what))]);
        }
        writeln!(f, "{table}")?;
        if all > MOST_LINKS {
            writeln!(f, "  and {} more; --format json has the fullest", all - MOST_LINKS)?;
        }
    }
    for note in &headroom.notes {
        writeln!(f, "  {}", safe(note))?;
    }
    Ok(())
}

fn what_if_report(f: &mut fmt::Formatter<'_>, what_if: &WhatIf) -> fmt::Result {
    writeln!(f, "as if without {}", safe(&what_if.without.join(", ")))?;
    let cut_off = what_if.cut_off.iter().map(|cut| format!("{} would have no way to {}", cut.name, cut.to));
    section(f, "Would be cut off", BAD, cut_off)?;
    let group = |loss: &crate::topology::ledger::GroupLoss| {
        let word = match loss.state {
            Standing::Lost => "nothing would be left",
            Standing::Critical => "one would be left",
            _ => "still doubled",
        };
        format!("{}: {} of {} links, now {}; {word}", loss.name, loss.after, loss.planned, loss.before)
    };
    section(f, "Redundancy that would be gone", WARN, what_if.groups.iter().map(group))?;
    section(f, "Would become single points of failure", WARN, what_if.points.iter().cloned())?;
    if let Some(case) = &what_if.headroom {
        let line = |after: &After| {
            format!("{} more than fits: {}", words::bits(after.after_bps - after.capacity_bps), words::load(after))
        };
        section(f, "Would be too full", BAD, case.over.iter().map(line))?;
        if case.over_total > case.over.len() {
            writeln!(f, "  and {} more", case.over_total - case.over.len())?;
        }
    }
    match what_if.findings() {
        0 => writeln!(f, "\n{GOOD}Nothing would be lost.{GOOD:#}"),
        _ if what_if.cut_off.is_empty() && what_if.headroom.is_some() => {
            writeln!(f, "\n{BAD}Nobody would be cut off, and not all of today's load would fit.{BAD:#}")
        }
        _ if what_if.cut_off.is_empty() => {
            writeln!(f, "\n{WARN}Nobody would be cut off, and the next failure would be one too many.{WARN:#}")
        }
        _ => writeln!(f, "\n{BAD}Do not: somebody would be cut off.{BAD:#}"),
    }
}

/// A heading and its lines; nothing where there are none.
fn section(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    style: Style,
    lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let count = lines.len();
    if count == 0 {
        return Ok(());
    }
    writeln!(f, "\n{HEAD}{title} ({count}){HEAD:#}")?;
    for line in lines.take(MOST) {
        writeln!(f, "  {style}{}{style:#}", safe(&line))?;
    }
    if count > MOST {
        writeln!(f, "  and {} more; --format json has all", count - MOST)?;
    }
    Ok(())
}

fn groups(f: &mut fmt::Formatter<'_>, ledger: &Ledger) -> fmt::Result {
    if ledger.groups.is_empty() {
        return writeln!(f, "\nNo redundancy is known: no device has two ways up, and no two devices two cables.");
    }
    let whole = ledger.groups.iter().filter(|group| group.state == Standing::Ok).count();
    writeln!(f, "\n{HEAD}Redundancy ({whole} of {} whole){HEAD:#}", ledger.groups.len())?;
    let mut table = table(&["GROUP", "STATE", "WORKS", "PLANNED", "THE NEXT FAILURE"]);
    // The worst come first; of those that are whole a few are enough.
    for group in ledger.groups.iter().take(MOST) {
        let state = match group.state {
            Standing::Lost => "LOST",
            Standing::Critical => "CRITICAL",
            Standing::Degraded => "DEGRADED",
            Standing::Unknown => "unknown",
            Standing::Ok => "ok",
        };
        let works = match group.unknown.len() {
            0 => group.working.len().to_string(),
            unknown => format!("{} + {unknown}?", group.working.len()),
        };
        table.add_row([&safe(&group.name), state, &works, &group.planned.len().to_string(), &safe(&group.next)]);
    }
    writeln!(f, "{table}")?;
    if ledger.groups.len() > MOST {
        writeln!(f, "  and {} more; --format json has all", ledger.groups.len() - MOST)?;
    }
    Ok(())
}

fn ways(f: &mut fmt::Formatter<'_>, ways: &[Ways], bound: usize) -> fmt::Result {
    if ways.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{HEAD}Ways that share nothing ({}){HEAD:#}", ways.len())?;
    let mut table = table(&["FROM", "TO", "NO SHARED LINK", "NO SHARED DEVICE"]);
    let count = |ways: Option<usize>| match ways {
        None => "not counted".to_owned(),
        Some(ways) if ways >= bound => format!("{ways} or more"),
        Some(ways) => ways.to_string(),
    };
    // Those with the fewest ways first.
    let mut sorted: Vec<&Ways> = ways.iter().collect();
    sorted.sort_by_key(|ways| (ways.by_devices.unwrap_or(usize::MAX), ways.by_links.unwrap_or(usize::MAX)));
    for ways in sorted.into_iter().take(MOST) {
        table.add_row([safe(&ways.name), safe(&ways.to), count(ways.by_links), count(ways.by_devices)]);
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(f, "{table}")?;
    if ways.len() > MOST {
        writeln!(f, "  and {} more; --format json has all", ways.len() - MOST)?;
    }
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table
}

/// Names come from the network.
fn safe(text: &str) -> String {
    Text::new(text).as_str().to_owned()
}
