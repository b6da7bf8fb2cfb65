//! The HTTP API of Prometheus, as far as Grafana's stock Prometheus data source calls it, over the embedded history.
//!
//! Questions come as a query string or, by POST, as a form; keys that are not known are ignored, as Prometheus does. What
//! cannot be answered is said in its form: `{"status":"error","errorType":...,"error":...}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Form, FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::WebState;
use super::api::HistoryGate;
use crate::fabric::{InterfaceId, InterfaceInfo, Snapshot};
use crate::history::History;
use crate::history::promql::{self, Fault, Instantly, Labels, Limits, Matcher, NAME, Query, Times};

/// Samples that one query may read: an hour of 25,000 interfaces, or two days of 500, at 10 s.
const MOST_SAMPLES: usize = 10_000_000;
/// Values that one query may hold at a time.
const MOST_VALUES: usize = 10_000_000;
/// For how long a query may run where it does not say so itself.
const LONGEST: Duration = Duration::from_secs(30);

/// Why there is no answer.
pub(super) struct Failure(StatusCode, &'static str, String);

impl Failure {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "bad_data", why.into())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let why = fault.to_string();
        match fault {
            Fault::Bad(_) => Self::bad(why),
            Fault::TooMuch(_) => Self(StatusCode::UNPROCESSABLE_ENTITY, "execution", why),
            Fault::Timeout => Self(StatusCode::SERVICE_UNAVAILABLE, "timeout", why),
            Fault::Source(_) => Self(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.1, "error": self.2 });
        (self.0, axum::Json(body)).into_response()
    }
}

type Answer = Result<Response, Failure>;

/// Is this one of our routes that takes questions by POST?
pub(super) fn is_question(path: &str) -> bool {
    let names = ["query", "query_range", "labels", "series", "query_exemplars"];
    path.strip_prefix("/api/v1/").is_some_and(|name| names.contains(&name))
}

/// The keys and values of a question.
pub(super) struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let parse = |uri: &axum::http::Uri| axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let mut pairs = parse(request.uri()).map_err(|error| Failure::bad(error.body_text()))?.0;
        if *request.method() == Method::POST {
            let Form(more) = Form::<Vec<(String, String)>>::from_request(request, state)
                .await
                .map_err(|error| Failure::bad(error.body_text()))?;
            pairs.extend(more);
        }
        Ok(Self(pairs))
    }
}

impl Asked {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    fn need(&self, key: &str) -> Result<&str, Failure> {
        self.get(key).ok_or_else(|| Failure::bad(format!("invalid parameter {key:?}: it is missing")))
    }

    fn time_ms(&self, key: &str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let bad = || Failure::bad(format!("invalid parameter {key:?}: cannot parse {text:?} to a valid timestamp"));
        if let Ok(seconds) = text.parse::<f64>() {
            // Far beyond any clock, and far within i64.
            return if seconds.abs() < 1e14 { Ok(Some((seconds * 1e3).round() as i64)) } else { Err(bad()) };
        }
        text.parse::<jiff::Timestamp>().map(|time| Some(time.as_millisecond())).map_err(|_| bad())
    }

    fn span_ms(&self, key: &str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let bad = || Failure::bad(format!("invalid parameter {key:?}: cannot parse {text:?} to a valid duration"));
        let ms = match text.parse::<f64>() {
            Ok(seconds) => seconds * 1e3,
            Err(_) => promql_parser::util::parse_duration(text).map_err(|_| bad())?.as_secs_f64() * 1e3,
        };
        if ms > 0.0 && ms < 1e14 { Ok(Some((ms.round() as i64).max(1))) } else { Err(bad()) }
    }

    fn matchers(&self) -> Result<Vec<Vec<Matcher>>, Failure> {
        let given = self.0.iter().filter(|(key, _)| key == "match[]");
        given.map(|(_, text)| promql::matchers_of(text).map_err(Failure::from)).collect()
    }

    fn limits(&self) -> Result<Limits, Failure> {
        let asked = self.span_ms("timeout")?.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let deadline = Instant::now() + asked.map_or(LONGEST, |asked| asked.min(LONGEST));
        Ok(Limits { samples: MOST_SAMPLES, values: MOST_VALUES, deadline })
    }
}

/// The history and the labels that go with it.
struct Store {
    history: History,
    snapshot: Arc<Snapshot>,
}

impl Store {
    fn labels_of(&self) -> impl Fn(&InterfaceId) -> Vec<(&'static str, String)> + Send + Sync + 'static {
        let snapshot = Arc::clone(&self.snapshot);
        move |id| {
            let found = snapshot.interfaces.binary_search_by(|state| state.id.cmp(id));
            let Some(state) = found.ok().and_then(|at| snapshot.interfaces.get(at)) else { return Vec::new() };
            let InterfaceInfo { if_alias, if_descr, if_index, .. } = &*state.info;
            vec![("ifAlias", if_alias.clone()), ("ifDescr", if_descr.clone()), ("ifIndex", if_index.to_string())]
        }
    }
}

/// Do what reads the disk beside the tasks that must not wait, a few at a time.
async fn with_store(
    state: WebState,
    gate: HistoryGate,
    make: impl FnOnce(&Store) -> Result<String, Failure> + Send + 'static,
) -> Answer {
    let Some(history) = state.history.clone() else {
        let why = "no history is kept: set `[history] enabled = true`";
        return Err(Failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why.into()));
    };
    // Closed never: the permit is only awaited.
    let _permit = gate.0.acquire().await;
    let made = tokio::task::spawn_blocking(move || make(&Store { history, snapshot: (state.snapshot)() })).await;
    let gone = |_| Failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer could not be made".into());
    let data = made.map_err(gone)??;
    Ok(success(&data))
}

/// `data` is JSON.
fn success(data: &str) -> Response {
    let body = format!("{{\"status\":\"success\",\"data\":{data}}}");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// `/api/v1/query?query=&time=`
pub(super) async fn query(State(state): State<WebState>, State(gate): State<HistoryGate>, asked: Asked) -> Answer {
    let query = Query::parse(asked.need("query")?)?;
    let time_ms = asked.time_ms("time")?.unwrap_or_else(now_ms);
    let limits = asked.limits()?;
    with_store(state, gate, move |store| {
        let answer = store.history.ask(&store.labels_of(), |source| query.at(source, time_ms, limits))?;
        let mut out = String::new();
        match answer {
            Instantly::Scalar(value) => {
                out.push_str("{\"resultType\":\"scalar\",\"result\":");
                point(&mut out, time_ms, value);
            }
            Instantly::Text(text) => {
                let _ = write!(out, "{{\"resultType\":\"string\",\"result\":[{},", Seconds(time_ms));
                let _ = write!(out, "{}]", Value::from(text));
            }
            Instantly::Vector(series) => {
                out.push_str("{\"resultType\":\"vector\",\"result\":[");
                for (at, (labels, value)) in series.iter().enumerate() {
                    metric(&mut out, at, labels);
                    out.push_str(",\"value\":");
                    point(&mut out, time_ms, *value);
                    out.push('}');
                }
                out.push(']');
            }
            Instantly::Matrix(series) => matrix(&mut out, &series),
        }
        out.push('}');
        Ok(out)
    })
    .await
}

/// `/api/v1/query_range?query=&start=&end=&step=`
pub(super) async fn query_range(
    State(state): State<WebState>,
    State(gate): State<HistoryGate>,
    asked: Asked,
) -> Answer {
    let query = Query::parse(asked.need("query")?)?;
    let missing = |key: &str| Failure::bad(format!("invalid parameter {key:?}: it is missing"));
    let times = Times {
        start_ms: asked.time_ms("start")?.ok_or_else(|| missing("start"))?,
        end_ms: asked.time_ms("end")?.ok_or_else(|| missing("end"))?,
        step_ms: asked.span_ms("step")?.ok_or_else(|| missing("step"))?,
    };
    let limits = asked.limits()?;
    with_store(state, gate, move |store| {
        let series = store.history.ask(&store.labels_of(), |source| query.over(source, times, limits))?;
        let mut out = String::new();
        matrix(&mut out, &series);
        out.push('}');
        Ok(out)
    })
    .await
}

/// `/api/v1/series?match[]=`
pub(super) async fn series(State(state): State<WebState>, State(gate): State<HistoryGate>, asked: Asked) -> Answer {
    let selectors = asked.matchers()?;
    if selectors.is_empty() {
        return Err(Failure::bad("no match[] parameter provided"));
    }
    with_store(state, gate, move |store| {
        let mut out = String::from("[");
        for (at, labels) in labels(store, &selectors)?.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            set(&mut out, labels);
        }
        out.push(']');
        Ok(out)
    })
    .await
}

/// `/api/v1/labels?match[]=`
pub(super) async fn label_names(
    State(state): State<WebState>,
    State(gate): State<HistoryGate>,
    asked: Asked,
) -> Answer {
    let selectors = asked.matchers()?;
    with_store(state, gate, move |store| {
        let labels = labels(store, &selectors)?;
        let names: BTreeSet<&str> = labels.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        to_json(&names)
    })
    .await
}

/// `/api/v1/label/NAME/values?match[]=`
pub(super) async fn label_values(
    State(state): State<WebState>,
    State(gate): State<HistoryGate>,
    axum::extract::Path(name): axum::extract::Path<String>,
    asked: Asked,
) -> Answer {
    let selectors = asked.matchers()?;
    with_store(state, gate, move |store| {
        if name == NAME && selectors.is_empty() {
            return to_json(&History::metrics().into_iter().map(|(name, _)| name).collect::<Vec<_>>());
        }
        let labels = labels(store, &selectors)?;
        let values: BTreeSet<&str> =
            labels.iter().map(|labels| labels.get(&name)).filter(|value| !value.is_empty()).collect();
        to_json(&values)
    })
    .await
}

/// `/api/v1/metadata?metric=`
pub(super) async fn metadata(asked: Asked) -> Answer {
    let wanted = asked.get("metric");
    let metrics = History::metrics().into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    let told: BTreeMap<&str, Value> = metrics
        .map(|(name, is_counter)| {
            let kind = if is_counter { "counter" } else { "gauge" };
            (name, json!([{ "type": kind, "help": "", "unit": "" }]))
        })
        .collect();
    Ok(success(&to_json(&told)?))
}

/// `/api/v1/rules`: alerts are ours, at `/api/alerts`.
pub(super) async fn rules() -> Answer {
    Ok(success("{\"groups\":[]}"))
}

/// `/api/v1/query_exemplars`: there are none.
pub(super) async fn exemplars(asked: Asked) -> Answer {
    Query::parse(asked.need("query")?)?;
    Ok(success("[]"))
}

/// `/api/v1/status/buildinfo`: Grafana asks it for what it may use. The version is that of the Prometheus whose answers
/// ours are compared with.
pub(super) async fn buildinfo() -> Answer {
    let info = json!({ "version": "2.42.0", "revision": concat!("selvedge-", env!("CARGO_PKG_VERSION")), "branch": "",
        "buildUser": "", "buildDate": "", "goVersion": "" });
    Ok(success(&info.to_string()))
}

fn labels(store: &Store, selectors: &[Vec<Matcher>]) -> Result<Vec<Labels>, Failure> {
    let labels_of = store.labels_of();
    match selectors {
        [] => Ok(store.history.series(&labels_of, &[])?),
        [one] => Ok(store.history.series(&labels_of, one)?),
        many => {
            let mut all = BTreeSet::new();
            for one in many {
                all.extend(store.history.series(&labels_of, one)?);
            }
            Ok(all.into_iter().collect())
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))
}

fn matrix(out: &mut String, series: &[(Labels, Vec<(i64, f64)>)]) {
    out.push_str("{\"resultType\":\"matrix\",\"result\":[");
    for (at, (labels, points)) in series.iter().enumerate() {
        metric(out, at, labels);
        out.push_str(",\"values\":[");
        for (at, (time_ms, value)) in points.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            point(out, *time_ms, *value);
        }
        out.push_str("]}");
    }
    out.push(']');
}

fn metric(out: &mut String, at: usize, labels: &Labels) {
    out.push_str(if at > 0 { ",{\"metric\":" } else { "{\"metric\":" });
    set(out, labels);
}

fn set(out: &mut String, labels: &Labels) {
    out.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let _ = write!(out, "{}:{}", Value::from(name), Value::from(value));
    }
    out.push('}');
}

fn point(out: &mut String, time_ms: i64, value: f64) {
    let _ = write!(out, "[{},\"", Seconds(time_ms));
    let _ = match value {
        value if value.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        value => write!(out, "{value}"),
    };
    out.push_str("\"]");
}

/// Milliseconds as seconds, without a fraction where there is none.
struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.unsigned_abs() / 1_000, self.0.unsigned_abs() % 1_000);
        if fraction == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction:03}") }
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
