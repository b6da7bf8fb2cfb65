//! `/api/silences`: what keeps alerts from being told by somebody's will, to be looked at, made and ended.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::Access;
use super::connection::Peer;
use super::query::{Params, Refusal};
use super::{Edit, WebState};
use crate::alert::{Alert, Maintenance, Matcher, Silence, SilenceState};
use crate::fabric::Timestamp;

type Answer = Result<Response, Refusal>;

/// What `GET /api/silences` answers.
#[derive(Serialize)]
struct MutesView<'a> {
    silences: Vec<SilenceView<'a>>,
    maintenance: Vec<WindowView<'a>>,
    /// Who asks could make and end silences.
    may_change: bool,
}

#[derive(Serialize)]
struct SilenceView<'a> {
    id: &'a str,
    matchers: &'a [Matcher],
    state: SilenceState,
    starts_at: String,
    ends_at: String,
    created_at: String,
    created_by: &'a str,
    comment: &'a str,
    /// How many alerts fire and are silenced by it.
    alerts: usize,
}

#[derive(Serialize)]
struct WindowView<'a> {
    name: &'a str,
    matchers: &'a [Matcher],
    state: SilenceState,
    /// Of the window that holds, else of the next one; null where none comes any more.
    starts_at: Option<String>,
    ends_at: Option<String>,
    repeats: bool,
    alerts: usize,
}

impl<'a> SilenceView<'a> {
    fn new(silence: &'a Silence, alerts: &[Alert], now: Timestamp) -> Self {
        let Silence { id, matchers, starts_at, ends_at, created_at, created_by, comment } = silence;
        Self {
            id,
            matchers,
            state: silence.state(now),
            starts_at: starts_at.to_string(),
            ends_at: ends_at.to_string(),
            created_at: created_at.to_string(),
            created_by,
            comment,
            alerts: alerts.iter().filter(|alert| alert.is_active() && alert.standing.silenced_by.contains(id)).count(),
        }
    }
}

impl<'a> WindowView<'a> {
    fn new(window: &'a Maintenance, alerts: &[Alert], now: Timestamp) -> Self {
        let current = window.current(now);
        let shown = current.or_else(|| window.next(now));
        let state = match (current, shown) {
            (Some(_), _) => SilenceState::Active,
            (None, Some(_)) => SilenceState::Pending,
            (None, None) => SilenceState::Expired,
        };
        let (starts_at, ends_at) = shown.map(|(from, to)| (from.to_string(), to.to_string())).unzip();
        let held = |alert: &&Alert| alert.is_active() && alert.standing.maintenance.contains(&window.name);
        let alerts = alerts.iter().filter(held).count();
        let (name, matchers, repeats) = (&window.name, &window.matchers, window.repeat.is_some());
        Self { name, matchers, state, starts_at, ends_at, repeats, alerts }
    }
}

/// `GET /api/silences`: those that hold first, then those that will, then those that are over, the latest first.
pub(super) async fn list(
    State(state): State<WebState>,
    State(access): State<Access>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    params.end(&[])?;
    let (mutes, alerts, now) = ((state.mutes)(), (state.alerts)(), now());
    let may_change = access.could_change(Some(peer), &headers);
    // Windows far ahead are looked for day by day.
    let body = tokio::task::spawn_blocking(move || {
        let mut silences: Vec<_> = mutes.silences.iter().map(|one| SilenceView::new(one, &alerts, now)).collect();
        silences.sort_by(|one, other| (one.state, &other.ends_at, one.id).cmp(&(other.state, &one.ends_at, other.id)));
        let mut maintenance: Vec<_> = mutes.maintenance.iter().map(|one| WindowView::new(one, &alerts, now)).collect();
        maintenance.sort_by(|one, other| {
            (one.state, &one.starts_at, one.name).cmp(&(other.state, &other.starts_at, other.name))
        });
        serde_json::to_value(MutesView { silences, maintenance, may_change })
    });
    match body.await {
        Ok(Ok(body)) => Ok(Json(body).into_response()),
        _ => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made")),
    }
}

/// The body of `POST /api/silences`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// `label=value` and the like; all must hold.
    matchers: Vec<Matcher>,
    /// RFC 3339; now where it is left out.
    starts_at: Option<jiff::Timestamp>,
    /// RFC 3339; or how long, in seconds.
    ends_at: Option<jiff::Timestamp>,
    duration_s: Option<u64>,
    author: String,
    comment: String,
}

/// `POST /api/silences`
pub(super) async fn add(State(state): State<WebState>, body: Bytes) -> Answer {
    let wish: Wish = serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))?;
    let now = now();
    let moment = |at: jiff::Timestamp| Timestamp::from_micros(at.as_microsecond());
    let starts_at = wish.starts_at.map_or(now, moment).max(now);
    let ends_at = match (wish.ends_at, wish.duration_s) {
        (Some(at), None) => moment(at),
        (None, Some(seconds)) => starts_at + std::time::Duration::from_secs(seconds),
        _ => return Err(Refusal::bad("say when it ends: either `ends_at` or `duration_s`")),
    };
    let silence = Silence {
        id: format!("{:016x}", rand::random::<u64>()),
        matchers: wish.matchers,
        starts_at,
        ends_at,
        created_at: now,
        created_by: wish.author.trim().to_owned(),
        comment: wish.comment.trim().to_owned(),
    };
    edit(state, Edit::Silence(silence), StatusCode::CREATED).await
}

/// `DELETE /api/silences/ID`
pub(super) async fn end(State(state): State<WebState>, Path(id): Path<String>) -> Answer {
    let known = (state.mutes)().silences.iter().any(|one| one.id == id);
    if !known {
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no silence {id:?}")));
    }
    edit(state, Edit::End(id), StatusCode::OK).await
}

async fn edit(state: WebState, edit: Edit, status: StatusCode) -> Answer {
    let done = tokio::task::spawn_blocking(move || {
        let silence = (state.edit)(edit)?;
        Ok::<_, String>(json!(SilenceView::new(&silence, &(state.alerts)(), now())))
    });
    match done.await {
        Ok(Ok(body)) => Ok((status, Json(body)).into_response()),
        Ok(Err(why)) => Err(Refusal::bad(why)),
        Err(_) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the change could not be made")),
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
