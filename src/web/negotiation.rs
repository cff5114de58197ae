//! What a client prefers: formats by `Accept`, compression by `Accept-Encoding`.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-12.5>. An element that cannot be read counts as
//! not there, and a client that accepts nothing we have gets the plain text, which beats no metrics.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use crate::metrics::{Coding, Format};

/// Weight in thousandths.
type Weight = u16;

/// An element of such a header.
struct Element<'a> {
    value: &'a str,
    /// What it says besides its weight.
    parameters: &'a str,
    weight: Weight,
}

/// How much something is accepted by all elements so far that mean it, from the most specific to
/// the least.
#[derive(Default)]
struct Acceptance {
    exact: Option<Weight>,
    of_kind: Option<Weight>,
    others: Option<Weight>,
}

/// The encoding to send: gzip if it is accepted and plain bytes are not preferred.
pub(super) fn coding(headers: &HeaderMap) -> Coding {
    let (mut gzip, mut identity) = (Acceptance::default(), None);
    for_each_element(headers, &ACCEPT_ENCODING, |Element { value, weight, .. }| {
        let is = |name: &str| value.eq_ignore_ascii_case(name);
        if is("gzip") || is("x-gzip") {
            gzip.exact = gzip.exact.max(Some(weight));
        } else if is("identity") {
            identity = Some(weight);
        } else if value == "*" {
            gzip.others = Some(weight);
        }
    });
    let gzip = gzip.weight();
    if gzip > 0 && gzip >= identity.unwrap_or(0) { Coding::Gzip } else { Coding::Identity }
}

/// The format to send: OpenMetrics if it is preferred to the text format.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let (mut openmetrics, mut text) = (Acceptance::default(), Acceptance::default());
    for_each_element(headers, &ACCEPT, |element| {
        openmetrics.hear(&element, ["application", "openmetrics-text"], "1.0.0");
        text.hear(&element, ["text", "plain"], "0.0.4");
    });
    if openmetrics.weight() > text.weight() { Format::OpenMetrics } else { Format::Text }
}

impl Acceptance {
    /// Takes in what an element says of a media type. One with a version means only that one.
    fn hear(&mut self, element: &Element<'_>, [kind, subtype]: [&str; 2], version: &str) {
        let Some((element_kind, element_subtype)) = element.value.split_once('/') else { return };
        let same_kind = element_kind.eq_ignore_ascii_case(kind);
        let place = if same_kind && element_subtype.eq_ignore_ascii_case(subtype) {
            &mut self.exact
        } else if same_kind && element_subtype == "*" {
            &mut self.of_kind
        } else if element.value == "*/*" {
            &mut self.others
        } else {
            return;
        };
        let mut versions =
            parameters(element.parameters).filter(|(name, _)| name.eq_ignore_ascii_case("version"));
        if versions.all(|(_, asked)| asked == version) {
            *place = (*place).max(Some(element.weight));
        }
    }

    fn weight(&self) -> Weight {
        self.exact.or(self.of_kind).or(self.others).unwrap_or(0)
    }
}

/// Reads the elements of all headers of that name, which count as one list.
fn for_each_element<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    mut read: impl FnMut(Element<'a>),
) {
    for value in headers.get_all(name) {
        for text in value.to_str().unwrap_or_default().split(',') {
            if let Some(element) = element(text) {
                read(element);
            }
        }
    }
}

/// Reads `gzip` or `text/plain; version=0.0.4; q=0.5`.
fn element(text: &str) -> Option<Element<'_>> {
    let (value, rest) = text.split_once(';').unwrap_or((text, ""));
    let value = value.trim();
    let mut weight = 1000;
    for parameter in parts(rest) {
        let (name, value) = parameter.split_once('=')?;
        if name.trim_end().eq_ignore_ascii_case("q") {
            weight = thousandths(unquoted(value))?;
        }
    }
    (!value.is_empty()).then_some(Element { value, parameters: rest, weight })
}

/// Names and values in `version=0.0.4; q=0.5`.
fn parameters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = parts(text).filter_map(|parameter| parameter.split_once('='));
    pairs.map(|(name, value)| (name.trim_end(), unquoted(value)))
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn unquoted(value: &str) -> &str {
    value.trim_start().trim_matches('"')
}

/// Reads a weight: 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || decimals.len() > 3 || !["0", "1"].contains(&whole) {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it_and_do_not_prefer_plain_bytes() {
        let cases = [
            ("gzip", true),
            ("GZip", true),
            ("x-gzip", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0.001", true),
            ("gzip ; q=0.5", true),
            ("gzip;Q=0.5", true),
            ("*", true),
            ("br, *;q=0.1", true),
            ("identity;q=0.5, gzip;q=1.0", true),
            ("gzip;q=0.5, identity;q=0.5", true),
            ("gzip;q=0.5, identity;q=0", true),
            ("identity;q=0, *", true),
            ("", false),
            ("identity", false),
            ("br, zstd, deflate", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("gzip, identity;q=1", true),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=0.5, identity;q=0.6", false),
            ("gzip;q=2", false),
            ("gzip;q=1.001", false),
            ("gzip;q=-1", false),
            ("gzip;q=0.1234", false),
            ("gzip;q=", false),
            ("gzip;q", false),
            ("notgzip", false),
            (",,;,", false),
        ];
        for (value, wanted) in cases {
            let gzip = coding(&headers(ACCEPT_ENCODING, value)) == Coding::Gzip;
            assert_eq!(gzip, wanted, "{value:?}");
        }
    }

    #[test]
    fn several_headers_count_as_one_list_and_none_as_no() {
        let lines = ["br", "gzip"].map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)));
        assert_eq!(coding(&lines.into_iter().collect()), Coding::Gzip);
        assert_eq!(coding(&HeaderMap::new()), Coding::Identity);
    }

    #[test]
    fn openmetrics_is_sent_to_those_who_prefer_it() {
        let cases = [
            // Prometheus 2.42, 2.53 and 3.5
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                true,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                true,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                true,
            ),
            ("application/openmetrics-text", true),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", true),
            ("application/openmetrics-text;q=0.2, */*;q=0.1", true),
            ("application/*, text/plain;q=0.5", true),
            ("application/openmetrics-text, text/plain", false),
            ("application/openmetrics-text;version=0.0.1", false),
            ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", false),
            ("application/openmetrics-text;q=0.5, text/plain;q=0.6", false),
            ("application/openmetrics-text;q=0", false),
            ("application/openmetrics-text;q=0, application/*", false),
            ("application/openmetrics-text;q=x", false),
            // Firefox, curl, none
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("*/*", false),
            ("", false),
        ];
        for (value, wanted) in cases {
            let chosen = format(&headers(ACCEPT, value));
            assert_eq!(chosen == Format::OpenMetrics, wanted, "{value:?}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Text);
    }
}
