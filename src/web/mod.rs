//! HTTP: the page, the API, /metrics, health. Nothing but silences can be changed from here, and they only by those
//! whom `[web] changes` lets (see `access`).
//!
//! | route | what |
//! |---|---|
//! | `/` `/assets/*` | the page, out of the binary |
//! | `/api/devices` `interfaces` `links` `groups` `optics` `host` `alerts` | the present, out of the snapshot and the book |
//! | `/api/audit` `/api/audit/snapshot` | the ledger of redundancy, also without something; what it is written from |
//! | `/api/silences` | silences and maintenance windows; POST makes a silence, DELETE `/api/silences/ID` ends one |
//! | `/api/history` | the past of one interface |
//! | `/api/v1/*` | the past, as Prometheus would answer: a data source for Grafana |
//! | `/api/status` | how we do |
//! | `/api/events` | the present again, whenever it changes |
//! | `/metrics` | the present for Prometheus, and our own counters |
//! | `/healthz` `/readyz` | 200 or 503, with reasons |
//!
//! There is no login: it listens on loopback by default, where it answers to no name but loopback's.

mod access;
mod api;
mod audit;
mod connection;
mod events;
mod page;
mod promapi;
mod query;
mod server;
mod silences;
mod state;
mod view;

use std::net::{Ipv4Addr, SocketAddr};

pub use access::Changes;
pub use server::{BindError, Server};
pub use state::{Edit, Probe, Source, WebState};

/// `[web]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may change anything.
    pub changes: Changes,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 9750).into(), changes: Changes::default() }
    }
}

#[cfg(test)]
mod tests;
