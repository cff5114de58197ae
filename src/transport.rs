//! HTTP to the outside: an account's connections, and answers read within limits.
//!
//! It knows TLS, proxies and deadlines, and nothing of what is asked or answered. URLs and bodies
//! may hold keys, so no error here tells them.

mod proxy;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap};

use crate::config::{self, Environment};

/// Largest body read, after decompression.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// Longest time for TCP and TLS to connect; the deadline of the call may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept; shorter than the usual limits of servers.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// An account's connections. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Transport {
    through_proxies: reqwest::Client,
    direct: reqwest::Client,
}

/// Why an account's connections cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The CA file cannot be used.
    #[error("account {account}: cannot use ca_file {}: {problem}", path.display())]
    CaFile {
        /// Which account.
        account: Arc<str>,
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS or proxy settings cannot be used.
    #[error("account {account}: cannot set up HTTPS: {problem}")]
    Https {
        /// Which account.
        account: Arc<str>,
        /// What is wrong.
        problem: String,
    },
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    headers: HeaderMap,
}

/// A request that got no answer, or not a whole one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// Without URL and body.
    pub(crate) problem: String,
    /// `x-acs-request-id` of an answer that broke off.
    pub(crate) request_id: Option<String>,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No whole answer in time.
    Timeout,
    /// No connection, or it broke before there was an answer.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Something is wrong after the status line.
    BadBody,
}

impl Transport {
    /// The connections of the account `name`. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When the account's CA file or the proxy settings of the environment cannot be used.
    pub fn new(
        name: &Arc<str>,
        account: &config::Account,
        polling: &config::Polling,
        environment: &Environment,
    ) -> Result<Self, SetupError> {
        let https = |problem: String| SetupError::Https { account: Arc::clone(name), problem };
        let ca_file = account.ca_file.as_deref();
        let tls = tls::config(ca_file).map_err(|error| match (error, ca_file) {
            (tls::Error::CaFile(problem), Some(path)) => {
                SetupError::CaFile { account: Arc::clone(name), path: path.to_owned(), problem }
            }
            (tls::Error::CaFile(problem) | tls::Error::Versions(problem), _) => https(problem),
        })?;
        let builder = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                // Callers try again themselves, and a request that may be retried is copied first.
                .retry(reqwest::retry::never().max_retries_per_request(0))
                .referer(false)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(polling.request_timeout)
                .pool_idle_timeout(IDLE_CONNECTION)
                .pool_max_idle_per_host(polling.concurrency)
                .http1_only()
                .no_proxy()
        };
        let mut through_proxies = builder();
        for proxy in proxy::of(environment).map_err(https)? {
            through_proxies = through_proxies.proxy(proxy);
        }
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| https(describe(error)))
        };
        Ok(Self { through_proxies: built(through_proxies)?, direct: built(builder())? })
    }

    /// Connections to services of the internet: through the proxies of the environment.
    pub(crate) fn through_proxies(&self) -> &reqwest::Client {
        &self.through_proxies
    }

    /// Connections to services of this machine: never through a proxy.
    pub(crate) fn direct(&self) -> &reqwest::Client {
        &self.direct
    }
}

/// Tells nothing: the URL of a proxy may hold a password.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Answer {
    /// The header `name`, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// When it was answered, by the other side's clock.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        self.header(DATE.as_str()).and_then(parse_date)
    }

    /// The ID that the API gave the request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.header(REQUEST_ID)
    }
}

impl Failure {
    fn new(kind: FailureKind, problem: impl Into<String>) -> Self {
        Self { kind, problem: problem.into(), request_id: None }
    }
}

const REQUEST_ID: &str = "x-acs-request-id";

/// Sends a request and reads the whole answer, whatever its status.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let request_id = text(&headers, REQUEST_ID).map(str::to_owned);
    let body = match encoding(&headers) {
        None => read_body(response).await,
        Some(encoding) => Err(Failure::new(
            FailureKind::BadBody,
            format!("the body has the encoding {encoding:?}, which was not asked for"),
        )),
    };
    match body {
        Ok(body) => Ok(Answer { status, body, headers }),
        Err(failure) => Err(Failure { request_id, ..failure }),
    }
}

fn encoding(headers: &HeaderMap) -> Option<&str> {
    text(headers, CONTENT_ENCODING.as_str()).filter(|encoding| *encoding != "identity")
}

async fn read_body(mut response: reqwest::Response) -> Result<Bytes, Failure> {
    let announced = response.content_length();
    let bad = |problem: String| Failure::new(FailureKind::BadBody, problem);
    let too_large = || bad(format!("the body is larger than {MAX_BODY} bytes"));
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    let mut body = Bytes::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => return Err(too_large()),
            // Mostly the only one, which need not be copied.
            Ok(Some(chunk)) if body.is_empty() => body = chunk,
            Ok(Some(chunk)) => {
                let mut longer = BytesMut::from(body);
                longer.extend_from_slice(&chunk);
                body = longer.freeze();
            }
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => {
                return Err(Failure::new(FailureKind::Timeout, "the body did not end in time"));
            }
            Err(error) => {
                let problem = describe(error);
                let got = body.len();
                return Err(bad(format!("the body broke off after {got} bytes: {problem}")));
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads an HTTP `Date` header (RFC 9110, section 5.6.7).
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

fn unreachable(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        let problem =
            if error.is_connect() { "no connection in time" } else { "no answer in time" };
        return Failure::new(FailureKind::Timeout, problem);
    }
    let kind = if tls::is_cause(&error) { FailureKind::Tls } else { FailureKind::Connect };
    Failure::new(kind, describe(error))
}

/// The error with its causes, without the URL: that holds the key ID and the signature.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn http_dates_are_read() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse_date(date), Some("1994-11-06T08:49:37Z".parse().unwrap()));
        assert_eq!(parse_date("now"), None);
    }

    proptest! {
        #[test]
        fn any_date_is_read_or_refused(text in ".*") {
            let _ = parse_date(&text);
        }
    }
}
