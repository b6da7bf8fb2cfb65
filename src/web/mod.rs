//! HTTP: the page, the API, /metrics, health.

mod api;
mod connection;
mod events;
mod page;
mod query;
mod server;
mod state;
mod view;

use std::net::{Ipv4Addr, SocketAddr};

pub use server::{BindError, Server};
pub use state::{Probe, Source, WebState};

/// `[web]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 9750).into() }
    }
}

#[cfg(test)]
mod tests;
