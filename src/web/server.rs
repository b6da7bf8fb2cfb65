//! The listener: bound first, so that a port in use is told before anything else starts; served later.

use std::net::SocketAddr;
use std::{fmt, io};

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Settings, WebState};

/// A bound listener that does not answer yet.
pub struct Server {
    listener: TcpListener,
}

/// Why the address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    listen: SocketAddr,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}; set another address under `[web] listen`", self.listen, self.source)
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
        match TcpListener::bind(settings.listen).await {
            Ok(listener) => Ok(Self { listener }),
            Err(source) => Err(BindError { listen: settings.listen, source }),
        }
    }

    /// Where it listens: the port is known even when `0` was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Answer until `stop` becomes true (or its sender is gone).
    pub async fn serve(self, _state: WebState, _stop: watch::Receiver<bool>) {
        todo!()
    }
}
