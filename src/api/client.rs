//! One attempt at an API call: sign, send, read within limits, understand.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::api::error::Code;
use crate::api::inventory::{self, InstancesPage};
use crate::api::request::{ListImports, ListInstances};
use crate::api::response::{self, Page};
use crate::api::skew::{Change, Skew};
use crate::api::{Error, endpoint, error_body, time};
use crate::auth::{Credentials, Provider, signature_v1};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::domain::{LIST_IMPORTS, LIST_INSTANCES, LIST_REGIONS};
use crate::instruments::{Instruments, Scope};

const VERSION: &str = "2014-08-15";
const METHOD: &str = "POST";
/// Largest body read.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// Longest time for TCP and TLS to connect; the deadline of the call may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept; shorter than the usual limits of servers.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Calls the API for one account.
#[derive(Debug)]
pub struct Client {
    account: Arc<str>,
    http: reqwest::Client,
    credentials: Provider,
    network: config::Network,
    rds_override: Option<String>,
    skews: RwLock<BTreeMap<Arc<str>, Arc<Skew>>>,
    clock: Clock,
    instruments: Instruments,
}

/// Why an account's client cannot be made.
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

/// What is asked: an operation and its own parameters.
struct Call<'a> {
    action: &'static str,
    /// Empty for a call that is about no region.
    region_id: &'a str,
    parameters: Vec<(&'static str, Cow<'a, str>)>,
}

impl Call<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| *own == name).map(|(_, value)| &**value)
    }
}

/// An answer as it came: status, and whatever of head and body we look at.
struct Answer {
    status: u16,
    date: Option<DateTime<Utc>>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Client {
    /// A client for the account `name`. It does not connect yet.
    ///
    /// # Errors
    ///
    /// When the account's CA file or the proxy settings of the environment cannot be used.
    pub fn new(
        name: &Arc<str>,
        account: &config::Account,
        polling: &config::Polling,
        environment: &Environment,
        clock: Clock,
        instruments: Instruments,
    ) -> Result<Self, SetupError> {
        let https_problem =
            |problem: String| SetupError::Https { account: Arc::clone(name), problem };
        let tls = tls_config(name, account.ca_file.as_deref())?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(polling.request_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(polling.concurrency)
            .http1_only()
            .build()
            .map_err(|error| https_problem(describe(error)))?;
        Ok(Self {
            account: Arc::clone(name),
            http,
            credentials: Provider::new(account.credentials.clone(), environment),
            network: account.network,
            rds_override: account.endpoints.rds.clone(),
            skews: RwLock::default(),
            clock,
            instruments,
        })
    }

    /// The API's time in `region_id`: our clock, unless the last answer showed it to be off.
    pub fn server_time(&self, region_id: &str) -> DateTime<Utc> {
        let skews = self.skews.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        skews.get(region_id).map_or(now, |skew| skew.correct(now))
    }

    /// Looks at the source of the keys again at the next call, since the API refused them.
    pub fn forget_credentials(&self) {
        self.credentials.invalidate();
    }

    /// Asks for one page of an instance's migration tasks: one attempt, signed anew.
    ///
    /// # Errors
    ///
    /// Any way in which the attempt can fail, sorted; see [`Error`].
    pub async fn list_imports(
        &self,
        region_id: &str,
        request: &ListImports<'_>,
    ) -> Result<Page, Error> {
        let call = Call { action: LIST_IMPORTS, region_id, parameters: request.parameters() };
        let parsed = self.call(&call, response::parse).await?;
        for field in parsed.unknown {
            self.instruments.unknown_value(field);
        }
        Ok(parsed.page)
    }

    /// Asks for one page of a region's instances: one attempt, signed anew.
    ///
    /// # Errors
    ///
    /// As [`list_imports`](Self::list_imports).
    pub async fn list_instances(
        &self,
        request: &ListInstances<'_>,
    ) -> Result<InstancesPage, Error> {
        let ListInstances { region_id, .. } = *request;
        let call = Call { action: LIST_INSTANCES, region_id, parameters: request.parameters() };
        self.call(&call, |body, _| inventory::parse_instances(body)).await
    }

    /// Asks for the regions that there are: one attempt, signed anew.
    ///
    /// # Errors
    ///
    /// As [`list_imports`](Self::list_imports).
    pub async fn list_regions(&self) -> Result<BTreeSet<Arc<str>>, Error> {
        // The call is about no region. The central host answers it, which serves no region "".
        let call = Call { action: LIST_REGIONS, region_id: "", parameters: Vec::new() };
        self.call(&call, |body, _| inventory::parse_regions(body)).await
    }

    async fn call<T>(
        &self,
        call: &Call<'_>,
        parse: impl FnOnce(&[u8], DateTime<Utc>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let scope = Scope { account: &self.account, region_id: call.region_id };
        let credentials = self
            .credentials
            .credentials()
            .map_err(|error| Error::no_credentials(error.to_string()))?;
        let url = self.signed_url(call, &credentials);
        let began = self.clock.monotonic();
        let result = self.attempt(scope, url, &credentials, parse).await;
        let took = self.clock.monotonic().saturating_sub(began);
        let failure = result.as_ref().err().map(|error| error.code().to_string());
        self.instruments.api_request(scope, call.action, took, failure.as_deref());
        tracing::debug!(
            account = %self.account,
            region_id = call.region_id,
            db_instance_id = call.parameter("DBInstanceId"),
            action = call.action,
            page_number = call.parameter("PageNumber"),
            import_id = call.parameter("ImportId"),
            code = failure.as_deref(),
            duration_ms = took.as_millis() as u64,
            "API request"
        );
        result
    }

    async fn attempt<T>(
        &self,
        scope: Scope<'_>,
        url: String,
        credentials: &Credentials,
        parse: impl FnOnce(&[u8], DateTime<Utc>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let sent = self.clock.now();
        let answer = self.send(url).await?;
        let received = self.clock.now();
        let answered_at = answer.date.unwrap_or_else(|| self.server_time(scope.region_id));

        let result = match answer.status {
            200..=299 => parse(&answer.body, answered_at)
                .map_err(|problem| success_that_is_none(&answer, &problem, credentials)),
            status => Err(error_body::parse(status, &answer.body, credentials)),
        };
        // Proxies and gateways date their own pages: only the API's own words count for its clock.
        let spoken_by_api = result.as_ref().map_or_else(
            |error| matches!(error.code(), Code::Documented(_) | Code::Other),
            |_| true,
        );
        if let (true, Some(date)) = (spoken_by_api, answer.date) {
            self.observe_skew(scope, sent, received, date);
        }
        result.map_err(|error| {
            error.with_request_id(answer.request_id).with_retry_after(answer.retry_after)
        })
    }

    async fn send(&self, url: String) -> Result<Answer, Error> {
        let response =
            self.http.post(url).header("content-length", 0).send().await.map_err(unreachable)?;
        let headers = response.headers();
        let mut answer = Answer {
            status: response.status().as_u16(),
            date: text(headers, DATE.as_str()).and_then(time::parse_http_date),
            request_id: text(headers, "x-acs-request-id").map(str::to_owned),
            retry_after: retry_after(headers),
            body: Vec::new(),
        };
        if let Some(encoding) = text(headers, CONTENT_ENCODING.as_str())
            && encoding != "identity"
        {
            let problem =
                format!("the body has the encoding {encoding:?}, which was not asked for");
            return Err(Error::bad_response(problem).with_request_id(answer.request_id));
        }
        answer.body = read_body(response)
            .await
            .map_err(|error| error.with_request_id(answer.request_id.clone()))?;
        Ok(answer)
    }

    fn signed_url(&self, call: &Call<'_>, credentials: &Credentials) -> String {
        let timestamp = time::to_second(self.server_time(call.region_id));
        let nonce = format!("{:032x}", fastrand::u128(..));
        let mut parameters: Vec<(&str, &str)> =
            call.parameters.iter().map(|(name, value)| (*name, &**value)).collect();
        parameters.extend([
            ("Action", call.action),
            ("Version", VERSION),
            ("Format", "JSON"),
            ("AccessKeyId", credentials.access_key_id.as_str()),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureVersion", "1.0"),
            ("SignatureNonce", nonce.as_str()),
            ("Timestamp", timestamp.as_str()),
        ]);
        if let Some(token) = &credentials.security_token {
            parameters.push(("SecurityToken", token.expose()));
        }
        let signed = signature_v1::sign(METHOD, &parameters, &credentials.access_key_secret);
        let base = match &self.rds_override {
            Some(base) => base.trim_end_matches('/').to_owned(),
            None if call.region_id.is_empty() => endpoint::central(self.network),
            None => endpoint::rds(call.region_id, self.network),
        };
        format!("{base}/?{}", signed.query())
    }

    fn observe_skew(
        &self,
        scope: Scope<'_>,
        sent: DateTime<Utc>,
        received: DateTime<Utc>,
        date: DateTime<Utc>,
    ) {
        let (skew, change) = self.skew(scope.region_id).observe(sent, received, date);
        let seconds = skew.as_seconds_f64();
        self.instruments.clock_skew(scope, seconds);
        let Scope { account, region_id } = scope;
        match change {
            Change::None => {}
            Change::Distrust => tracing::warn!(
                account,
                region_id,
                skew_seconds = seconds,
                "this machine's clock is off: using the API's time for signatures and windows; check NTP"
            ),
            Change::Trust => tracing::info!(
                account,
                region_id,
                skew_seconds = seconds,
                "this machine's clock agrees with the API's again"
            ),
        }
    }

    fn skew(&self, region_id: &str) -> Arc<Skew> {
        let skews = self.skews.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(skew) = skews.get(region_id) {
            return Arc::clone(skew);
        }
        drop(skews);
        let mut skews = self.skews.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(skews.entry(region_id.into()).or_default())
    }
}

/// A status of success whose body is no page: an API error in it keeps its own meaning for people,
/// but it is a bad answer all the same.
fn success_that_is_none(answer: &Answer, problem: &str, credentials: &Credentials) -> Error {
    let inner = error_body::parse(answer.status, &answer.body, credentials);
    match inner.code() {
        Code::Documented(_) | Code::Other => Error::bad_response(format!(
            "HTTP status {} with an error in the body: {inner}",
            answer.status
        )),
        _ => Error::bad_response(problem),
    }
}

async fn read_body(mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let announced = response.content_length();
    let too_large = || Error::bad_response(format!("the body is larger than {MAX_BODY} bytes"));
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced.unwrap_or(0) as usize);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => {
                return Err(Error::timeout("the body did not end in time"));
            }
            Err(error) => {
                let problem = describe(error);
                let got = body.len();
                return Err(Error::bad_response(format!(
                    "the body broke off after {got} bytes: {problem}"
                )));
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Milliseconds; values that are not positive mean nothing, as in the official SDKs.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds: u64 = text(headers, "x-acs-retry-after")?.trim().parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

fn unreachable(error: reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::timeout(if error.is_connect() {
            "no connection in time"
        } else {
            "no answer in time"
        });
    }
    let code = if is_tls(&error) { Code::Tls } else { Code::Connect };
    Error::unreachable(code, describe(error))
}

/// Whether a `rustls::Error` is among the causes. An `io::Error` hides the error it holds from
/// `source`, so it has to be asked for it.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || held.is_some_and(|held| held.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
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

fn tls_config(name: &Arc<str>, ca_file: Option<&Path>) -> Result<rustls::ClientConfig, SetupError> {
    let mut roots =
        rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let unusable = |problem: String| SetupError::CaFile {
            account: Arc::clone(name),
            path: path.to_owned(),
            problem,
        };
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| unusable(error.to_string()))?;
        if certificates.is_empty() {
            return Err(unusable("it holds no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Https {
            account: Arc::clone(name),
            problem: error.to_string(),
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
