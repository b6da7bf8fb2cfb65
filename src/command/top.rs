//! `selvedge top`: the fabric in a terminal, live, of an instance here or elsewhere.
//!
//! ```text
//!   /api/events -- feed (task): reconnects --> App <-- keys (thread)
//!                                               |
//!                            every change, every second: screen
//! ```
//! [`app`] and [`screen`] are pure; this file has the sockets, the terminal and the clock.

mod app;
mod fabric;
mod look;
mod page;
mod screen;
mod stream;
#[cfg(test)]
mod tests;
pub(super) mod text;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyCode, KeyEventKind, KeyModifiers};
use reqwest::{Client, Response, Url};
use tokio::sync::mpsc;

use self::app::{App, Key};
use self::fabric::Fabric;
use self::look::Look;
use self::stream::Parser;
use super::run::Signals;
use super::{Format, complete};
use crate::http;

/// For the connection, and for the first event after it.
const PATIENCE: Duration = Duration::from_secs(10);
/// An instance says something at least every 15 s; one that is silent for longer than this is gone.
const SILENCE: Duration = Duration::from_secs(40);
/// Between attempts to reconnect, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// Events and keys that wait to be looked at; who has more waits.
const WAITING: usize = 4;

/// Options of `selvedge top`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// The instance to look at
    #[arg(long, env = "SELVEDGE_URL", hide_env_values = true, default_value = "http://127.0.0.1:9750")]
    url: Url,
    /// Print the links once and end, as when the output is no terminal
    #[arg(long)]
    once: bool,
    /// How the links are printed; json, which prints the whole state, implies --once
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Show until `q`.
pub fn run(args: Args) -> ExitCode {
    complete(&mut tokio::runtime::Builder::new_current_thread(), watch(args))
}

async fn watch(args: Args) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let mut feed = Feed::new(args.url)?;
    let first = async {
        feed.connect().await?;
        match tokio::time::timeout(PATIENCE, feed.next()).await {
            Ok(state) => state,
            Err(_) => Err("it says nothing".to_owned()),
        }
    };
    let first = tokio::select! {
        first = first => first,
        _ = signals.next() => return Ok(()),
    };
    let state = first.map_err(|why| {
        let url = &feed.shown;
        format!("cannot look at {url}: {why}\n  is `selvedge run` running there? another instance is named by --url or SELVEDGE_URL")
    })?;
    let fabric =
        Fabric::read(&state).map_err(|error| format!("{} is no instance of this version: {error}", feed.shown))?;
    if args.format == Format::Json {
        // As it came, but for white space: what is JSON has no control characters.
        let value: serde_json::Value = serde_json::from_str(&state).map_err(|error| error.to_string())?;
        return print(&format!("{value}\n"));
    }
    let app = App::new(feed.host(), fabric, 0);
    if args.once || !std::io::stdout().is_terminal() {
        return print(&screen::plain(&app));
    }
    let terminal = ratatui::try_init().map_err(|error| format!("cannot use the terminal: {error}"))?;
    // Dropped on every way out; a panic restores by the hook that `try_init` set.
    let restored = Restored(terminal);
    show(restored, app, feed, signals).await
}

/// To standard output; a reader that had enough is no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

/// A terminal that is given back.
struct Restored(DefaultTerminal);

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn show(mut terminal: Restored, mut app: App, feed: Feed, mut signals: Signals) -> Result<(), String> {
    let look = Look { color: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) };
    let (tell_news, mut news) = mpsc::channel(WAITING);
    let (tell_key, mut input) = mpsc::channel(WAITING);
    tokio::spawn(feed.run(tell_news));
    // Reading a terminal blocks. The thread ends with the process, or with the terminal.
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell_key.blocking_send(event).is_err() {
                break;
            }
        }
    });
    let began = Instant::now();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        app.tick(now_ms);
        let drawn = terminal.0.draw(|frame| {
            let area = frame.area();
            app.resize(area.width, area.height);
            screen::draw(&app, look, area, frame.buffer_mut());
        });
        drawn.map_err(|error| format!("cannot draw: {error}"))?;
        tokio::select! {
            // Without keys, or without somebody who listens, there is nothing to stay for.
            event = input.recv() => match event {
                Some(event) => pressed(&mut app, &event),
                None => return Err("the terminal is gone".into()),
            },
            said = news.recv() => match said {
                Some(News::State(fabric)) => {
                    app.tick(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                    app.update(*fabric);
                }
                Some(News::Lost(why)) => app.lost(why),
                None => return Err("the connection's task ended".into()),
            },
            _ = seconds.tick() => {}
            _ = signals.next() => return Ok(()),
        }
        // What was typed meanwhile costs one drawing.
        while let Ok(event) = input.try_recv() {
            pressed(&mut app, &event);
        }
        if app.quit {
            return Ok(());
        }
    }
}

fn pressed(app: &mut App, event: &TerminalEvent) {
    let TerminalEvent::Key(key) = event else { return };
    if key.kind == KeyEventKind::Release {
        return;
    }
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let key = match key.code {
        KeyCode::Char('c') if ctrl => Key::Quit,
        KeyCode::Char('u') if ctrl => Key::Clear,
        KeyCode::Char('d') if ctrl => Key::PageDown,
        KeyCode::Char(_) if ctrl || key.modifiers.contains(KeyModifiers::ALT) => return,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Top,
        KeyCode::End => Key::Bottom,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        _ => return,
    };
    app.press(key);
}

enum News {
    State(Box<Fabric>),
    Lost(String),
}

/// The events of an instance.
struct Feed {
    client: Client,
    events: Url,
    /// The address as it may be shown: without a password.
    shown: Url,
    response: Option<Response>,
    parser: Parser,
    waiting: Option<String>,
}

impl Feed {
    fn new(url: Url) -> Result<Self, String> {
        let mut shown = url.clone();
        // Refused by addresses without a host, which have no password either.
        let _ = shown.set_password(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{shown} is no address of an instance: it begins with http:// or https://"));
        }
        let mut events = url;
        let path = format!("{}/api/events", events.path().trim_end_matches('/'));
        events.set_path(&path);
        let client = http::client(std::slice::from_ref(&events), None)
            .map_err(http::innermost)?
            .connect_timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot make a client: {}", http::innermost(error)))?;
        Ok(Self { client, events, shown, response: None, parser: Parser::default(), waiting: None })
    }

    /// `127.0.0.1:9750`
    fn host(&self) -> String {
        let host = self.shown.host_str().unwrap_or("?");
        self.shown.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    async fn connect(&mut self) -> Result<(), String> {
        (self.response, self.parser, self.waiting) = (None, Parser::default(), None);
        let asked = self.client.get(self.events.clone()).header("accept", "text/event-stream").send();
        let response = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(response) => response.map_err(http::innermost)?,
            Err(_) => return Err("it does not answer".into()),
        };
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            return Err("what answers is no Selvedge".into());
        }
        self.response = Some(response);
        Ok(())
    }

    /// The data of the next state; of several that wait, the newest.
    async fn next(&mut self) -> Result<String, String> {
        loop {
            if let Some(state) = self.waiting.take() {
                return Ok(state);
            }
            let Some(response) = &mut self.response else { return Err("not connected".into()) };
            let piece = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(piece) => piece.map_err(http::innermost)?,
                Err(_) => return Err("it is silent".into()),
            };
            let Some(piece) = piece else { return Err("it ended".into()) };
            let events = self.parser.push(&piece).map_err(|_| "it sends more than a fabric has".to_owned())?;
            self.waiting = events.into_iter().rfind(|event| event.name == "state").map(|event| event.data);
        }
    }

    /// Tell what comes, and reconnect, for as long as somebody listens.
    async fn run(mut self, tell: mpsc::Sender<News>) {
        let mut pause = PAUSES.0;
        loop {
            let read = self.next().await.and_then(|state| {
                Fabric::read(&state).map_err(|error| format!("it sends what this version cannot read: {error}"))
            });
            let why = match read {
                Ok(fabric) => {
                    pause = PAUSES.0;
                    if tell.send(News::State(Box::new(fabric))).await.is_err() {
                        return;
                    }
                    continue;
                }
                Err(why) => why,
            };
            let mut lost = Some(why);
            while let Some(why) = lost {
                // It may quote what the other side sent.
                let why = text::Text::new(&why).as_str().to_owned();
                if tell.send(News::Lost(why)).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
                lost = self.connect().await.err();
            }
        }
    }
}
