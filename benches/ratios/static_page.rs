//! hyper sending a finished body: what no server of the same text can be faster than.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

/// How the role is started.
#[derive(Args)]
pub(crate) struct Options {
    listen: SocketAddr,
    /// The text.
    file: PathBuf,
}

/// Serves the file until killed.
pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    let text = std::fs::read(&options.file)?;
    let (gzip, text) = (Bytes::from(gzip(&text)?), Bytes::from(text));
    crate::http::serve(options.listen, move |request| {
        let accepted = request.headers().get(ACCEPT_ENCODING);
        let is_gzip = accepted.is_some_and(|accepted| accepted == "gzip");
        let body = if is_gzip { gzip.clone() } else { text.clone() };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
        if is_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        async move { Ok(response) }
    })
}

/// The level that most programs have as their default.
pub(crate) const LEVEL: Compression = Compression::new(6);

/// The text as one member.
pub(crate) fn gzip(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    encoder.write_all(text)?;
    Ok(encoder.finish()?)
}
