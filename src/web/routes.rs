//! Which path answers what.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::EXPECT;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;

use super::body::Body;
use super::guard::Guard;
use super::outbox::Outbox;
use super::{Limits, Site, response, scrape, status};

/// Pages in the making at once. More would not be done earlier, and each may take many megabytes.
const SCRAPES: usize = 4;
/// Views of the status in the making at once; apart, so that no scrape waits for one.
const VIEWS: usize = 2;

/// What is read of a request's body that is refused, in bytes.
const DISCARDED: u64 = 64 * 1024;
/// How long it is waited for; the request is one of those that are answered at a time.
const DISCARDING: Duration = Duration::from_secs(1);

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Metrics,
    Status,
    Tasks,
    Instances,
    Healthy,
    Ready,
    Config,
    Reload,
}

impl Endpoint {
    /// Value of the label `handler`.
    fn handler(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Status => "status",
            Self::Tasks | Self::Instances => "api",
            Self::Healthy => "healthy",
            Self::Ready => "ready",
            Self::Config => "config",
            Self::Reload => "reload",
        }
    }

    /// Methods it answers, as in the header `Allow`.
    fn allow(self) -> &'static str {
        match self {
            Self::Reload => "POST, PUT",
            _ => "GET, HEAD",
        }
    }

    /// Whether its answer grows with the fleet.
    fn is_large(self) -> bool {
        match self {
            Self::Metrics | Self::Status | Self::Tasks | Self::Instances | Self::Config => true,
            Self::Healthy | Self::Ready | Self::Reload => false,
        }
    }

    /// What people find there; `None` for the status page, which names the others.
    fn about(self) -> Option<&'static str> {
        match self {
            Self::Metrics => Some("metrics for Prometheus"),
            Self::Status | Self::Reload => None,
            Self::Tasks => Some("the tasks as JSON"),
            Self::Instances => Some("the instances as JSON"),
            Self::Config => Some("configuration in force, without secrets"),
            Self::Healthy => Some("whether the process answers"),
            Self::Ready => Some("whether every instance was asked for its tasks, and if not, why"),
        }
    }
}

/// Everything there is, by path.
pub(super) struct Routes {
    site: Site,
    table: Vec<(String, Endpoint)>,
    scrapes: Arc<Semaphore>,
    requests: Semaphore,
    outbox: Outbox,
    views: Arc<Semaphore>,
}

impl Routes {
    pub(super) fn new(site: Site, limits: Limits) -> Self {
        let own = [
            ("/", Endpoint::Status),
            ("/api/v1/tasks", Endpoint::Tasks),
            ("/api/v1/instances", Endpoint::Instances),
            ("/-/healthy", Endpoint::Healthy),
            ("/-/ready", Endpoint::Ready),
            ("/-/reload", Endpoint::Reload),
            ("/config", Endpoint::Config),
        ];
        // The first match counts: metrics at `/` take the place of the status page.
        let mut table = vec![(site.telemetry_path.as_str().to_owned(), Endpoint::Metrics)];
        table.extend(own.map(|(path, endpoint)| (path.to_owned(), endpoint)));
        for (_, endpoint) in &table {
            site.instruments.announce_handler(endpoint.handler());
        }
        Self {
            table,
            scrapes: Arc::new(Semaphore::new(SCRAPES)),
            views: Arc::new(Semaphore::new(VIEWS)),
            requests: Semaphore::new(limits.requests),
            outbox: Outbox::new(limits.pages, site.clock.clone()),
            site,
        }
    }

    /// Who is let in.
    pub(super) fn guard(&self) -> &Guard {
        &self.site.guard
    }

    /// Answers a request that came at `began`, counts it, and logs it at debug level. `cut` ends the
    /// connection if others need the place in the outbox that the answer holds.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        began: Duration,
        cut: &CancellationToken,
    ) -> Response<Body> {
        let found = self.table.iter().find(|(known, _)| known == request.uri().path());
        let endpoint = found.map(|(_, endpoint)| *endpoint);
        let answer = response::finished(self.guarded(endpoint, &mut request, began, cut).await);

        let handler = endpoint.map_or("other", Endpoint::handler);
        let (status, took) = (answer.status().as_u16(), self.site.clock.monotonic() - began);
        self.site.instruments.http_request(handler, status, took);
        tracing::debug!(
            method = %request.method(),
            path = request.uri().path(),
            status,
            ?took,
            size = answer.body().size(),
            "answered"
        );
        answer
    }

    /// Counts what hyper refused before it was a request.
    pub(super) fn refused(&self, status: u16) {
        self.site.instruments.http_request("other", status, Duration::ZERO);
    }

    /// The answer to whoever is let in, or the refusal.
    async fn guarded(
        &self,
        endpoint: Option<Endpoint>,
        request: &mut Request<Incoming>,
        began: Duration,
        cut: &CancellationToken,
    ) -> Response<Body> {
        let Ok(_request) = self.requests.try_acquire() else {
            return response::text(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time");
        };
        let admitted = match self.site.guard.admit(request.headers()).await {
            Ok(admitted) => admitted,
            Err(refusal) => return refusal,
        };
        let mut answer = match endpoint {
            Some(endpoint) if !allows(endpoint.allow(), request.method().as_str()) => {
                response::method_not_allowed(endpoint.allow())
            }
            None if [Method::CONNECT, Method::TRACE].contains(request.method()) => {
                response::method_not_allowed("GET, HEAD")
            }
            _ if !request.body().is_end_stream() => {
                tokio::select! {
                    () = discard(request) => {}
                    () = self.site.clock.sleep(DISCARDING) => {}
                }
                response::text(StatusCode::PAYLOAD_TOO_LARGE, "request bodies are not taken")
            }
            Some(endpoint) if endpoint.is_large() => {
                // Nothing closes the outbox, so there is a place in the end.
                let place = self.outbox.place(cut, began).await;
                let mut answer = self.respond(endpoint, request).await;
                answer.body_mut().hold(place);
                answer
            }
            Some(endpoint) => self.respond(endpoint, request).await,
            None => response::text(StatusCode::NOT_FOUND, "not found: see / for what is there"),
        };
        admitted.dress(&mut answer);
        answer
    }

    /// What the status page links to.
    fn links(&self) -> Vec<(String, &'static str)> {
        let named = self.table.iter();
        named.filter_map(|(path, endpoint)| Some((path.clone(), endpoint.about()?))).collect()
    }

    async fn respond(&self, endpoint: Endpoint, request: &Request<Incoming>) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default();
        match endpoint {
            Endpoint::Metrics => scrape::answer(&self.site, &self.scrapes, request.headers()).await,
            Endpoint::Config => status::configuration(&self.site, &self.views).await,
            Endpoint::Reload => match self.site.reload.now().await {
                Ok(()) => response::text(StatusCode::OK, "reloaded"),
                Err(error) => {
                    let text = format!("not reloaded: {error}");
                    response::text(StatusCode::INTERNAL_SERVER_ERROR, &text)
                }
            },
            Endpoint::Status => status::page(&self.site, &self.views, self.links(), query).await,
            Endpoint::Tasks => status::tasks(&self.site, &self.views, query).await,
            Endpoint::Instances => status::instances(&self.site, &self.views, query).await,
            Endpoint::Healthy => response::text(StatusCode::OK, "healthy"),
            Endpoint::Ready => match &*self.site.readiness.borrow() {
                Readiness::Ready => response::text(StatusCode::OK, "ready"),
                Readiness::Pending(reason) => {
                    let text = format!("not ready: {reason}");
                    response::text(StatusCode::SERVICE_UNAVAILABLE, &text)
                }
                Readiness::Draining => {
                    response::text(StatusCode::SERVICE_UNAVAILABLE, "not ready: draining")
                }
            },
        }
    }
}

/// Reads a small body that is on its way: a client may take it ill to be answered before it has
/// sent all. A large one is not read.
async fn discard(request: &mut Request<Incoming>) {
    let awaited = request.headers().contains_key(EXPECT);
    let mut left = DISCARDED;
    if awaited || request.body().size_hint().lower() > left {
        return;
    }
    while let Some(Ok(frame)) = request.body_mut().frame().await {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        left = left.saturating_sub(size);
        if left == 0 {
            return;
        }
    }
}

fn allows(allow: &str, method: &str) -> bool {
    // Cheaper than a search for ", ", and every request comes here.
    allow.split(',').any(|allowed| allowed.trim_start() == method)
}
