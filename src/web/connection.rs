//! One connection: serving it, and ending it when it is silent for too long.
//!
//! hyper's own limit for reading a head also runs while a kept connection is idle, and would cut
//! Prometheus off between two scrapes; so the time is kept here, where idle and half a head can be
//! told apart.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

use super::Limits;
use super::routes::Routes;

/// Bytes that a connection holds of what it reads, and of what it writes: a piece of a page.
const BUFFER: usize = 64 * 1024;

/// Serves `stream` until the client or a limit ends it, or `stop` came and the request in flight
/// is answered, or `cut` ends it at once.
pub(super) async fn serve(
    stream: TcpStream,
    routes: Arc<Routes>,
    limits: Limits,
    clock: Clock,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    let activity = Activity::new(clock);
    let service = service_fn(|request| {
        let answering = activity.answering();
        let routes = Arc::clone(&routes);
        async move {
            let answer = routes.answer(request).await;
            Ok::<_, std::convert::Infallible>(answer.map(|body| body.while_sent(answering)))
        }
    });
    let io = TokioIo::new(Watched { stream, activity: activity.clone() });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(limits.head_size)
        .max_buf_size(BUFFER.max(limits.head_size))
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut expired = pin!(activity.expired(&limits));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            phase = &mut expired => {
                tracing::debug!(?phase, "connection was silent for too long");
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = cut.cancelled() => return,
        }
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet.
    New,
    /// A head is coming in.
    Head,
    /// A request is being answered.
    Answering,
    /// The last answer was handed over, and nothing came since.
    Idle,
}

/// Keeps track of what a connection is doing, and since when. Clones share it.
#[derive(Clone, Debug)]
struct Activity {
    clock: Clock,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// When the phase began, or, while answering and idle, when bytes last went out.
    since: Duration,
}

impl Activity {
    fn new(clock: Clock) -> Self {
        let state = State { phase: Phase::New, since: clock.monotonic() };
        Self { clock, state: Arc::new(watch::Sender::new(state)) }
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
            Phase::Idle => {
                *state = State { phase: Phase::Head, since: self.clock.monotonic() };
                true
            }
            Phase::Head | Phase::Answering => false,
        });
    }

    /// Bytes went out.
    fn sent(&self) {
        self.state.send_if_modified(|state| {
            let counts = matches!(state.phase, Phase::Answering | Phase::Idle);
            if counts {
                state.since = self.clock.monotonic();
            }
            counts
        });
    }

    fn answering(&self) -> Answering {
        self.begin(Phase::Answering);
        Answering(self.clone())
    }

    fn begin(&self, phase: Phase) {
        self.state.send_replace(State { phase, since: self.clock.monotonic() });
    }

    /// Waits until a limit is reached, and says in which phase.
    async fn expired(&self, limits: &Limits) -> Phase {
        let mut states = self.state.subscribe();
        loop {
            let State { phase, since } = *states.borrow_and_update();
            let limit = match phase {
                Phase::New | Phase::Head => limits.head,
                Phase::Answering | Phase::Idle => limits.idle,
            };
            tokio::select! {
                () = self.clock.sleep_until(since.saturating_add(limit)) => return phase,
                // The sender lives in `self`, so the channel cannot close.
                _ = states.changed() => {}
            }
        }
    }
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.begin(Phase::Idle);
    }
}

/// A stream that tells when bytes pass.
struct Watched {
    stream: TcpStream,
    activity: Activity,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(result)
    }
}

impl Watched {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.sent();
        }
        written
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
