//! The listener: bound first, so that a port in use is told before anything else starts; served later.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::{self, Access};
use super::api::{self, HistoryGate};
use super::audit::{self, AuditGate};
use super::connection::{Bounded, Peer};
use super::events::{self, Events};
use super::page::ASSETS;
use super::promapi;
use super::query::Refusal;
use super::silences;
use super::{Changes, Settings, WebState};
use crate::export::prometheus;
use crate::telemetry;

/// Nothing that is sent to us is longer, bytes.
const LONGEST_BODY: usize = 64 << 10;

/// How long answers under way may take when the program ends.
const GRACE: Duration = Duration::from_secs(2);

/// Everything comes from here; scripts are files of ours, never within the page. Styles may be set by the
/// libraries that draw; the icon stands in the page itself.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; object-src 'none'";

/// A bound listener that does not answer yet.
pub struct Server {
    listener: TcpListener,
    listen: SocketAddr,
    changes: Changes,
}

/// Why the address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    listen: SocketAddr,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, source } = self;
        let advice = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program has it: stop that one, or set another address in `[web] listen`".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address: set one that it has in `[web] listen`".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "it may not be used without privilege: set a port above 1023 in `[web] listen`".to_owned()
            }
            _ => format!("{source}; set another address in `[web] listen`"),
        };
        write!(f, "cannot listen on {listen}: {advice}")
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Server {
    /// Take the address.
    ///
    /// # Errors
    /// When it is in use or may not be used.
    pub async fn bind(settings: &Settings) -> Result<Self, BindError> {
        let bound = async {
            let listener = TcpListener::bind(settings.listen).await?;
            let listen = listener.local_addr()?;
            Ok(Self { listener, listen, changes: settings.changes })
        };
        bound.await.map_err(|source| BindError { listen: settings.listen, source })
    }

    /// Where it listens: the port is known even when `0` was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.listen
    }

    /// Answer until `stop` becomes true or its sender is gone. Answers under way get two seconds more, those
    /// who listen to events are sent away.
    pub async fn serve(self, state: WebState, stop: watch::Receiver<bool>) {
        let events = Events::new();
        let ticker = tokio::spawn(events.clone().run(state.clone(), stop.clone()));
        let access = Access { changes: self.changes };
        let app = router(Rooms {
            state,
            events,
            gate: HistoryGate::default(),
            audits: AuditGate::default(),
            listen: self.listen,
            access,
        })
        .into_make_service_with_connect_info::<Peer>();
        let stopped = |mut stop: watch::Receiver<bool>| async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let serving = axum::serve(Bounded::new(self.listener), app).with_graceful_shutdown(stopped(stop.clone()));
        tokio::select! {
            _ = serving => {}
            () = async { stopped(stop).await; tokio::time::sleep(GRACE).await } => {}
        }
        // It ends by itself; a panic in it has been reported.
        let _ = ticker.await;
    }
}

/// What the routes take their parts from.
#[derive(Clone)]
struct Rooms {
    state: WebState,
    events: Events,
    gate: HistoryGate,
    audits: AuditGate,
    listen: SocketAddr,
    access: Access,
}

impl FromRef<Rooms> for Access {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.access
    }
}

impl FromRef<Rooms> for WebState {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.state.clone()
    }
}

impl FromRef<Rooms> for Events {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.events.clone()
    }
}

impl FromRef<Rooms> for HistoryGate {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.gate.clone()
    }
}

impl FromRef<Rooms> for AuditGate {
    fn from_ref(rooms: &Rooms) -> Self {
        rooms.audits.clone()
    }
}

fn router(rooms: Rooms) -> Router {
    let mut router = Router::new()
        .route("/api/devices", get(api::devices))
        .route("/api/interfaces", get(api::interfaces))
        .route("/api/links", get(api::links))
        .route("/api/groups", get(api::groups))
        .route("/api/optics", get(api::optics))
        .route("/api/host", get(api::host))
        .route("/api/alerts", get(api::alerts))
        .route("/api/silences", get(silences::list).post(silences::add))
        .route("/api/silences/{id}", delete(silences::end))
        .route("/api/audit", get(audit::audit))
        .route("/api/audit/snapshot", get(audit::snapshot))
        .route("/api/history", get(api::history))
        .route("/api/v1/query", get(promapi::query).post(promapi::query))
        .route("/api/v1/query_range", get(promapi::query_range).post(promapi::query_range))
        .route("/api/v1/series", get(promapi::series).post(promapi::series))
        .route("/api/v1/labels", get(promapi::label_names).post(promapi::label_names))
        .route("/api/v1/label/{name}/values", get(promapi::label_values))
        .route("/api/v1/metadata", get(promapi::metadata))
        .route("/api/v1/rules", get(promapi::rules))
        .route("/api/v1/query_exemplars", get(promapi::exemplars).post(promapi::exemplars))
        .route("/api/v1/status/buildinfo", get(promapi::buildinfo))
        .route("/api/status", get(api::status))
        .route("/api/events", get(events::events))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async |State(state): State<WebState>| api::probe(&(state.health)(), "ok")))
        .route("/readyz", get(async |State(state): State<WebState>| api::probe(&(state.readiness)(), "ready")))
        .fallback(api::nothing_here);
    for asset in &ASSETS {
        router = router.route(asset.path, get(move |headers: HeaderMap| async move { asset.answer(&headers) }));
    }
    router
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(rooms.clone(), guard))
        .with_state(rooms)
}

/// `GET /metrics`
async fn metrics(State(state): State<WebState>) -> Result<Response, Refusal> {
    let text = tokio::task::spawn_blocking(move || {
        let mut text = prometheus::fabric(&(state.snapshot)(), &(state.alerts)(), &*state.spread);
        text.push_str(&(state.telemetry)());
        text
    })
    .await
    .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be made"))?;
    Ok(([(CONTENT_TYPE, telemetry::CONTENT_TYPE)], text).into_response())
}

/// What holds for every request and every answer.
async fn guard(State(rooms): State<Rooms>, request: Request, next: Next) -> Response {
    let mut response = if let Err(refusal) = host_allowed(&request, rooms.listen) {
        refusal.into_response()
    } else if matches!(*request.method(), Method::GET | Method::HEAD)
        || (*request.method() == Method::POST && promapi::is_question(request.uri().path()))
    {
        next.run(request).await
    } else if !access::may_be_changed(request.uri().path()) {
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
        ([(ALLOW, "GET, HEAD")], refusal).into_response()
    } else {
        let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.0);
        match rooms.access.may_change(peer, request.headers()) {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        }
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(CACHE_CONTROL, "no-store");
    response
}

/// On loopback only names of loopback may be used: a page of somebody else's that has its own name point here
/// (DNS rebinding) is refused.
fn host_allowed(request: &Request, listen: SocketAddr) -> Result<(), Refusal> {
    if !listen.ip().is_loopback() {
        return Ok(());
    }
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(|authority| authority.as_str()).or(header).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host });
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let known = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]), listen.ip()];
    if name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| known.contains(&address)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, format!("this is {listen}; it does not answer to the name {host:?}")))
}
