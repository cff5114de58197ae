//! What a connection is doing, and whether it has been silent for too long.
//!
//! hyper's own limit for reading a head also runs while a kept connection is idle, and would cut
//! Prometheus off between two scrapes; so the time is kept here, where idle and half a head can be
//! told apart.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::clock::Clock;

use super::Limits;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing came yet.
    New,
    /// A handshake or a head is coming in.
    Head,
    /// Requests are being answered.
    Answering,
    /// The last answer was handed over, and nothing came since.
    Idle,
}

/// Keeps track of what a connection is doing, and since when. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    clock: Clock,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began, or, while answering and idle, when bytes last went out.
    since: Duration,
    /// When the requests that are being answered came.
    answering: BTreeMap<u64, Duration>,
    next: u64,
    /// Whether several requests share the connection, with frames between them that are none.
    multiplexed: bool,
}

impl Activity {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State {
            phase: Phase::New,
            since: clock.monotonic(),
            answering: BTreeMap::new(),
            next: 0,
            multiplexed: false,
        };
        Self { clock, state: Arc::new(watch::Sender::new(state)) }
    }

    /// From now on bytes that come in are no sign of a head: HTTP/2 has settings, pings and
    /// acknowledgements.
    pub(super) fn is_multiplexed(&self) {
        self.state.send_modify(|state| state.multiplexed = true);
    }

    /// Bytes came in. While a request is answered they belong to the next one, which hyper will
    /// not touch before; they count from then on.
    fn received(&self) {
        self.state.send_if_modified(|state| match state.phase {
            // The time that a new connection has for its first head is running already.
            Phase::New => {
                state.phase = Phase::Head;
                true
            }
            Phase::Idle if !state.multiplexed => {
                state.phase = Phase::Head;
                state.since = self.clock.monotonic();
                true
            }
            Phase::Head | Phase::Answering | Phase::Idle => false,
        });
    }

    /// Bytes went out.
    fn sent(&self) {
        self.state.send_if_modified(|state| {
            // Between requests HTTP/2 answers pings, which must not keep a connection for ever.
            let counts = match state.phase {
                Phase::Answering => true,
                Phase::Idle => !state.multiplexed,
                Phase::New | Phase::Head => false,
            };
            if counts {
                state.since = self.clock.monotonic();
            }
            counts
        });
    }

    /// A request came.
    pub(super) fn answering(&self) -> Answering {
        let now = self.clock.monotonic();
        let mut number = 0;
        self.state.send_modify(|state| {
            number = state.next;
            state.next += 1;
            state.answering.insert(number, now);
            state.phase = Phase::Answering;
            state.since = now;
        });
        Answering { activity: self.clone(), number }
    }

    fn answered(&self, number: u64) {
        self.state.send_modify(|state| {
            state.answering.remove(&number);
            if state.answering.is_empty() {
                state.phase = Phase::Idle;
                state.since = self.clock.monotonic();
            }
        });
    }

    /// Waits until a limit is reached, and says in which phase.
    pub(super) async fn expired(&self, limits: &Limits) -> Phase {
        let mut states = self.state.subscribe();
        loop {
            let (phase, end) = {
                let state = states.borrow_and_update();
                let limit = match state.phase {
                    Phase::New | Phase::Head => limits.head,
                    Phase::Answering | Phase::Idle => limits.idle,
                };
                let silent = state.since.saturating_add(limit);
                // Numbers grow with time, so the first is the oldest.
                let oldest = state.answering.values().next();
                let late = oldest.map(|began| began.saturating_add(limits.answer));
                (state.phase, late.map_or(silent, |late| late.min(silent)))
            };
            tokio::select! {
                () = self.clock.sleep_until(end) => return phase,
                // The sender lives in `self`, so the channel cannot close.
                _ = states.changed() => {}
            }
        }
    }
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    activity: Activity,
    number: u64,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.answered(self.number);
    }
}

/// A stream that tells when bytes pass. The socket stays open for whoever else holds it.
pub(super) struct Watched {
    stream: Arc<TcpStream>,
    activity: Activity,
}

impl Watched {
    pub(super) fn new(stream: Arc<TcpStream>, activity: Activity) -> Self {
        Self { stream, activity }
    }

    fn write_when_ready(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    if matches!(written, Ok(1..)) {
                        self.activity.sent();
                    }
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    if matches!(read, Ok(1..)) {
                        self.activity.received();
                    }
                    return Poll::Ready(read.map(|_| ()));
                }
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_when_ready(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_when_ready(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.stream).shutdown(Shutdown::Write))
    }
}
