//! Who gets in: the web configuration in force, read again for every request and connection.
//!
//! The files are small, and reading them is cheap; they are parsed only when they differ from what
//! was read before. A file that has gone bad never opens anything: every request is answered by
//! 500 until it is mended, over TLS with the last good certificate.

mod files;
mod watch;

use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;

use super::auth::{Checks, Verdict};
use super::body::Body;
use super::config::WebConfigError;
use super::response;

use watch::{Rules, Watch};

const CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Basic realm="aliyun-rds-import-exporter", charset="UTF-8""#);

/// Lets requests in, or not. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct Guard(Option<Arc<Gate>>);

#[derive(Debug)]
struct Gate {
    watch: Watch,
    checks: Checks,
    clock: Clock,
}

/// A request that may be answered.
#[derive(Clone, Debug)]
pub(super) struct Admitted(Option<Arc<Rules>>);

impl Guard {
    /// Lets everybody in, over plain HTTP.
    pub fn open() -> Self {
        Self(None)
    }

    /// Does what the web configuration at `path` says, and follows its changes.
    ///
    /// # Errors
    ///
    /// When the file or one that it names cannot be read, and for anything that is wrong with
    /// them.
    pub fn load(path: &Path, clock: Clock) -> Result<Self, WebConfigError> {
        let watch = Watch::load(path)?;
        Ok(Self(Some(Arc::new(Gate { watch, checks: Checks::default(), clock }))))
    }

    /// Whether connections have to begin by a TLS handshake.
    pub fn serves_tls(&self) -> bool {
        self.0.as_ref().is_some_and(|gate| gate.watch.serves_tls())
    }

    /// What shakes hands on a new connection; `None` for plain HTTP.
    pub(super) async fn tls(&self) -> io::Result<Option<TlsAcceptor>> {
        let Some(gate) = self.0.as_ref().map(Arc::clone) else { return Ok(None) };
        let looking = tokio::task::spawn_blocking(move || gate.watch.tls());
        Ok(looking.await?.map(TlsAcceptor::from))
    }

    /// Lets a request with these headers in, or gives the answer that it gets instead.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Response<Body>> {
        let Some(gate) = self.0.as_ref() else { return Ok(Admitted(None)) };
        let watching = Arc::clone(gate);
        let looking = tokio::task::spawn_blocking(move || watching.watch.rules());
        let Ok(Ok(rules)) = looking.await else {
            let text = "the web configuration is bad: the log says why";
            return Err(response::text(StatusCode::INTERNAL_SERVER_ERROR, text));
        };
        let limiter = rules.limiter.as_deref();
        if limiter.is_some_and(|limiter| !limiter.grants(gate.clock.monotonic())) {
            return Err(response::text(StatusCode::TOO_MANY_REQUESTS, "too many requests"));
        }
        let (status, text) = match gate.checks.check(&rules.users, headers).await {
            Verdict::Welcome => return Ok(Admitted(Some(rules))),
            Verdict::Unknown => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Verdict::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many passwords are waiting to be checked")
            }
        };
        let mut refusal = response::text(status, text);
        if status == StatusCode::UNAUTHORIZED {
            refusal.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        Admitted(Some(rules)).dress(&mut refusal);
        Err(refusal)
    }
}

impl Admitted {
    /// Adds the headers of the web configuration to an answer; they replace the answer's own.
    pub(super) fn dress(&self, answer: &mut Response<Body>) {
        for (name, value) in self.0.iter().flat_map(|rules| &rules.headers) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}
