//! `/api/audit`: the ledger, as it is or as it would be without something; and what it is written from, to be asked elsewhere.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use super::WebState;
use super::api::{Answer, large, to_json};
use super::query::{Params, Refusal};
use crate::topology::headroom::Headroom;
use crate::topology::ledger::{Auditor, Without};

/// So many ledgers are written at a time, since one of a large fabric takes a second of a core; the next ones wait.
const AT_A_TIME: usize = 2;
/// Nobody takes away more than this by one question.
const MOST_TAKEN: usize = 1_000;

/// Lets a few questions through at a time.
#[derive(Clone)]
pub(super) struct AuditGate(Arc<Semaphore>);

impl Default for AuditGate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// `GET /api/audit?without=leaf3&without=risk:duct-7&ways=no`; `without` may be given again and again.
pub(super) async fn audit(
    State(state): State<WebState>,
    State(gate): State<AuditGate>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(pairs) = query.map_err(|error| Refusal::bad(error.body_text()))?;
    let (mut without, mut with_ways) = (Vec::new(), None);
    for (key, value) in pairs {
        match (key.as_str(), value.as_str()) {
            ("without", "") => return Err(Refusal::bad("`without` is empty: name a device, link:NAME or risk:NAME")),
            // It cannot fail: what is neither a link nor a risk is a device.
            ("without", what) => without.extend(what.parse::<Without>()),
            ("ways", "yes" | "no") if with_ways.is_none() => with_ways = Some(value == "yes"),
            ("ways", _) => return Err(Refusal::bad("`ways` is given once, and is yes or no")),
            _ => return Err(Refusal::bad(format!("unknown key {key:?}: there are without, ways"))),
        }
    }
    if without.len() > MOST_TAKEN {
        return Err(Refusal::bad(format!("`without` is given more than {MOST_TAKEN} times")));
    }
    let (scene, headroom) = ((state.scene)(), (state.headroom)());
    // Closed never: the permit is only awaited.
    let _permit = gate.0.acquire().await;
    large(move || {
        let mut auditor = Auditor::default();
        auditor.sync(&scene);
        let ledger = auditor
            .ledger_without(&scene, &without, with_ways.unwrap_or(true))
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        // As it was last looked at: in a large fabric a look takes seconds.
        let ledger = if without.is_empty() { ledger.with_headroom(Headroom::clone(&headroom)) } else { ledger };
        to_json(&ledger)
    })
    .await
}

/// `GET /api/audit/snapshot`: for `selvedge audit`, which asks it what it likes.
pub(super) async fn snapshot(State(state): State<WebState>, params: Params) -> Answer {
    params.end(&[])?;
    let scene = (state.scene)();
    large(move || to_json(&*scene)).await
}
