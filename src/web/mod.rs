//! The HTTP server: metrics, status, health, readiness and the configuration, behind the web configuration.
//!
//! [`Bound::bind`] does what can fail, [`Bound::serve`] the rest. What the pages say comes from the
//! other rooms; nothing here talks to the API.

mod activity;
mod auth;
mod body;
mod config;
mod connection;
mod guard;
mod listen;
mod negotiation;
mod outbox;
mod rate;
mod response;
mod rope;
mod routes;
mod scrape;
mod sending;
mod serve;
mod status;
mod telemetry_path;
mod tls;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::instruments::Instruments;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::reload::Reload;
use crate::store::Store;

pub use config::WebConfigError;
pub use guard::Guard;
pub use listen::{BindError, ListenAddress, ListenAddressError};
pub use telemetry_path::{TelemetryPath, TelemetryPathError};

/// What the server shows.
#[derive(Clone)]
pub struct Site {
    /// The metrics.
    pub exposition: Exposition,
    /// What the status page shows.
    pub store: Store,
    /// The exporter itself.
    pub instruments: Instruments,
    /// Tells the time, and when a connection has been silent for too long.
    pub clock: Clock,
    /// What `/-/ready` says.
    pub readiness: watch::Receiver<Readiness>,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Reads it again.
    pub reload: Reload,
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// Who may see it.
    pub guard: Guard,
}

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, of all addresses together; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Size of a request's head in bytes; larger ones are answered by 431.
    pub head_size: usize,
    /// Time for a request's head, from its first byte, or from the start of the connection.
    pub head: Duration,
    /// Time in which nothing is asked, or nothing of an answer is taken.
    pub idle: Duration,
    /// Time in which an answer has to be made and taken, from when its request came.
    pub answer: Duration,
    /// Requests at a time for which an answer is made, of all connections together; further ones
    /// are answered by 503.
    pub requests: usize,
    /// Pages of the size of the fleet that are alive at a time, made or on their way; further ones
    /// wait, and after a while whoever has taken longest to read is cut off.
    pub pages: usize,
    /// Time for the requests in flight when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2_048,
            head_size: 64 * 1024,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            answer: Duration::from_secs(300),
            requests: 512,
            pages: 16,
            // The daemon has 5 s to end, and has more to do than this.
            drain: Duration::from_millis(4_500),
        }
    }
}

/// Sockets that listen; nothing is answered yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(SocketAddr, TcpListener)>,
}

impl Bound {
    /// Listens on every one of `addresses`.
    ///
    /// # Errors
    ///
    /// When one of them cannot be listened on; the text says which, why and what to do.
    pub async fn bind(addresses: &[ListenAddress]) -> Result<Self, BindError> {
        if addresses.is_empty() {
            return Err(BindError::NoAddress);
        }
        let mut listeners = Vec::new();
        for address in addresses {
            let listener = listen::listen(address).await?;
            let local = listener.local_addr();
            let local = local.map_err(|error| BindError::Other(address.clone(), error))?;
            listeners.push((local, listener));
        }
        Ok(Self { listeners })
    }

    /// Takes over sockets that listen already, as systemd hands them over.
    ///
    /// # Errors
    ///
    /// When a socket is none that listens for TCP connections.
    pub fn of(sockets: Vec<std::net::TcpListener>) -> Result<Self, BindError> {
        let listeners = sockets.into_iter().map(|socket| {
            let local = socket.local_addr()?;
            if !SockRef::from(&socket).is_listener()? {
                return Err(io::Error::other("it does not listen (Accept=yes?)"));
            }
            socket.set_nonblocking(true)?;
            Ok((local, TcpListener::from_std(socket)?))
        });
        let listeners = listeners.collect::<io::Result<_>>().map_err(BindError::Socket)?;
        Ok(Self { listeners })
    }

    /// The addresses that are listened on, in the order in which they were given, with the ports
    /// that were chosen for port 0.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(address, _)| *address).collect()
    }
}

/// Ways to what reads foreign texts, for [`crate::fuzzing`].
pub(crate) mod fuzzing {
    use std::path::Path;

    use hyper::HeaderMap;

    use super::{config, negotiation};

    /// Reads a web configuration. Nothing is there that it could name.
    pub(crate) fn config(text: &str) {
        drop(config::WebConfig::parse(text, "web.yml", Path::new("/nonexistent")));
    }

    /// Reads what a client accepts.
    pub(crate) fn negotiation(headers: &HeaderMap) {
        let _ = negotiation::preferred(headers);
    }
}
