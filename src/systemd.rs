//! What systemd and the daemon tell each other: sockets that listen already, and states.
//!
//! Without systemd all of this does nothing. The variables that systemd sets are read by the
//! libraries that know the protocol, <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::clock::Clock;

/// Why the sockets of systemd cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is none.
    #[error(
        "--web.systemd-socket is given, and systemd handed over no socket: start the daemon by a .socket unit, or leave the flag out"
    )]
    None,
    /// One is not of the right kind.
    #[error("socket {0} of systemd cannot be used: {1}; allowed: TCP sockets (ListenStream=)")]
    Kind(usize, #[source] io::Error),
}

/// Takes the sockets that systemd handed over; none is an error only if they are `demanded`.
///
/// It removes the variables that tell of them from the environment, so it has to be called before
/// there is a second thread.
///
/// # Errors
///
/// When a socket is not one of TCP, or there is none and they are demanded.
pub fn sockets(demanded: bool) -> Result<Vec<TcpListener>, SocketError> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for number in 0..handed.len() {
        let socket = handed.take_tcp_listener(number);
        sockets.extend(socket.map_err(|error| SocketError::Kind(number, error))?);
    }
    if demanded && sockets.is_empty() { Err(SocketError::None) } else { Ok(sockets) }
}

/// Tells that the daemon listens.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells that the configuration is being read again; [`ready`] ends it, whatever came of it.
pub fn reloading() {
    // A service of type `notify-reload` wants to know when it began.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Tells that the daemon ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often [`watchdog`] has to be heard; `None` if nobody listens for it.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Tells systemd twice in every `interval` that the daemon lives: that timers fire, tasks run and
/// blocking work gets its turn. Never ends.
pub async fn watchdog(interval: Duration, clock: Clock) {
    loop {
        let told = tokio::spawn(async {
            tokio::task::spawn_blocking(|| tell(&[NotifyState::Watchdog])).await
        });
        if !matches!(told.await, Ok(Ok(()))) {
            tracing::warn!("cannot tell systemd that the daemon lives");
        }
        clock.sleep(interval / 2).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell systemd the daemon's state");
    }
}
