//! What is shown, as cells: a line that says how things stand, the lists, the table or page, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::app::{App, Connection, Tab};
use super::fabric::Filter;
use super::look::{self, LOAD_COLUMNS, Look, Pieces, Tone};
use super::page;
use super::text::{Text, duration, left, right, speed, width};

/// Lines above and below what is listed, by the height of the terminal.
pub fn frame_rows(rows: u16, list: bool) -> (u16, u16) {
    let head = match rows {
        0 | 1 => 0,
        2..=5 => 1,
        _ if list => 3,
        _ => 2,
    };
    (head, u16::from(rows >= 3))
}

/// Draw everything.
pub fn draw(app: &App, look: Look, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let paint = Paint { look, old: app.connection != Connection::Live, area };
    let list = app.pages.is_empty();
    let (head, foot) = frame_rows(area.height, list);
    if head > 0 {
        paint.line(buf, 0, &standing(app, area.width), false);
    }
    if head > 1 {
        paint.line(buf, 1, &tabs(app, area.width), false);
    }
    let body = usize::from(area.height - head - foot);
    if list {
        let table = Table::new(app, usize::from(area.width), body);
        if head > 2 {
            paint.line(buf, 2, &table.head, false);
            paint.over(buf, 2, Style::new().add_modifier(Modifier::UNDERLINED));
        }
        for (n, (selected, pieces)) in table.rows.iter().enumerate() {
            paint.line(buf, head + n as u16, pieces, paint.old);
            if *selected {
                paint.over(buf, head + n as u16, Style::new().add_modifier(Modifier::REVERSED));
            }
        }
    } else {
        draw_page(app, &paint, (head, body), buf);
    }
    if foot > 0 {
        paint.line(buf, area.height - 1, &keys(app), false);
    }
}

struct Paint {
    look: Look,
    old: bool,
    area: Rect,
}

impl Paint {
    fn line(&self, buf: &mut Buffer, y: u16, pieces: &[(Tone, String)], old: bool) {
        let spans = pieces.iter().map(|(tone, text)| Span::styled(text.as_str(), self.look.style(*tone, old)));
        buf.set_line(self.area.x, self.area.y + y, &Line::from_iter(spans), self.area.width);
    }

    /// Something about a whole line.
    fn over(&self, buf: &mut Buffer, y: u16, style: Style) {
        buf.set_style(Rect { y: self.area.y + y, height: 1, ..self.area }, style);
    }
}

/// How the instance and the fabric stand.
fn standing(app: &App, columns: u16) -> Pieces {
    let frame = &app.fabric.frame;
    // Where there is little room, what matters comes first.
    let mut pieces = match columns {
        0..60 => Pieces::new(),
        _ => vec![(Tone::Title, "selvedge ".to_owned()), (Tone::Plain, format!("{}  ", app.host))],
    };
    match &app.connection {
        Connection::Lost(why) => {
            let silent = duration(app.silent_ms());
            pieces.push((Tone::Bad, format!("not connected, last update {silent} ago")));
            pieces.push((Tone::Faint, format!(": {why}")));
            return pieces;
        }
        Connection::Live if app.paused => pieces.push((Tone::Warn, "PAUSED, Space goes on  ".into())),
        Connection::Live => pieces.push((Tone::Good, "live  ".into())),
    }
    let count = |state: &str| frame.links.iter().filter(|link| link.state.as_str() == state).count();
    let (down, unknown) = (count("down"), count("unknown"));
    pieces.push((Tone::Plain, format!("{} up", count("up"))));
    if down > 0 {
        pieces.push((Tone::Bad, format!(", {down} down")));
    }
    if unknown > 0 {
        pieces.push((Tone::Faint, format!(", {unknown} unknown")));
    }
    let firing = frame.alerts.iter().filter(|alert| alert.is("firing")).count();
    if firing > 0 {
        pieces.push((Tone::Warn, format!("  {firing} firing")));
    }
    if let Some(targets) = &frame.status.targets
        && let (Some(total), Some(answered)) = (targets.total, targets.answered)
        && answered < total
    {
        pieces.push((Tone::Warn, format!("  {answered}/{total} answer")));
    }
    let time = frame.taken_at.as_str().get(11..19).map_or_else(String::new, |time| format!("{time} UTC"));
    edge(&mut pieces, &time, columns);
    pieces
}

/// Put something at the right edge, if there is room.
fn edge(pieces: &mut Pieces, words: &str, columns: u16) {
    let used: usize = pieces.iter().map(|(_, text)| width(text)).sum();
    let room = usize::from(columns).saturating_sub(used);
    if room > width(words) {
        pieces.push((Tone::Faint, right(words, room)));
    }
}

fn tabs(app: &App, columns: u16) -> Pieces {
    if let Some(page) = app.pages.last() {
        return vec![(Tone::Title, page::title(&page.target))];
    }
    let frame = &app.fabric.frame;
    let firing = frame.alerts.iter().filter(|alert| !alert.is("resolved")).count();
    let counts = [frame.links.len(), firing, frame.devices.len(), frame.groups.len()];
    let mut pieces = Pieces::new();
    for (tab, count) in Tab::ALL.into_iter().zip(counts) {
        let words = format!("{} {} {count}", tab as usize + 1, tab.as_str());
        pieces.push(if tab == app.tab {
            (Tone::Title, format!("[{words}] "))
        } else {
            (Tone::Faint, format!(" {words}  "))
        });
    }
    if app.tab == Tab::Links {
        edge(&mut pieces, &format!("sort: {}", app.sort.as_str()), columns);
    }
    pieces
}

fn keys(app: &App) -> Pieces {
    let filter = &app.place().filter;
    if app.typing {
        let hint = "  words, is:down is:drops is:busy is:trouble; Enter keeps, Esc clears";
        return vec![(Tone::Title, "/".into()), (Tone::Plain, format!("{filter}▏")), (Tone::Faint, hint.into())];
    }
    if app.pages.is_empty() && !filter.is_empty() {
        let found = format!("{} shown  ", app.shown().len());
        return vec![
            (Tone::Title, format!("/{filter}  ")),
            (Tone::Plain, found),
            (Tone::Faint, "Esc clears  / changes".into()),
        ];
    }
    let words = match (app.pages.is_empty(), app.tab) {
        (false, _) => "Esc back  ↑↓ move  Enter open  Space pause  ? help  q quit",
        (true, Tab::Links) => "? help  / filter  s sort  Enter open  Tab next  Space pause  q quit",
        (true, _) => "? help  / filter  Enter open  Tab next  Space pause  q quit",
    };
    vec![(Tone::Faint, words.into())]
}

fn draw_page(app: &App, paint: &Paint, (head, rows): (u16, usize), buf: &mut Buffer) {
    let Some(page) = app.pages.last() else { return };
    let lines = page::lines(app);
    let leads: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].leads_to.is_some()).collect();
    let selected = leads.get(page.at.min(leads.len().saturating_sub(1)));
    let from = page.scroll.min(lines.len().saturating_sub(rows));
    for (n, (at, line)) in lines.iter().enumerate().skip(from).take(rows).enumerate() {
        let mark = if selected == Some(&at) { "▸ " } else { "  " };
        let mut pieces = vec![(Tone::Title, mark.to_owned())];
        pieces.extend(line.pieces.iter().cloned());
        paint.line(buf, head + n as u16, &pieces, paint.old && page.target != super::app::Target::Help);
        if selected == Some(&at) {
            paint.over(buf, head + n as u16, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

/// The list at hand, as far as it is in sight.
struct Table {
    head: Pieces,
    rows: Vec<(bool, Pieces)>,
}

impl Table {
    fn new(app: &App, columns: usize, rows: usize) -> Self {
        let shown = app.shown();
        let selected = app.selected(&shown);
        // The selected row is in the middle, as far as there is something above and below.
        let from = selected.saturating_sub(rows / 2).min(shown.len().saturating_sub(rows));
        let seen = &shown[from..(from + rows).min(shown.len())];
        let (head, lines) = match app.tab {
            Tab::Links => links(app, seen, columns),
            Tab::Alerts => alerts(app, seen, columns),
            Tab::Devices => devices(app, seen, columns),
            Tab::Groups => groups(app, seen, columns),
        };
        let mut rows: Vec<(bool, Pieces)> =
            lines.into_iter().enumerate().map(|(n, line)| (from + n == selected, line)).collect();
        if shown.is_empty() {
            rows.push((false, vec![(Tone::Faint, format!("  {}", nothing(app)))]));
        }
        Self { head: vec![(Tone::Faint, left(&head, columns))], rows }
    }
}

/// Why a list is empty.
fn nothing(app: &App) -> String {
    if !app.place().filter.is_empty() {
        return "nothing matches the filter; Esc clears it".into();
    }
    match (app.tab, &app.fabric.frame.status.targets) {
        (Tab::Alerts, _) => "no alerts".into(),
        (Tab::Groups, _) => "no redundancy groups: no links that stand in for each other".into(),
        (Tab::Devices, _) => "no devices: name some in the configuration".into(),
        (Tab::Links, Some(targets)) => {
            let count = |count: Option<u64>| count.map_or("?".into(), |count| count.to_string());
            format!("no links yet: {} of {} devices answered", count(targets.answered), count(targets.total))
        }
        (Tab::Links, None) => "no links yet".into(),
    }
}

fn links(app: &App, seen: &[usize], columns: usize) -> (String, Vec<Pieces>) {
    const STATE: usize = 5;
    const DROPS: usize = 10;
    const SPEED: usize = 11;
    const SINCE: usize = 12;
    let frame = &app.fabric.frame;
    let (both, since, nominal) = (columns >= 100, columns >= 110, columns >= 125);
    let loads = columns >= 44;
    let mut fixed = 3 + STATE;
    fixed += if loads { 2 * LOAD_COLUMNS } else { LOAD_COLUMNS };
    fixed += if both {
        2 * DROPS
    } else if columns >= 60 {
        DROPS
    } else {
        0
    };
    fixed += if since { SINCE } else { 0 } + if nominal { SPEED } else { 0 };
    let room = columns.saturating_sub(fixed);
    // Names first, bars with what is left; both within reason.
    let longest = seen.iter().map(|at| width(&look::ends(&frame.links[*at]))).max().unwrap_or(0).max(12) + 1;
    let bars = if columns >= 60 { (room.saturating_sub(longest) / 2).clamp(3, 20) } else { 0 };
    let names = room.saturating_sub(if loads { 2 * bars } else { bars }).min(longest.max(20));

    let load_columns = bars + LOAD_COLUMNS;
    let mut head = format!("  {}{}", left("state", STATE + 1), left("link (a ⇄ b)", names));
    if nominal {
        head += &left(" speed", SPEED);
    }
    if loads {
        head += &(left("a → b", load_columns) + &left("b → a", load_columns));
    } else {
        head += &left("worse way", load_columns);
    }
    if both {
        head += &(left("drops →", DROPS) + &left("drops ←", DROPS));
    } else if columns >= 60 {
        head += &left("drops", DROPS);
    }
    if since {
        head += &left("since", SINCE);
    }

    let row = |at: &usize| {
        let (link, facts) = (&frame.links[*at], &app.fabric.links[*at]);
        let (tone, word) = look::state(link.state.as_str());
        let mut row = vec![
            (Tone::Plain, attention(facts.rank).to_owned()),
            (tone, left(&word, STATE)),
            (Tone::Plain, left(&look::ends(link), names.saturating_sub(1)) + if names > 0 { " " } else { "" }),
        ];
        if nominal {
            let words = look::slower(link).map_or("?".into(), speed);
            row.push((Tone::Faint, format!(" {}", left(&words, SPEED - 1))));
        }
        if loads {
            row.push(look::load(link, link.utilization.a_to_b, bars));
            row.push(look::load(link, link.utilization.b_to_a, bars));
        } else {
            row.push(look::load(link, facts.worst, bars));
        }
        let lost = |value| {
            let (tone, words) = look::drops(value);
            (tone, left(&words, DROPS))
        };
        if both {
            row.extend([lost(link.drops_pps.a_to_b), lost(link.drops_pps.b_to_a)]);
        } else if columns >= 60 {
            row.push(lost(facts.drops));
        }
        if since {
            let age = app.age_ms(link.since.as_ref().map(Text::as_str)).map_or("?".into(), duration);
            row.push((Tone::Faint, left(&age, SINCE)));
        }
        row
    };
    (head, seen.iter().map(row).collect())
}

/// A mark for what alerts say of a link.
fn attention(rank: super::fabric::Rank) -> &'static str {
    use super::fabric::Rank;
    match rank {
        Rank::Critical => "!! ",
        Rank::Down | Rank::Warning => "!  ",
        _ => "   ",
    }
}

fn alerts(app: &App, seen: &[usize], columns: usize) -> (String, Vec<Pieces>) {
    let head = format!("  {}{}what", left("severity", 10), left("since", 12));
    let row = |at: &usize| {
        let alert = &app.fabric.frame.alerts[*at];
        let (tone, word) = look::urgency(alert);
        let since = app.age_ms(Some(alert.since.as_str())).map_or("?".into(), duration);
        let words = if alert.is("resolved") { Tone::Faint } else { Tone::Plain };
        vec![
            (Tone::Plain, "  ".into()),
            (tone, left(word, 10)),
            (Tone::Faint, left(&since, 12)),
            (words, left(alert.words("summary"), columns.saturating_sub(24))),
        ]
    };
    (head, seen.iter().map(row).collect())
}

fn devices(app: &App, seen: &[usize], columns: usize) -> (String, Vec<Pieces>) {
    let names = seen.iter().map(|at| width(app.fabric.frame.devices[*at].name.as_str())).max().unwrap_or(0);
    let names = names.clamp(8, columns.saturating_sub(50).max(12)) + 1;
    let head = format!(
        "  {}{}{}{:>6}{:>8}  what",
        left("state", 12),
        left("device", names),
        left("address", 16),
        "links",
        "alerts"
    );
    let row = |at: &usize| {
        let (device, facts) = (&app.fabric.frame.devices[*at], &app.fabric.devices[*at]);
        let (tone, word) = look::state(device.state.as_str());
        let firing = facts.alerts.iter().filter(|at| app.fabric.frame.alerts[**at].is("firing")).count();
        let said = |text: &Option<Text>| text.as_ref().map_or("?", Text::as_str).to_owned();
        let what = match &device.why {
            Some(why) => why.as_str().to_owned(),
            None => said(&device.sys_descr),
        };
        vec![
            (Tone::Plain, "  ".into()),
            (tone, left(&word, 12)),
            (Tone::Plain, left(device.name.as_str(), names - 1) + " "),
            (Tone::Faint, left(&said(&device.address), 16)),
            (Tone::Plain, format!("{:>6}", facts.links.len())),
            (if firing > 0 { Tone::Warn } else { Tone::Faint }, format!("{firing:>8}")),
            (Tone::Faint, format!("  {what}")),
        ]
    };
    (head, seen.iter().map(row).collect())
}

fn groups(app: &App, seen: &[usize], columns: usize) -> (String, Vec<Pieces>) {
    let names = seen.iter().map(|at| width(app.fabric.frame.groups[*at].name.as_str())).max().unwrap_or(0);
    let names = names.clamp(8, columns.saturating_sub(40).max(12)) + 1;
    let head = format!("  {}{}{}redundancy left", left("state", 10), left("group", names), left("kind", 10));
    let row = |at: &usize| {
        let group = &app.fabric.frame.groups[*at];
        let (tone, word) = look::state(group.state.as_str());
        vec![
            (Tone::Plain, "  ".into()),
            (tone, left(&word, 10)),
            (Tone::Plain, left(group.name.as_str(), names - 1) + " "),
            (Tone::Faint, left(group.kind.as_str(), 10)),
            (tone, page::remaining(group)),
        ]
    };
    (head, seen.iter().map(row).collect())
}

/// All links as text, for what is no terminal.
pub fn plain(app: &App) -> String {
    let shown = app.fabric.links_by(app.sort, &Filter::default());
    // Wide enough for every name.
    let longest = shown.iter().map(|at| width(&look::ends(&app.fabric.frame.links[*at]))).max().unwrap_or(0);
    let (head, rows) = links(app, &shown, 125.max(longest + 90));
    let mut text = head.trim_end().to_owned() + "\n";
    for row in rows {
        let line: String = row.into_iter().map(|(_, text)| text).collect();
        text += line.trim_end();
        text.push('\n');
    }
    if shown.is_empty() { nothing(app) + "\n" } else { text }
}
