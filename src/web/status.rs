//! The status page, the same as JSON, and the configuration: what takes long for a large fleet.

use std::sync::{Arc, LazyLock};

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    REFRESH, X_FRAME_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::status::{
    Fleet, InstanceQuery, Link, PageQuery, QueryError, STYLE_HASH, TaskQuery, instances_json,
    tasks_json,
};

use super::body::Body;
use super::turns::elsewhere;
use super::{Site, response};

/// The page has its style and its icon in itself, and loads, runs and sends nothing. Its one form
/// leads back to it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src {}; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
        *STYLE_HASH
    )
});

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is wrong, as JSON.
#[derive(Serialize)]
struct Refusal {
    error: String,
}

/// Answers with the configuration in force.
pub(super) async fn configuration(site: &Site, turns: &Arc<Semaphore>) -> Response<Body> {
    let config = Arc::clone(&site.config.borrow());
    match elsewhere(turns, move || config.to_yaml()).await {
        Ok(text) => response::text(StatusCode::OK, text.trim_end()),
        Err(error) => failure(&*error),
    }
}

/// Answers with the page that the query asks for.
pub(super) async fn page(
    site: &Site,
    turns: &Arc<Semaphore>,
    links: Vec<(String, &'static str)>,
    query: &str,
) -> Response<Body> {
    let asked = PageQuery::parse(query);
    let made = make(site, turns, move |fleet| {
        let links: Vec<_> = links.iter().map(|(path, about)| Link { path, about }).collect();
        crate::status::page(fleet, &asked, &links)
    });
    let page = match made.await {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    let mut answer = Response::new(Body::from(page.html));
    guard(answer.headers_mut());
    if let Some(seconds) = page.refresh {
        answer.headers_mut().insert(REFRESH, HeaderValue::from(seconds));
    }
    answer
}

/// Answers with the tasks that the query asks for.
pub(super) async fn tasks(site: &Site, turns: &Arc<Semaphore>, query: &str) -> Response<Body> {
    let asked = TaskQuery::parse(query);
    json(site, turns, asked, tasks_json).await
}

/// Answers with the instances that the query asks for.
pub(super) async fn instances(site: &Site, turns: &Arc<Semaphore>, query: &str) -> Response<Body> {
    let asked = InstanceQuery::parse(query);
    json(site, turns, asked, instances_json).await
}

async fn json<Q: Send + 'static>(
    site: &Site,
    turns: &Arc<Semaphore>,
    asked: Result<Q, QueryError>,
    write: fn(&Fleet<'_>, &Q) -> serde_json::Result<String>,
) -> Response<Body> {
    let (status, text) = match asked {
        Err(error) => (StatusCode::BAD_REQUEST, refusal(&error)),
        Ok(asked) => match make(site, turns, move |fleet| write(fleet, &asked)).await {
            Ok(written) => (StatusCode::OK, written),
            Err(failed) => return failed,
        },
    };
    match text {
        Ok(text) => {
            let mut answer = Response::new(Body::from(format!("{text}\n")));
            *answer.status_mut() = status;
            answer.headers_mut().insert(CONTENT_TYPE, JSON);
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(error) => failure(&error),
    }
}

fn refusal(error: &QueryError) -> serde_json::Result<String> {
    serde_json::to_string(&Refusal { error: error.to_string() })
}

/// Makes something of the whole fleet.
async fn make<T: Send + 'static>(
    site: &Site,
    turns: &Arc<Semaphore>,
    make: impl FnOnce(&Fleet<'_>) -> T + Send + 'static,
) -> Result<T, Response<Body>> {
    let (store, clock) = (site.store.clone(), site.clock.clone());
    let instruments = site.instruments.clone();
    let made = elsewhere(turns, move || make(&Fleet::read(&store, &instruments, clock.now())));
    made.await.map_err(|error| failure(&*error))
}

fn failure(error: &dyn std::error::Error) -> Response<Body> {
    tracing::error!(%error, "cannot make an answer");
    response::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot make the answer: see the log")
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
}
