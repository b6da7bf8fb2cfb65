//! What is shown, and what a key makes of it. Pure: the time is handed in, and drawing is elsewhere.

use super::fabric::{Fabric, Filter, Sort};
use super::page;

/// Longer than what anybody types to find something.
const LONGEST_FILTER: usize = 200;

/// A key, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    /// Ctrl-U: forget what was typed.
    Clear,
    /// Ctrl-C: quit, whatever is shown.
    Quit,
    Char(char),
}

/// The four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Links,
    Alerts,
    Devices,
    Groups,
}

impl Tab {
    pub const ALL: [Self; 4] = [Self::Links, Self::Alerts, Self::Devices, Self::Groups];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Links => "Links",
            Self::Alerts => "Alerts",
            Self::Devices => "Devices",
            Self::Groups => "Groups",
        }
    }
}

/// What a page of its own is about; by name, since its place changes with every event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Link(String),
    Device(String),
    Alert(String),
    /// Name and device, which is empty where there is none.
    Group(String, String),
    Help,
}

/// A list's state: what stands where, and what was typed.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What is selected; none: whatever is on top.
    pub selected: Option<Target>,
    /// Where it was last, for when it is gone.
    pub at: usize,
    pub filter: String,
}

/// A page over the lists.
#[derive(Clone, Debug)]
pub struct Page {
    pub target: Target,
    /// Which of the lines that lead on is selected.
    pub at: usize,
    pub scroll: usize,
}

/// How things stand with the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    Live,
    /// And why.
    Lost(String),
}

/// Everything that is shown.
pub struct App {
    /// Of what: `127.0.0.1:9750`.
    pub host: String,
    pub fabric: Fabric,
    /// What came while it was paused.
    latest: Option<Fabric>,
    pub connection: Connection,
    pub paused: bool,
    pub tab: Tab,
    pub sort: Sort,
    pub typing: bool,
    pub places: [Place; 4],
    pub pages: Vec<Page>,
    pub quit: bool,
    pub columns: u16,
    pub rows: u16,
    /// Milliseconds by a clock that only rises.
    now_ms: u64,
    /// When the instance last said something.
    heard_ms: u64,
    /// When what is shown arrived.
    shown_ms: u64,
    latest_ms: u64,
}

impl App {
    pub fn new(host: String, fabric: Fabric, now_ms: u64) -> Self {
        Self {
            host,
            fabric,
            latest: None,
            connection: Connection::Live,
            paused: false,
            tab: Tab::Links,
            sort: Sort::Attention,
            typing: false,
            places: Default::default(),
            pages: Vec::new(),
            quit: false,
            columns: 80,
            rows: 24,
            now_ms,
            heard_ms: now_ms,
            shown_ms: now_ms,
            latest_ms: now_ms,
        }
    }

    /// The time goes on.
    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        (self.columns, self.rows) = (columns, rows);
    }

    /// An event came.
    pub fn update(&mut self, fabric: Fabric) {
        self.connection = Connection::Live;
        self.heard_ms = self.now_ms;
        if self.paused {
            self.latest = Some(fabric);
            self.latest_ms = self.now_ms;
        } else {
            self.fabric = fabric;
            self.shown_ms = self.now_ms;
        }
    }

    pub fn lost(&mut self, why: String) {
        self.connection = Connection::Lost(why);
    }

    /// How long the instance has been silent.
    pub fn silent_ms(&self) -> i64 {
        i64::try_from(self.now_ms - self.heard_ms).unwrap_or(i64::MAX)
    }

    /// How long ago something was, seen from what is shown: a frozen picture does not age.
    pub fn age_ms(&self, time: Option<&str>) -> Option<i64> {
        let taken_at = self.fabric.taken_at_ms?;
        let then = super::fabric::time_ms(time?)?;
        let frozen = self.paused || self.connection != Connection::Live;
        let since = if frozen { 0 } else { i64::try_from(self.now_ms - self.shown_ms).unwrap_or(0) };
        Some(taken_at.saturating_sub(then).saturating_add(since).max(0))
    }

    pub fn place(&self) -> &Place {
        &self.places[self.tab as usize]
    }

    fn place_mut(&mut self) -> &mut Place {
        &mut self.places[self.tab as usize]
    }

    /// Indexes of what the list at hand shows.
    pub fn shown(&self) -> Vec<usize> {
        let filter = Filter::new(&self.place().filter);
        match self.tab {
            Tab::Links => self.fabric.links_by(self.sort, &filter),
            Tab::Alerts => self.fabric.alerts_by(&filter),
            Tab::Devices => self.fabric.devices_by(&filter),
            Tab::Groups => self.fabric.groups_by(&filter),
        }
    }

    /// What a row of the list at hand leads to.
    fn target(&self, index: usize) -> Target {
        let frame = &self.fabric.frame;
        match self.tab {
            Tab::Links => Target::Link(frame.links[index].id.as_str().into()),
            Tab::Alerts => Target::Alert(frame.alerts[index].fingerprint.as_str().into()),
            Tab::Devices => Target::Device(frame.devices[index].name.as_str().into()),
            Tab::Groups => page::group_target(&frame.groups[index]),
        }
    }

    /// Which of the shown rows is selected.
    pub fn selected(&self, shown: &[usize]) -> usize {
        let place = self.place();
        let Some(selected) = &place.selected else { return 0 };
        let at = shown.iter().position(|index| self.target(*index) == *selected);
        at.unwrap_or(place.at).min(shown.len().saturating_sub(1))
    }

    /// Lines between the heads and the foot.
    pub fn body_rows(&self) -> usize {
        let (head, foot) = super::screen::frame_rows(self.rows, self.pages.is_empty());
        usize::from(self.rows.saturating_sub(head + foot))
    }

    pub fn press(&mut self, key: Key) {
        match key {
            Key::Quit => self.quit = true,
            _ if self.typing => self.typed(key),
            Key::Char('q') => self.quit = true,
            Key::Char('?') if self.pages.last().is_some_and(|page| page.target == Target::Help) => {
                self.pages.pop();
            }
            Key::Char('?') => self.open(Target::Help),
            Key::Char(' ') => self.pause(),
            Key::Tab => self.go((self.tab as usize + 1) % 4),
            Key::BackTab => self.go((self.tab as usize + 3) % 4),
            Key::Char(digit @ '1'..='4') => self.go(digit as usize - '1' as usize),
            Key::Char('/') => {
                self.pages.clear();
                self.typing = true;
            }
            Key::Char('s') if self.pages.is_empty() && self.tab == Tab::Links => self.sort = self.sort.next(),
            _ if self.pages.is_empty() => self.press_in_list(key),
            _ => self.press_in_page(key),
        }
    }

    fn typed(&mut self, key: Key) {
        match key {
            Key::Char(c) if !c.is_control() && self.place().filter.len() < LONGEST_FILTER => {
                self.place_mut().filter.push(c);
            }
            Key::Backspace => {
                self.typing = self.place_mut().filter.pop().is_some();
            }
            Key::Clear => self.place_mut().filter.clear(),
            Key::Esc => {
                self.place_mut().filter.clear();
                self.typing = false;
            }
            Key::Enter => self.typing = false,
            Key::Up | Key::Down | Key::PageUp | Key::PageDown => self.press_in_list(key),
            _ => {}
        }
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if let Some(latest) = self.latest.take()
            && !self.paused
        {
            self.fabric = latest;
            self.shown_ms = self.latest_ms;
        }
    }

    fn go(&mut self, tab: usize) {
        self.pages.clear();
        self.tab = Tab::ALL[tab];
    }

    fn open(&mut self, target: Target) {
        // Links and devices lead to each other; going in circles does not pile up.
        if let Some(at) = self.pages.iter().position(|page| page.target == target) {
            self.pages.truncate(at);
        }
        self.pages.push(Page { target, at: 0, scroll: 0 });
    }

    fn press_in_list(&mut self, key: Key) {
        let shown = self.shown();
        let at = self.selected(&shown);
        let step = self.body_rows().max(1);
        let to = match key {
            Key::Up | Key::Char('k') => at.saturating_sub(1),
            Key::Down | Key::Char('j') => at + 1,
            Key::PageUp => at.saturating_sub(step),
            Key::PageDown => at.saturating_add(step),
            Key::Top | Key::Char('g') => 0,
            Key::Bottom | Key::Char('G') => usize::MAX,
            Key::Enter => {
                if let Some(index) = shown.get(at) {
                    let target = self.target(*index);
                    self.place_mut().selected = Some(target.clone());
                    self.place_mut().at = at;
                    self.open(target);
                }
                return;
            }
            Key::Esc => return self.place_mut().filter.clear(),
            _ => return,
        };
        let to = to.min(shown.len().saturating_sub(1));
        // On top, one stays on top: there the worst is, whatever its name.
        let selected = shown.get(to).filter(|_| to > 0).map(|index| self.target(*index));
        *self.place_mut() = Place { selected, at: to, filter: std::mem::take(&mut self.place_mut().filter) };
    }

    fn press_in_page(&mut self, key: Key) {
        let rows = self.body_rows().max(1);
        let lines = page::lines(self);
        let leads: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].leads_to.is_some()).collect();
        let Some(page) = self.pages.last_mut() else { return };
        let most = lines.len().saturating_sub(rows);
        page.scroll = page.scroll.min(most);
        page.at = page.at.min(leads.len().saturating_sub(1));
        let (one, full) = (1, rows);
        match key {
            Key::Up | Key::Char('k') if page.at > 0 => page.at -= 1,
            Key::Down | Key::Char('j') if page.at + 1 < leads.len() => page.at += 1,
            Key::Up | Key::Char('k') => return page.scroll = page.scroll.saturating_sub(one),
            Key::Down | Key::Char('j') => return page.scroll = (page.scroll + one).min(most),
            Key::PageUp => return page.scroll = page.scroll.saturating_sub(full),
            Key::PageDown => return page.scroll = (page.scroll + full).min(most),
            Key::Top | Key::Char('g') => return (page.at, page.scroll) = (0, 0),
            Key::Bottom | Key::Char('G') => return (page.at, page.scroll) = (leads.len().saturating_sub(1), most),
            Key::Enter => {
                let target = leads.get(page.at).and_then(|at| lines[*at].leads_to.clone());
                return target.into_iter().for_each(|target| self.open(target));
            }
            Key::Esc | Key::Backspace => return drop(self.pages.pop()),
            _ => return,
        }
        // What was selected is in sight.
        if let Some(line) = leads.get(page.at) {
            page.scroll = page.scroll.clamp((line + 1).saturating_sub(rows), *line);
        }
    }
}
