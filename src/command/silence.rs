//! `selvedge silence`: make, list and end silences of a running instance.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use super::{Format, complete};
use crate::alert::Matcher;
use crate::http;

/// How long an instance may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// No list of silences is longer, bytes.
const LONGEST: usize = 16 << 20;

/// Options of `selvedge silence`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The instance to speak to
    #[arg(long, global = true, env = "SELVEDGE_URL", hide_env_values = true, default_value = "http://127.0.0.1:9750")]
    url: Url,
    /// How the answer is printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Silence alerts whose labels meet all conditions
    Add(Add),
    /// Silences and maintenance windows: what holds, what will, what is lately over
    List,
    /// End silences now
    End {
        /// Ids, as `list` shows them
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(ClapArgs, Debug)]
struct Add {
    /// label=value, label!=value, label=~pattern or label!~pattern; `*` stands for any run of characters, and `device`
    /// for either end of a link
    #[arg(required = true, value_name = "CONDITION")]
    conditions: Vec<Matcher>,
    /// How long, such as 30m, 2h or 3d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, required_unless_present = "until")]
    lasts: Option<Duration>,
    /// Until when, such as 2027-03-07T04:00:00+01:00
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    until: Option<jiff::Timestamp>,
    /// From when on, likewise; now where it is left out
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Why
    #[arg(long, short)]
    comment: String,
    /// Who
    #[arg(long, env = "USER")]
    author: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = crate::config::duration(text).map_err(|why| format!("{text:?} {why}; write 30m, 2h or 3d"))?;
    if span.is_zero() { Err("it would be over at once".into()) } else { Ok(span) }
}

/// Do it.
pub fn run(args: Args) -> ExitCode {
    complete(&mut tokio::runtime::Builder::new_current_thread(), act(args))
}

async fn act(args: Args) -> Result<(), String> {
    let Args { action, url, format } = args;
    let instance = Instance::new(url)?;
    match action {
        Action::Add(add) => {
            let body = json!({
                "matchers": add.conditions,
                "starts_at": add.from.map(|at| at.to_string()),
                "ends_at": add.until.map(|at| at.to_string()),
                "duration_s": add.lasts.map(|lasts| lasts.as_secs().max(1)),
                "author": add.author,
                "comment": add.comment,
            });
            let made = instance.ask(Method::POST, None, Some(&body)).await?;
            match format {
                Format::Json => print(&format!("{made}\n")),
                Format::Human => print(&format!("{}\n", text(&made["id"]))),
            }
        }
        Action::List => {
            let list = instance.ask(Method::GET, None, None).await?;
            match format {
                Format::Json => print(&format!("{list}\n")),
                Format::Human => print(&human(&list)),
            }
        }
        Action::End { ids } => {
            for id in ids {
                let ended = instance.ask(Method::DELETE, Some(&id), None).await?;
                if format == Format::Json {
                    print(&format!("{ended}\n"))?;
                }
            }
            Ok(())
        }
    }
}

struct Instance {
    client: Client,
    url: Url,
}

impl Instance {
    fn new(url: Url) -> Result<Self, String> {
        let builder = http::client(std::slice::from_ref(&url), None).map_err(|error| error.to_string())?;
        let builder = builder.redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE);
        Ok(Self { client: builder.build().map_err(|error| error.to_string())?, url })
    }

    async fn ask(&self, method: Method, id: Option<&str>, body: Option<&Value>) -> Result<Value, String> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| format!("{} is no address of an instance", self.url))?
            .pop_if_empty()
            .extend(["api", "silences"].into_iter().chain(id));
        let mut request = self.client.request(method, url).header("content-type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let unreachable = |error: reqwest::Error| {
            format!(
                "{} does not answer: {}\n  is `selvedge run` running there? another instance is named by --url or SELVEDGE_URL",
                self.url.origin().ascii_serialization(),
                error.without_url()
            )
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err("the answer is longer than any list of silences".into());
            }
            bytes.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        match answer.get("error").and_then(Value::as_str) {
            Some(why) => Err(why.escape_debug().to_string()),
            None if status.is_success() => Ok(answer),
            None => Err(format!("{} answers {status}", self.url.origin().ascii_serialization())),
        }
    }
}

/// A text of an instance, without what could turn a terminal over.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn human(list: &Value) -> String {
    let rows = |name: &str| list[name].as_array().cloned().unwrap_or_default();
    let (silences, windows) = (rows("silences"), rows("maintenance"));
    if silences.is_empty() && windows.is_empty() {
        return "no silences and no maintenance windows\n".into();
    }
    let conditions = |row: &Value| {
        let matchers = row["matchers"].as_array().into_iter().flatten().map(text);
        matchers.collect::<Vec<_>>().join(" ")
    };
    let minute = |value: &Value| text(value).chars().take(16).collect::<String>().replace('T', " ");
    let mut out = String::new();
    if !silences.is_empty() {
        let mut table = table(["id", "state", "from (UTC)", "until (UTC)", "alerts", "conditions", "by", "why"]);
        for row in &silences {
            let times = [minute(&row["starts_at"]), minute(&row["ends_at"])];
            let [from, until] = times;
            let (by, why) = (text(&row["created_by"]), text(&row["comment"]));
            let (id, state) = (text(&row["id"]), text(&row["state"]));
            table.add_row([id, state, from, until, row["alerts"].to_string(), conditions(row), by, why]);
        }
        out += &format!("{table}\n");
    }
    if !windows.is_empty() {
        let mut table = table(["maintenance", "state", "from (UTC)", "until (UTC)", "alerts", "conditions"]);
        for row in &windows {
            let (from, until) = (minute(&row["starts_at"]), minute(&row["ends_at"]));
            let (name, state) = (text(&row["name"]), text(&row["state"]));
            table.add_row([name, state, from, until, row["alerts"].to_string(), conditions(row)]);
        }
        out += &format!("{table}\n");
    }
    out
}

fn table<const N: usize>(titles: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// To standard output; a reader that had enough is no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot print: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_readable_and_turns_no_terminal_over() {
        let list = json!({
            "silences": [{
                "id": "0123456789abcdef", "state": "active", "starts_at": "2027-03-06T22:00:00.000Z",
                "ends_at": "2027-03-07T04:00:00.000Z", "alerts": 2, "matchers": ["device=spine1", "alertname=~Link*"],
                "created_by": "ada", "comment": "new \u{1b}[31moptics",
            }],
            "maintenance": [{
                "name": "C-4711", "state": "pending", "starts_at": null, "ends_at": null, "alerts": 0, "matchers": ["circuit=C-4711"],
            }],
        });
        let shown = human(&list);
        assert!(shown.contains("0123456789abcdef") && shown.contains("2027-03-06 22:00"), "{shown}");
        assert!(shown.contains("device=spine1 alertname=~Link*") && shown.contains("new  [31moptics"), "{shown}");
        assert!(shown.contains("circuit=C-4711") && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(human(&json!({})), "no silences and no maintenance windows\n");
    }

    #[test]
    fn spans_are_read_as_in_the_configuration() {
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        assert!(duration("2").unwrap_err().contains("has no unit") && duration("0s").is_err());
    }
}
