//! The page at `/`: what this is, and links to everything there is.

use std::fmt::Write as _;

use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use hyper::{HeaderMap, Response};

use crate::instruments::BUILD;

use super::body::Body;

/// The page has no script, no style and no picture, and need not be framed or sent anywhere.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page with a link for each path and what is there.
pub(super) fn page<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> Response<Body> {
    let mut response = Response::new(Body::from(html(links)));
    guard(response.headers_mut());
    response
}

fn html<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut items = String::new();
    for (path, about) in links {
        // Relative, so that they work behind a proxy that adds a prefix; the dot keeps a colon in
        // a path from being read as the end of a scheme.
        let path = escaped(path);
        let _ = writeln!(items, "<li><a href=\".{path}\">{path}</a>: {}</li>", escaped(about));
    }
    let name = env!("CARGO_PKG_NAME");
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>{name}</title>
</head>
<body>
<h1>{name}</h1>
<p>{about}.</p>
<ul>
{items}</ul>
<p>Version {version}, revision {revision}</p>
</body>
</html>
",
        about = env!("CARGO_PKG_DESCRIPTION"),
        version = escaped(BUILD.version),
        revision = escaped(BUILD.revision),
    )
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_everything_is_escaped() {
        let html = html([("/a:b\"<&'", "x > y")].into_iter());
        assert!(html.contains(
            "<li><a href=\"./a:b&quot;&lt;&amp;&#39;\">/a:b&quot;&lt;&amp;&#39;</a>: x &gt; y</li>"
        ));
    }
}
