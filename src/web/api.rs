//! The routes under `/api/`, but for events: the present from the snapshot, the past from the history.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::WebState;
use super::query::{Params, Refusal};
use super::view::{self, DeviceView, GroupView, InterfaceView, LinkView, SensorView};
use crate::fabric::{DeviceHealth, InterfaceId, LinkHealth, OperStatus, Timestamp};
use crate::history::{QueryError, Series};

/// So many questions to the history may read the disk at a time; the next ones wait.
const HISTORY_QUESTIONS: usize = 2;
/// How many points an answer has where no step is asked for.
const USUAL_POINTS: i64 = 600;

pub(super) type Answer = Result<Response, Refusal>;

const HEALTHS: [&str; 3] = ["ok", "unreachable", "unknown"];
const STATUSES: [&str; 7] = ["up", "down", "testing", "unknown", "dormant", "notPresent", "lowerLayerDown"];
const LINK_HEALTHS: [&str; 3] = ["up", "down", "unknown"];
const GROUP_HEALTHS: [&str; 4] = ["ok", "degraded", "lost", "unknown"];
const ALERT_STATES: [&str; 3] = ["pending", "firing", "resolved"];

/// `GET /api/devices?device=&state=`
pub(super) async fn devices(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let health = params.word("state", &HEALTHS)?;
    params.end(&["device", "state"])?;
    let snapshot = (state.snapshot)();
    let health = health.as_deref().map(|word| match word {
        "ok" => DeviceHealth::Ok,
        "unreachable" => DeviceHealth::Unreachable,
        _ => DeviceHealth::Unknown,
    });
    large(move || {
        let devices = snapshot
            .devices
            .iter()
            .filter(|one| device.as_ref().is_none_or(|device| one.id.as_str() == device))
            .filter(|one| health.is_none_or(|health| one.health == health));
        to_json(&devices.map(DeviceView::from).collect::<Vec<_>>())
    })
    .await
}

/// `GET /api/interfaces?device=&interface=&state=`
pub(super) async fn interfaces(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let interface = params.take("interface");
    let status = params.word("state", &STATUSES)?;
    params.end(&["device", "interface", "state"])?;
    let snapshot = (state.snapshot)();
    large(move || {
        let interfaces = snapshot
            .interfaces
            .iter()
            .filter(|one| device.as_ref().is_none_or(|device| one.id.device.as_str() == device))
            .filter(|one| interface.as_ref().is_none_or(|interface| *one.id.if_name == **interface))
            .filter(|one| status.as_ref().is_none_or(|status| OperStatus::as_str(one.oper_status) == status));
        to_json(
            &interfaces
                .map(|one| InterfaceView::new(one, (state.spread)(&one.id), (state.basis)(&one.id)))
                .collect::<Vec<_>>(),
        )
    })
    .await
}

/// `GET /api/links?device=&state=`; a link is a device's when either end is.
pub(super) async fn links(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let health = params.word("state", &LINK_HEALTHS)?;
    params.end(&["device", "state"])?;
    let health = health.as_deref().map(|word| match word {
        "up" => LinkHealth::Up,
        "down" => LinkHealth::Down,
        _ => LinkHealth::Unknown,
    });
    let snapshot = (state.snapshot)();
    large(move || {
        let links = snapshot
            .links
            .iter()
            .filter(|one| {
                device
                    .as_ref()
                    .is_none_or(|device| [&one.a, &one.b].iter().any(|end| end.end.interface.device.as_str() == device))
            })
            .filter(|one| health.is_none_or(|health| one.health == health));
        let headroom = (state.headroom)();
        let view = |one| LinkView::new(one, &snapshot.losses, &*state.spread, &headroom);
        to_json(&links.map(view).collect::<Vec<_>>())
    })
    .await
}

/// `GET /api/groups?device=&state=`
pub(super) async fn groups(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let health = params.word("state", &GROUP_HEALTHS)?;
    params.end(&["device", "state"])?;
    let snapshot = (state.snapshot)();
    large(move || {
        let groups = snapshot
            .groups
            .iter()
            .filter(|one| {
                device.as_ref().is_none_or(|device| one.device.as_ref().is_some_and(|id| id.as_str() == device))
            })
            .map(GroupView::from)
            .filter(|one| health.as_ref().is_none_or(|health| one.state.as_str() == health));
        to_json(&groups.collect::<Vec<_>>())
    })
    .await
}

/// `GET /api/optics?device=&interface=`
pub(super) async fn optics(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let interface = params.take("interface");
    params.end(&["device", "interface"])?;
    let snapshot = (state.snapshot)();
    large(move || {
        let sensors = snapshot
            .sensors
            .iter()
            .filter(|one| device.as_ref().is_none_or(|device| one.interface.device.as_str() == device))
            .filter(|one| interface.as_ref().is_none_or(|interface| *one.interface.if_name == **interface));
        to_json(&sensors.map(SensorView::from).collect::<Vec<_>>())
    })
    .await
}

/// `GET /api/host`
pub(super) async fn host(State(state): State<WebState>, params: Params) -> Answer {
    params.end(&[])?;
    large(move || to_json(&(state.host)())).await
}

/// `GET /api/alerts?device=&state=`; an alert is a device's when it names it, as either end of a link too.
pub(super) async fn alerts(State(state): State<WebState>, mut params: Params) -> Answer {
    let device = params.take("device");
    let alert_state = params.word("state", &ALERT_STATES)?;
    params.end(&["device", "state"])?;
    let (snapshot, alerts) = ((state.snapshot)(), (state.alerts)());
    large(move || {
        let mut views = view::alerts(&alerts, &snapshot);
        views.retain(|one| {
            let names = |label: &str| one.labels.get(label).map(String::as_str);
            alert_state.as_ref().is_none_or(|state| one.state.as_str() == state)
                && device
                    .as_deref()
                    .is_none_or(|device| names("device") == Some(device) || names("peer_device") == Some(device))
        });
        to_json(&views)
    })
    .await
}

/// `GET /api/status`
pub(super) async fn status(State(state): State<WebState>, params: Params) -> Answer {
    params.end(&[])?;
    Ok(Json((state.status)()).into_response())
}

/// What `GET /api/history` answers.
#[derive(Serialize)]
struct HistoryView<'a> {
    #[serde(flatten)]
    id: &'a InterfaceId,
    from: i64,
    to: i64,
    step_s: u32,
    #[serde(flatten)]
    series: Series,
}

/// Lets a few questions to the history through at a time.
#[derive(Clone)]
pub(super) struct HistoryGate(pub(super) Arc<Semaphore>);

impl Default for HistoryGate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HISTORY_QUESTIONS)))
    }
}

/// `GET /api/history?device=D&interface=I&from=unix_s&to=unix_s&step=s&spread=true`: by default the last hour, and means
/// alone.
pub(super) async fn history(
    State(state): State<WebState>,
    State(gate): State<HistoryGate>,
    mut params: Params,
) -> Answer {
    let id = InterfaceId::new(params.need("device")?, params.need("interface")?);
    let to = params.number("to")?;
    let from = params.number("from")?;
    let step = params.number("step")?;
    let spread = params.word("spread", &["true", "false"])?.is_some_and(|word| word == "true");
    params.end(&["device", "interface", "from", "to", "step", "spread"])?;
    let to = to.unwrap_or_else(|| now().as_micros() / 1_000_000);
    let from = from.unwrap_or_else(|| to.saturating_sub(3600));
    let step_s = match step {
        None => u32::try_from(to.saturating_sub(from) / USUAL_POINTS).unwrap_or(u32::MAX).max(1),
        Some(step) => u32::try_from(step).map_err(|_| Refusal::bad("`step` must be at least one second"))?,
    };
    let Some(history) = state.history else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "no history is kept: set `[history] enabled = true`"));
    };
    // Closed never: the permit is only awaited.
    let _permit = gate.0.acquire().await;
    large(move || {
        let series = match spread {
            true => history.interface_spread(&id, from, to, step_s),
            false => history.interface(&id, from, to, step_s),
        };
        let series = series.map_err(|error| {
            let status = match error {
                QueryError::Nonsense(_) | QueryError::TooManyPoints { .. } | QueryError::TooMuch => {
                    StatusCode::BAD_REQUEST
                }
                QueryError::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
                QueryError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Refusal::new(status, error.to_string())
        })?;
        to_json(&HistoryView { id: &id, from, to, step_s, series })
    })
    .await
}

/// The answer to a path under `/api/` that is none.
pub(super) async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such route")
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Make an answer that may be large or read the disk, beside the tasks that must not wait.
pub(super) async fn large(make: impl FnOnce() -> Result<Vec<u8>, Refusal> + Send + 'static) -> Answer {
    let body = tokio::task::spawn_blocking(make)
        .await
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made"))??;
    Ok(([(axum::http::header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The answer of `/healthz` and `/readyz`.
pub(super) fn probe(probe: &super::Probe, fine: &str) -> Response {
    let body: Value = json!({ "status": if probe.is_ok() { fine } else { "failing" }, "reasons": probe.reasons });
    let status = if probe.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
