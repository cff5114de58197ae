//! The metrics: a page from the last published snapshots.

use std::sync::Arc;

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::metrics::{Coding, Format, Page};

use super::body::Body;
use super::turns::{Failure, elsewhere};
use super::{Site, negotiation, response};

const TEXT: HeaderValue = HeaderValue::from_static(Format::Text.content_type());
const OPENMETRICS: HeaderValue = HeaderValue::from_static(Format::OpenMetrics.content_type());
const ASKED_BY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Answers a scrape. It never calls the API and waits for no poll.
pub(super) async fn answer(
    site: &Site,
    scrapes: &Arc<Semaphore>,
    headers: &HeaderMap,
) -> Response<Body> {
    let (format, coding) = negotiation::preferred(headers);
    match page(site, scrapes, format, coding).await {
        Ok(page) => {
            let mut response = Response::new(Body::from(page));
            let headers = response.headers_mut();
            let content_type = match format {
                Format::Text => TEXT,
                Format::OpenMetrics => OPENMETRICS,
            };
            headers.insert(CONTENT_TYPE, content_type);
            headers.insert(VARY, ASKED_BY);
            if coding == Coding::Gzip {
                headers.insert(CONTENT_ENCODING, GZIP);
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "cannot make the page of the metrics");
            let text = format!("cannot make the page of the metrics: {error}");
            response::text(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

/// Makes the page: here if that is quick, and off the runtime's thread if it may take a good part
/// of a second.
async fn page(
    site: &Site,
    scrapes: &Arc<Semaphore>,
    format: Format,
    coding: Coding,
) -> Result<Page, Failure> {
    let now = site.clock.now();
    if let Some(page) = site.exposition.ready_page(format, coding, now) {
        return Ok(page);
    }
    let exposition = site.exposition.clone();
    elsewhere(scrapes, move || exposition.page(format, coding, now)).await
}
