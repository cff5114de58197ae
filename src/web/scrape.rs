//! The metrics: rendered from the last published snapshots when asked.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::metrics;

use super::body::Body;
use super::encoding::{gzip, wants_gzip};
use super::{Site, response};

/// Answers a scrape. It never calls the API and waits for no poll.
pub(super) async fn answer(
    site: &Site,
    scrapes: &Arc<Semaphore>,
    headers: &HeaderMap,
) -> Response<Body> {
    let compressed = wants_gzip(headers);
    match pieces(site, scrapes, compressed).await {
        Ok(pieces) => {
            let mut response = Response::new(Body::from(pieces));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
            if compressed {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "cannot render the metrics");
            let text = format!("cannot render the metrics: {error}");
            response::text(StatusCode::INTERNAL_SERVER_ERROR, &text)
        }
    }
}

/// Why there are no metrics: an error of the runtime or of memory, none of ours.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Renders off the runtime's threads: a page may take a good part of a second, and the state of
/// the process is read from files.
async fn pieces(
    site: &Site,
    scrapes: &Arc<Semaphore>,
    compressed: bool,
) -> Result<Vec<Bytes>, Failure> {
    let turn = Arc::clone(scrapes).acquire_owned().await?;
    let (store, instruments, now) =
        (site.store.clone(), site.instruments.clone(), site.clock.now());
    let rendering = tokio::task::spawn_blocking(move || {
        // Here rather than outside: a client that leaves does not stop the rendering.
        let _turn = turn;
        let page = metrics::render(&store.snapshots(), now, &instruments.gather()).into_pieces();
        if compressed { gzip(page) } else { Ok(page) }
    });
    Ok(rendering.await??)
}
