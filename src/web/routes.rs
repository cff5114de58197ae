//! Which path answers what.

use std::str::FromStr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::readiness::Readiness;

use super::body::Body;
use super::{Site, response, scrape, status};

/// Pages in the making at once. More would not be done earlier, and each may take many megabytes.
const SCRAPES: usize = 4;
/// Views of the status in the making at once; apart, so that no scrape waits for one.
const VIEWS: usize = 2;

/// The path of the metrics; starts with a slash, and is none that the exporter needs for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// A path that the metrics cannot have.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path:?} cannot be the path of the metrics: {problem}; choose one such as /metrics with --web.telemetry-path"
)]
pub struct TelemetryPathError {
    path: String,
    problem: &'static str,
}

impl TelemetryPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl FromStr for TelemetryPath {
    type Err = TelemetryPathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
        let problem = if !path.starts_with('/') {
            "it does not start with a slash"
        } else if !path.chars().all(legal) {
            "it has characters that a path cannot have"
        } else if path.starts_with("/-/") || path.starts_with("/api/") || path == "/config" {
            "the exporter needs it for itself"
        } else {
            return Ok(Self(path.to_owned()));
        };
        Err(TelemetryPathError { path: path.to_owned(), problem })
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Metrics,
    Status,
    Tasks,
    Instances,
    Healthy,
    Ready,
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
        }
    }

    /// Methods it answers, as in the header `Allow`.
    fn allow(self) -> &'static str {
        match self {
            Self::Metrics
            | Self::Status
            | Self::Tasks
            | Self::Instances
            | Self::Healthy
            | Self::Ready => "GET, HEAD",
        }
    }

    /// What people find there; `None` for the status page, which names the others.
    fn about(self) -> Option<&'static str> {
        match self {
            Self::Metrics => Some("metrics for Prometheus"),
            Self::Status => None,
            Self::Tasks => Some("the tasks as JSON"),
            Self::Instances => Some("the instances as JSON"),
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
    views: Arc<Semaphore>,
}

impl Routes {
    pub(super) fn new(site: Site) -> Self {
        let own = [
            ("/", Endpoint::Status),
            ("/api/v1/tasks", Endpoint::Tasks),
            ("/api/v1/instances", Endpoint::Instances),
            ("/-/healthy", Endpoint::Healthy),
            ("/-/ready", Endpoint::Ready),
        ];
        // The first match counts: metrics at `/` take the place of the status page.
        let mut table = vec![(site.telemetry_path.as_str().to_owned(), Endpoint::Metrics)];
        table.extend(own.map(|(path, endpoint)| (path.to_owned(), endpoint)));
        for (_, endpoint) in &table {
            site.instruments.announce_handler(endpoint.handler());
        }
        let (scrapes, views) = (Semaphore::new(SCRAPES), Semaphore::new(VIEWS));
        Self { site, table, scrapes: Arc::new(scrapes), views: Arc::new(views) }
    }

    /// Answers a request, counts it, and logs it at debug level.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let started = self.site.clock.monotonic();
        let path = request.uri().path();
        let found = self.table.iter().find(|(known, _)| known == path);
        let endpoint = found.map(|(_, endpoint)| *endpoint);
        let answer = match endpoint {
            Some(endpoint) if allows(endpoint.allow(), request.method().as_str()) => {
                self.respond(endpoint, &request).await
            }
            Some(endpoint) => response::method_not_allowed(endpoint.allow()),
            None if [Method::CONNECT, Method::TRACE].contains(request.method()) => {
                response::method_not_allowed("GET, HEAD")
            }
            None => response::text(StatusCode::NOT_FOUND, "not found: see / for what is there"),
        };
        let answer = response::finished(answer);

        let handler = endpoint.map_or("other", Endpoint::handler);
        let (status, took) = (answer.status().as_u16(), self.site.clock.monotonic() - started);
        self.site.instruments.http_request(handler, status, took);
        tracing::debug!(
            method = %request.method(), path, status, ?took, size = answer.body().size(), "answered"
        );
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

fn allows(allow: &str, method: &str) -> bool {
    allow.split(", ").any(|allowed| allowed == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_can_have_a_path_of_their_own() {
        for path in ["/metrics", "/", "/a/b-c_d.e~f", "/metrics/"] {
            assert_eq!(path.parse::<TelemetryPath>().unwrap().as_str(), path);
        }
    }

    #[test]
    fn the_metrics_cannot_have_a_path_that_is_none_or_taken() {
        for path in [
            "",
            "metrics",
            "/a b",
            "/a?b",
            "/a#b",
            "/%41",
            "/ü",
            "/-/ready",
            "/api/v1/tasks",
            "/config",
        ] {
            let error = path.parse::<TelemetryPath>().unwrap_err().to_string();
            assert!(error.contains("--web.telemetry-path"), "{error}");
        }
    }
}
