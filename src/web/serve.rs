//! Taking connections, and the end of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Server;
use super::routes::Routes;
use super::{Bound, Limits, Site};

/// Pause after a failed accept: its reason (no free file descriptor, no memory) is not gone at
/// once, and the connection that waits would fail again and again.
const PAUSE: Duration = Duration::from_millis(100);

impl Bound {
    /// Answers requests until `stop`: then no new connection is taken, connections without a
    /// request end at once, the others when their request is answered, at the latest after
    /// `limits.drain`.
    pub async fn serve(self, site: Site, limits: Limits, stop: CancellationToken) {
        let clock = site.clock.clone();
        let cut = CancellationToken::new();
        // If this future is dropped, so are the connections.
        let _cut = cut.clone().drop_guard();
        let connections = TaskTracker::new();
        let server = Server {
            routes: Arc::new(Routes::new(site, limits)),
            limits,
            clock: clock.clone(),
            stop,
            cut: cut.clone(),
        };
        let acceptor = Acceptor {
            server,
            free: Arc::new(Semaphore::new(limits.connections)),
            connections: connections.clone(),
        };

        let mut accepting = JoinSet::new();
        for (address, listener) in self.listeners {
            let acceptor = acceptor.clone();
            accepting.spawn(async move { acceptor.accept_all(address, listener).await });
        }
        drop(acceptor);
        while accepting.join_next().await.is_some() {}

        connections.close();
        tokio::select! {
            () = connections.wait() => return,
            () = clock.sleep(limits.drain) => {}
        }
        tracing::warn!(
            connections = connections.len(),
            "requests in flight were cut off at the end"
        );
        cut.cancel();
        connections.wait().await;
    }
}

/// Takes connections of one listener.
#[derive(Clone)]
struct Acceptor {
    server: Server,
    free: Arc<Semaphore>,
    connections: TaskTracker,
}

impl Acceptor {
    async fn accept_all(self, address: SocketAddr, listener: TcpListener) {
        tokio::select! {
            () = self.server.stop.cancelled() => {}
            () = self.accept_on(address, &listener) => {}
        }
    }

    async fn accept_on(&self, address: SocketAddr, listener: &TcpListener) {
        let clock = &self.server.clock;
        let mut full = Seldom::default();
        let mut failing = Seldom::default();
        loop {
            if self.free.available_permits() == 0 && full.is_due(clock.monotonic()) {
                let limit = self.server.limits.connections;
                tracing::warn!(%address, limit, "all connections are taken, further ones wait");
            }
            // Held while waiting, so that no connection is taken that cannot be served. Nothing
            // closes the semaphore, so there is a permit in the end.
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer, permit),
                Err(error) if is_of_the_client(&error) => {
                    tracing::debug!(%address, %error, "a connection was gone before it was taken");
                }
                Err(error) => {
                    if failing.is_due(clock.monotonic()) {
                        tracing::warn!(%address, %error, "cannot take a connection, trying on");
                    }
                    clock.sleep(PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Answers are written whole; waiting for more to send would only delay their ends.
        let _ = stream.set_nodelay(true);
        tracing::debug!(%peer, "connection");
        let server = self.server.clone();
        self.connections.spawn(async move {
            server.serve(stream).await;
            drop(permit);
        });
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
}

/// Lets through one log line a minute.
#[derive(Default)]
struct Seldom {
    last: Option<Duration>,
}

impl Seldom {
    fn is_due(&mut self, now: Duration) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= Duration::from_secs(60));
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_logged_once_a_minute() {
        let mut log = Seldom::default();
        let due = [0, 1, 59, 60, 61, 119, 121].map(|s| log.is_due(Duration::from_secs(s)));
        assert_eq!(due, [true, false, false, true, false, false, true]);
    }
}
