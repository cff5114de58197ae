//! One attempt at an API call: sign, send, understand.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::CONTENT_LENGTH;

use crate::api::error::Code;
use crate::api::inventory::{self, InstancesPage};
use crate::api::request::{ListImports, ListInstances};
use crate::api::response::{self, Page};
use crate::api::skew::{Change, Skew};
use crate::api::{Error, Kind, endpoint, error_body};
use crate::auth::sign::{self, Attempt};
use crate::auth::{Credentials, Origin, Provider};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::domain::{LIST_IMPORTS, LIST_INSTANCES, LIST_REGIONS};
use crate::instruments::{Instruments, Scope};
use crate::transport::{self, Answer, SetupError, Transport};

const VERSION: &str = "2014-08-15";

/// Calls the API for one account.
#[derive(Debug)]
pub struct Client {
    account: Arc<str>,
    transport: Transport,
    credentials: Provider,
    signature: config::Signature,
    network: config::Network,
    rds_override: Option<String>,
    skews: RwLock<BTreeMap<Arc<str>, Arc<Skew>>>,
    clock: Clock,
    instruments: Instruments,
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
        let transport = Transport::new(name, account, polling, environment)?;
        Ok(Self {
            account: Arc::clone(name),
            credentials: Provider::new(
                name,
                account,
                transport.clone(),
                environment,
                clock.clone(),
                instruments.clone(),
            ),
            transport,
            signature: account.signature,
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

    /// Fetches the account's keys, unless they are held already, and tells where they came from.
    ///
    /// # Errors
    ///
    /// `no_credentials` when there are none.
    pub(crate) async fn origin(&self) -> Result<Origin, Error> {
        self.credentials().await?;
        let none = || Error::no_credentials("the keys are gone already".to_owned());
        self.credentials.origin().ok_or_else(none)
    }

    /// How far our clock is ahead of the API's in `region_id`, as the last answer showed it.
    pub(crate) fn clock_skew(&self, region_id: &str) -> Option<TimeDelta> {
        let skews = self.skews.read().unwrap_or_else(PoisonError::into_inner);
        skews.get(region_id).map(|skew| skew.current())
    }

    async fn credentials(&self) -> Result<Arc<Credentials>, Error> {
        let credentials = self.credentials.credentials().await;
        credentials.map_err(|error| Error::no_credentials(error.to_string()))
    }

    async fn call<T>(
        &self,
        call: &Call<'_>,
        parse: impl FnOnce(&[u8], DateTime<Utc>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let scope = Scope { account: &self.account, region_id: call.region_id };
        let credentials = self.credentials().await?;
        let signed = self.sign(call, &credentials);
        let began = self.clock.monotonic();
        let result = self.attempt(scope, signed, &credentials, parse).await;
        let took = self.clock.monotonic().saturating_sub(began);
        let result = match result {
            Err(error) if error.kind() == Kind::Credentials => {
                // Keys that are rotated must not cost a poll.
                let replaced = self.credentials.has_replaced(&credentials).await;
                Err(if replaced { error.with_replaced_keys() } else { error })
            }
            result => result,
        };
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
        request: sign::Request,
        credentials: &Arc<Credentials>,
        parse: impl FnOnce(&[u8], DateTime<Utc>) -> Result<T, String>,
    ) -> Result<T, Error> {
        let sent = self.clock.now();
        let answer = self.send(request).await?;
        let received = self.clock.now();
        let date = answer.date();
        let answered_at = date.unwrap_or_else(|| self.server_time(scope.region_id));

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
        if let (true, Some(date)) = (spoken_by_api, date) {
            self.observe_skew(scope, sent, received, date);
        }
        result.map_err(|error| {
            if matches!(error.kind(), Kind::TokenExpired | Kind::Credentials) {
                self.credentials.invalidate(credentials);
            }
            let request_id = answer.request_id().map(str::to_owned);
            error.with_request_id(request_id).with_retry_after(retry_after(&answer))
        })
    }

    async fn send(&self, request: sign::Request) -> Result<Answer, Error> {
        let sign::Request { url, headers, body } = request;
        let mut request = self.transport.through_proxies().post(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // Without a body reqwest leaves the length out, which some servers refuse.
        let request = request.header(CONTENT_LENGTH, body.len()).body(body);
        transport::send(request).await.map_err(Error::from)
    }

    fn sign(&self, call: &Call<'_>, credentials: &Credentials) -> sign::Request {
        let query: Vec<_> = call.parameters.iter().map(|(name, value)| (*name, &**value)).collect();
        let endpoint: Cow<'_, str> = match (&self.rds_override, call.region_id) {
            (Some(url), _) => url.into(),
            (None, "") => endpoint::central(self.network).into(),
            (None, region_id) => endpoint::rds(region_id, self.network).into(),
        };
        let attempt = Attempt::at(self.server_time(call.region_id));
        let call = sign::Call {
            endpoint: &endpoint,
            action: call.action,
            version: VERSION,
            query: &query,
            form: &[],
        };
        sign::sign(self.signature, &call, &attempt, credentials)
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
        _ if error_body::tells_secret(&answer.body, credentials) => {
            Error::bad_response("the body is none of the API's, and tells the request back")
        }
        _ => Error::bad_response(problem),
    }
}

/// Milliseconds; values that are not positive mean nothing, as in the official SDKs.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let milliseconds: u64 = answer.header("x-acs-retry-after")?.trim().parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}
