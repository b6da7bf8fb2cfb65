//! `GET /api/events`: the state as server-sent events (WHATWG HTML, 9.2), made once for all who listen.
//!
//! ```text
//!   nobody listens: the ticker sleeps            somebody comes: woken, a frame at once
//!   somebody listens: every 100 ms are there other alerts? -> a frame at once
//!                     every second has anything changed?   -> a frame
//!                     every ten seconds                     -> a frame, for the numbers of the status
//! ```
//! A slow reader skips to the newest frame; it never holds back the others.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use super::WebState;
use super::query::{Params, Refusal};
use super::view::{self, DeviceView, GroupView, LinkView, SpreadOf};
use crate::alert::{Alert, AlertView};
use crate::fabric::Snapshot;
use crate::topology::headroom::Headroom;

/// How many may listen at a time: a team with its wall screens, not a crowd.
const LISTENERS: usize = 64;
const LOOK_AT_ALERTS: Duration = Duration::from_millis(100);
const LOOK_AT_ALL: Duration = Duration::from_secs(1);
const AT_LEAST: Duration = Duration::from_secs(10);
/// Proxies and browsers drop what is silent for longer than about half a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the ticker says to the listeners.
#[derive(Clone)]
enum Frame {
    /// Nothing yet, or nothing fresh.
    None,
    /// The data of an event.
    State(Arc<str>),
    /// The server ends.
    Closed,
}

/// Where listeners subscribe. Cheap to clone.
#[derive(Clone)]
pub(super) struct Events(Arc<Hub>);

struct Hub {
    frames: watch::Sender<Frame>,
    somebody_came: Notify,
    seats: Arc<Semaphore>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self(Arc::new(Hub {
            frames: watch::Sender::new(Frame::None),
            somebody_came: Notify::new(),
            seats: Arc::new(Semaphore::new(LISTENERS)),
        }))
    }

    /// Make frames until `stop`; then tell the listeners to go.
    pub(super) async fn run(self, state: WebState, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.tick(&state) => {}
            // An error means that the sender is gone, which is a stop too.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.0.frames.send_replace(Frame::Closed);
    }

    async fn tick(&self, state: &WebState) {
        let hub = &*self.0;
        loop {
            hub.frames.send_replace(Frame::None);
            hub.somebody_came.notified().await;
            let mut told = Told::default();
            while hub.frames.receiver_count() > 0 {
                let alerts = (state.alerts)();
                let looked_at = Instant::now();
                let alerts_changed = told.alerts_changed(&alerts);
                let somebody_new = told.frame_at.is_none();
                if alerts_changed || somebody_new || told.looked_at.is_none_or(|at| looked_at - at >= LOOK_AT_ALL) {
                    told.looked_at = Some(looked_at);
                    if let Some(frame) = told.frame(state, &alerts, looked_at).await {
                        hub.frames.send_replace(Frame::State(frame));
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AT_ALERTS) => {}
                    // The newest frame is at most ten seconds old, and the newcomer has it already.
                    () = hub.somebody_came.notified() => {}
                }
            }
        }
    }
}

/// What was told last.
#[derive(Default)]
struct Told {
    alerts: Option<(Arc<Vec<Alert>>, u64)>,
    /// What the newest frame, or the decision against one, was made of; and the hash of its body.
    seen: Option<(Arc<Snapshot>, Arc<Vec<Alert>>)>,
    state: Option<u64>,
    looked_at: Option<Instant>,
    frame_at: Option<Instant>,
}

impl Told {
    /// Is there another alert, state or severity? Numbers within the evidence are no hurry.
    fn alerts_changed(&mut self, alerts: &Arc<Vec<Alert>>) -> bool {
        if let Some((before, _)) = &self.alerts
            && Arc::ptr_eq(before, alerts)
        {
            return false;
        }
        let mut faces: Vec<_> = alerts.iter().map(|alert| (alert.fingerprint, alert.state, alert.severity())).collect();
        faces.sort_unstable_by_key(|(fingerprint, ..)| *fingerprint);
        let mut hasher = DefaultHasher::new();
        for (fingerprint, state, severity) in faces {
            (fingerprint, state.as_str(), severity).hash(&mut hasher);
        }
        let hash = hasher.finish();
        let changed = self.alerts.as_ref().is_none_or(|(_, before)| *before != hash);
        self.alerts = Some((alerts.clone(), hash));
        changed
    }

    /// The data of an event, if there is something new in it.
    async fn frame(&mut self, state: &WebState, alerts: &Arc<Vec<Alert>>, now: Instant) -> Option<Arc<str>> {
        let snapshot = (state.snapshot)();
        let (alerts, status) = (alerts.clone(), (state.status)());
        let due = self.frame_at.is_none_or(|at| now - at >= AT_LEAST);
        let before = self.state;
        if !due
            && let Some((seen, told)) = &self.seen
            && Arc::ptr_eq(seen, &snapshot)
            && Arc::ptr_eq(told, &alerts)
        {
            return None;
        }
        self.seen = Some((snapshot.clone(), alerts.clone()));
        let (spread, headroom) = (Arc::clone(&state.spread), (state.headroom)());
        let (text, hash) = tokio::task::spawn_blocking(move || {
            // Our own shapes with text keys: nothing in them that JSON could refuse.
            let body = serde_json::to_string(&Body::new(&snapshot, &alerts, &*spread, &headroom)).unwrap_or_default();
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            let hash = hasher.finish();
            let new = due || before != Some(hash);
            (new.then(|| with_time_and_status(&body, &snapshot, &status)), hash)
        })
        .await
        .ok()?;
        self.state = Some(hash);
        if text.is_some() {
            self.frame_at = Some(now);
        }
        text
    }
}

/// What makes a frame worth sending when it changes.
#[derive(Serialize)]
struct Body<'a> {
    devices: Vec<DeviceView<'a>>,
    links: Vec<LinkView<'a>>,
    groups: Vec<GroupView<'a>>,
    alerts: Vec<AlertView>,
}

impl<'a> Body<'a> {
    fn new(snapshot: &'a Snapshot, alerts: &[Alert], spread: &SpreadOf, headroom: &'a Headroom) -> Self {
        let link = |link| LinkView::new(link, &snapshot.losses, spread, headroom);
        Self {
            devices: snapshot.devices.iter().map(DeviceView::from).collect(),
            links: snapshot.links.iter().map(link).collect(),
            groups: snapshot.groups.iter().map(GroupView::from).collect(),
            alerts: view::alerts(alerts, snapshot),
        }
    }
}

/// `{"taken_at": ..., what is in the body, "status": ...}`: the time leads, so that a reader finds it first.
fn with_time_and_status(body: &str, snapshot: &Snapshot, status: &Value) -> Arc<str> {
    let inner = body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default();
    format!("{{\"taken_at\":\"{}\",{inner},\"status\":{status}}}", snapshot.taken_at).into()
}

/// `GET /api/events`
pub(super) async fn events(State(events): State<Events>, params: Params) -> Result<Response, Refusal> {
    params.end(&[])?;
    let Ok(seat) = events.0.seats.clone().try_acquire_owned() else {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("{LISTENERS} are listening already")));
    };
    let frames = WatchStream::new(events.0.frames.subscribe());
    events.0.somebody_came.notify_one();
    let stream = frames.take_while(|frame| !matches!(frame, Frame::Closed)).filter_map(move |frame| {
        // The seat is taken for as long as the stream lives.
        let _ = &seat;
        match frame {
            Frame::State(text) => Some(Ok::<_, Infallible>(Event::default().event("state").data(&*text))),
            Frame::None | Frame::Closed => None,
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
