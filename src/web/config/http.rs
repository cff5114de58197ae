//! The section `http_server_config`.

use hyper::header::{self, HeaderName, HeaderValue};

use crate::config::problem::{Report, allowed, quoted};

use super::reader::Table;

/// What the section says.
#[derive(Debug)]
pub(super) struct Http {
    /// Whether HTTP/2 is offered, over TLS only.
    pub(super) http2: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// The headers that may be set, in the only spelling the toolkit takes, and their values; none for
/// any value.
const HEADERS: [(&str, HeaderName, &[&str]); 5] = [
    ("Content-Security-Policy", header::CONTENT_SECURITY_POLICY, &[]),
    ("Strict-Transport-Security", header::STRICT_TRANSPORT_SECURITY, &[]),
    ("X-Content-Type-Options", header::X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-Frame-Options", header::X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-XSS-Protection", header::X_XSS_PROTECTION, &[]),
];

pub(super) fn read(root: &Table<'_>, report: &mut Report) -> Http {
    let section = root.section("http_server_config", &["http2", "headers"], report);
    let known = HEADERS.map(|(name, ..)| name);
    let table = section.section("headers", &known, report);
    let mut headers = Vec::new();
    for (name, header, values) in HEADERS {
        let Some(item) = table.text(name, report) else { continue };
        if !values.is_empty() && !values.contains(&item.text) {
            let allowed = allowed(item.text, values.iter().copied());
            report.problem(&item.path, format!("{} is unknown; {allowed}", quoted(item.text)));
        } else if let Ok(value) = HeaderValue::from_str(item.text) {
            headers.push((header, value));
        } else {
            let message = format!("{} cannot be the value of a header", quoted(item.text));
            report.problem(&item.path, message);
        }
    }
    Http { http2: section.boolean("http2", true, report), headers }
}
