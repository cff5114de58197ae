//! What a connection is doing, and whether it has been silent for too long.
//!
//! hyper's own limit for reading a head also runs while a kept connection is idle, and would cut
//! Prometheus off between two scrapes; so the time is kept here, where idle and half a head can be
//! told apart.

use std::future::poll_fn;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::clock::Clock;

use super::Limits;

/// What is read at a time, in bytes: more than the head of a scrape commonly has. Reading into the
/// reader's own memory would need it to be overwritten first, all 64 KiB of it.
const ROOM: usize = 2 * 1024;

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
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began, or, while answering and idle, when bytes last went out.
    since: Duration,
    /// The requests that are being answered, and when they came: the oldest first, and few.
    answering: Vec<(u64, Duration)>,
    next: u64,
    /// Whether several requests share the connection, with frames between them that are none.
    multiplexed: bool,
}

impl State {
    /// When a limit is reached, if nothing happens.
    fn end(&self, limits: &Limits) -> Duration {
        let limit = match self.phase {
            Phase::New | Phase::Head => limits.head,
            Phase::Answering | Phase::Idle => limits.idle,
        };
        let silent = self.since.saturating_add(limit);
        let oldest = self.answering.first();
        oldest.map_or(silent, |(_, began)| began.saturating_add(limits.answer).min(silent))
    }
}

impl Activity {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State {
            phase: Phase::New,
            since: clock.monotonic(),
            answering: Vec::new(),
            next: 0,
            multiplexed: false,
        };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// From now on bytes that come in are no sign of a head: HTTP/2 has settings, pings and
    /// acknowledgements.
    pub(super) fn is_multiplexed(&self) {
        self.state().multiplexed = true;
    }

    /// Bytes came in. While a request is answered they belong to the next one, which hyper will
    /// not touch before; they count from then on.
    fn received(&self) {
        let mut state = self.state();
        match state.phase {
            // The time that a new connection has for its first head is running already.
            Phase::New => state.phase = Phase::Head,
            Phase::Idle if !state.multiplexed => {
                state.phase = Phase::Head;
                state.since = self.clock.monotonic();
            }
            Phase::Head | Phase::Answering | Phase::Idle => {}
        }
    }

    /// Bytes went out.
    fn sent(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Answering => state.since = self.clock.monotonic(),
            // Between requests HTTP/2 answers pings, which must not keep a connection for ever.
            Phase::Idle if !state.multiplexed => state.since = self.clock.monotonic(),
            Phase::New | Phase::Head | Phase::Idle => {}
        }
    }

    /// A request came.
    pub(super) fn answering(&self) -> Answering {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.answering.push((number, now));
        state.phase = Phase::Answering;
        state.since = now;
        Answering { activity: self.clone(), number, began: now }
    }

    fn answered(&self, number: u64) {
        let mut state = self.state();
        state.answering.retain(|(other, _)| *other != number);
        if state.answering.is_empty() {
            state.phase = Phase::Idle;
            state.since = self.clock.monotonic();
        }
    }

    /// Waits until a limit is reached, and says in which phase.
    ///
    /// Nothing wakes it when a limit comes nearer. It has to be polled in the task that moves the
    /// connection's bytes and takes its requests, after these: only they bring a limit nearer.
    /// Waking it at each of them would cost more than a small page.
    pub(super) async fn expired(&self, limits: &Limits) -> Phase {
        loop {
            let awaited = self.state().end(limits);
            let mut sleep = pin!(self.clock.sleep_until(awaited));
            let asleep = poll_fn(|context| match self.state().end(limits) < awaited {
                true => Poll::Ready(()),
                false => sleep.as_mut().poll(context),
            });
            asleep.await;
            let state = self.state();
            if state.end(limits) <= self.clock.monotonic() {
                return state.phase;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change of it can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    activity: Activity,
    number: u64,
    began: Duration,
}

impl Answering {
    /// When the request came.
    pub(super) fn began(&self) -> Duration {
        self.began
    }
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
            let (mut room, mut size) = ([0; ROOM], 0);
            let room = &mut room[..buffer.remaining().min(ROOM)];
            let read = self.stream.try_io(Interest::READABLE, || {
                size = (&*SockRef::from(&*self.stream)).read(room)?;
                // Nothing is left to read. Known here, this saves a system call that would say so.
                let is_all = (1..room.len()).contains(&size);
                if is_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && size == 0 => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                _ => {
                    buffer.put_slice(&room[..size]);
                    if size > 0 {
                        self.activity.received();
                    }
                    return Poll::Ready(Ok(()));
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
