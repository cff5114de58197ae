//! One connection: the handshake, HTTP/1.1 or HTTP/2, and its end.

use std::convert::Infallible;
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

use super::Limits;
use super::activity::{Activity, Answering, Watched};
use super::body::Body;
use super::routes::Routes;
use super::sending::Sending;
use super::tls::H2;

/// Bytes that a connection holds of what it reads, and of what it writes until it does: two pieces of
/// a page and some of a third. A reader who is quicker than the page is woken once for all three.
const BUFFER: usize = 128 * 1024;
/// Bytes that a stream of an HTTP/2 connection holds of what it writes: a piece of a page.
const STREAM_BUFFER: usize = 64 * 1024;
/// Requests at a time on an HTTP/2 connection.
const STREAMS: u32 = 32;
/// How long a client has to take what is on its way when its connection is over.
const LINGER: Duration = Duration::from_secs(10);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) routes: Arc<Routes>,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    /// Ends connections when the request in flight is answered.
    pub(super) stop: CancellationToken,
    /// Ends connections at once.
    pub(super) cut: CancellationToken,
}

/// What was spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    /// With frames of the client at any time, acknowledgements of what it read among them.
    Http2,
}

impl Server {
    /// Serves `stream` until the client or a limit ends it, or `stop` came and the requests in
    /// flight are answered, or `cut` ends it at once.
    pub(super) async fn serve(self, stream: TcpStream) {
        let stream = Arc::new(stream);
        let activity = Activity::new(self.clock.clone());
        let mut expired = pin!(activity.expired(&self.limits));
        let cut = self.cut.child_token();
        let mut connection = pin!(self.shake_hands_and_serve(&stream, &activity, &cut));
        let mut multiplexed = false;
        tokio::select! {
            // What happens on the connection comes first: it may bring the limit nearer.
            biased;
            ended = &mut connection => match ended {
                Ok(protocol) => multiplexed = protocol == Protocol::Http2,
                Err(error) => tracing::debug!(%error, "connection ended early"),
            },
            phase = &mut expired => {
                tracing::debug!(?phase, "a connection was silent, or an answer took, for too long");
                return;
            }
            () = cut.cancelled() => return,
        }
        if self.stop.is_cancelled() && !multiplexed {
            // Nothing is unread: the client waits for an answer, or has nothing to say.
            return;
        }
        tokio::select! {
            () = linger(&stream) => {}
            () = self.clock.sleep(LINGER) => {}
            () = cut.cancelled() => {}
        }
    }

    async fn shake_hands_and_serve(
        &self,
        stream: &Arc<TcpStream>,
        activity: &Activity,
        cut: &CancellationToken,
    ) -> Result<Protocol, Box<dyn std::error::Error + Send + Sync>> {
        let stream = Watched::new(Arc::clone(stream), activity.clone());
        let Some(tls) = self.routes.guard().tls().await? else {
            self.serve_http1(stream, activity, cut).await?;
            return Ok(Protocol::Http1);
        };
        let stream = tokio::select! {
            shaken = tls.accept(stream) => shaken?,
            () = self.stop.cancelled() => return Ok(Protocol::Http1),
        };
        if stream.get_ref().1.alpn_protocol() == Some(H2) {
            self.serve_http2(stream, activity, cut).await?;
            Ok(Protocol::Http2)
        } else {
            self.serve_http1(stream, activity, cut).await?;
            Ok(Protocol::Http1)
        }
    }

    async fn serve_http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        activity: &Activity,
        cut: &CancellationToken,
    ) -> hyper::Result<()> {
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(self.limits.head_size)
            .max_buf_size(BUFFER.max(self.limits.head_size))
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| self.answer(request, activity.answering(), cut)),
            );
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            // Chance would decide which is looked at first, for every piece that is sent.
            biased;
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = &ended
            && error.is_parse()
        {
            // hyper has answered these by itself.
            self.routes.refused(if error.is_parse_too_large() { 431 } else { 400 });
        }
        ended
    }

    async fn serve_http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        activity: &Activity,
        cut: &CancellationToken,
    ) -> hyper::Result<()> {
        activity.is_multiplexed();
        let (server, of_requests, cut) = (self.clone(), activity.clone(), cut.clone());
        let connection = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(self.limits.head_size).unwrap_or(u32::MAX))
            .max_send_buf_size(STREAM_BUFFER)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let (server, cut) = (server.clone(), cut.clone());
                    // Here rather than in the request's own task, which ends no connection.
                    let answering = of_requests.answering();
                    async move { server.answer(request, answering, &cut).await }
                }),
            );
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        answering: Answering,
        cut: &CancellationToken,
    ) -> Result<Response<Sending>, Infallible> {
        let head = request.method() == Method::HEAD;
        let mut answer = self.routes.answer(request, answering.began(), cut).await;
        if head {
            // hyper leaves out the body over HTTP/1.1, not over HTTP/2.
            let size = HeaderValue::from(answer.body().size());
            answer.headers_mut().insert(CONTENT_LENGTH, size);
            *answer.body_mut() = Body::from(String::new());
        }
        Ok(answer.map(|body| Sending::new(body, answering)))
    }
}

/// Waits until the client has ended its side. A socket that is closed with something unread is
/// reset, and what the client did not read yet is lost to it.
async fn linger(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    let mut nothing = [0; 1024];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut nothing) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
