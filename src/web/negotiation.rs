//! What a client prefers: formats by `Accept`, compression by `Accept-Encoding`.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-12.5>. An element that cannot be read counts as
//! not there, and a client that accepts nothing we have gets the plain text, which beats no metrics.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING};

use crate::metrics::{Coding, Format};

/// Weight in thousandths.
type Weight = u16;

/// An element of such a header.
struct Element<'a> {
    value: &'a [u8],
    /// What it says besides.
    parameters: &'a [u8],
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

/// What to send: OpenMetrics if it is preferred to the text format; gzip if it is accepted and plain
/// bytes are not preferred.
pub(super) fn preferred(headers: &HeaderMap) -> (Format, Coding) {
    let [mut openmetrics, mut text, mut gzip, mut identity] =
        [(); 4].map(|()| Acceptance::default());
    // All headers of a name count as one list.
    for (name, value) in headers {
        if *name == ACCEPT {
            for element in elements(value.as_bytes()) {
                openmetrics.hear_of_type(&element, [b"application", b"openmetrics-text"], b"1.0.0");
                text.hear_of_type(&element, [b"text", b"plain"], b"0.0.4");
            }
        } else if *name == ACCEPT_ENCODING {
            for element in elements(value.as_bytes()) {
                gzip.hear_of_coding(&element, &[b"gzip", b"x-gzip"]);
                identity.hear_of_coding(&element, &[b"identity"]);
            }
        }
    }
    let is_openmetrics = openmetrics.weight() > text.weight();
    // What is said of all codings says nothing of plain bytes, which are always accepted.
    let is_gzip = gzip.weight() > 0 && gzip.weight() >= identity.exact.unwrap_or(0);
    let format = if is_openmetrics { Format::OpenMetrics } else { Format::Text };
    (format, if is_gzip { Coding::Gzip } else { Coding::Identity })
}

impl Acceptance {
    /// Takes in what an element says of a media type. One with a version means only that one.
    fn hear_of_type(&mut self, element: &Element<'_>, [kind, subtype]: [&[u8]; 2], version: &[u8]) {
        let Some((element_kind, element_subtype)) = split_once(element.value, b'/') else { return };
        let same_kind = element_kind.eq_ignore_ascii_case(kind);
        let place = if same_kind && element_subtype.eq_ignore_ascii_case(subtype) {
            &mut self.exact
        } else if same_kind && element_subtype == b"*" {
            &mut self.of_kind
        } else if element.value == b"*/*" {
            &mut self.others
        } else {
            return;
        };
        let mut versions = parameters(element.parameters)
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"version"));
        if versions.all(|(_, asked)| asked == version) {
            *place = (*place).max(Some(element.weight));
        }
    }

    /// Takes in what an element says of a coding that has these names.
    fn hear_of_coding(&mut self, element: &Element<'_>, names: &[&[u8]]) {
        if names.iter().any(|name| element.value.eq_ignore_ascii_case(name)) {
            self.exact = self.exact.max(Some(element.weight));
        } else if element.value == b"*" {
            self.others = self.others.max(Some(element.weight));
        }
    }

    fn weight(&self) -> Weight {
        self.exact.or(self.of_kind).or(self.others).unwrap_or(0)
    }
}

/// The elements of a header.
fn elements(value: &[u8]) -> impl Iterator<Item = Element<'_>> {
    value.split(|byte| *byte == b',').filter_map(element)
}

/// Reads `gzip` or `text/plain; version=0.0.4; q=0.5`.
fn element(text: &[u8]) -> Option<Element<'_>> {
    let (value, rest) = split_once(text, b';').unwrap_or((text, b""));
    let value = value.trim_ascii();
    let mut weight = 1000;
    for parameter in parts(rest) {
        let (name, value) = parameter_of(parameter)?;
        if name.eq_ignore_ascii_case(b"q") {
            weight = thousandths(value)?;
        }
    }
    (!value.is_empty()).then_some(Element { value, parameters: rest, weight })
}

/// Names and values in `version=0.0.4; q=0.5`.
fn parameters(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(text).filter_map(parameter_of)
}

fn parts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    parts.filter(|part| !part.is_empty())
}

fn parameter_of(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = split_once(part, b'=')?;
    let value = value.trim_ascii_start();
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    Some((name.trim_ascii_end(), unquoted.unwrap_or(value)))
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Reads a weight: 0 to 1 with at most three decimals.
fn thousandths(text: &[u8]) -> Option<Weight> {
    let (whole, decimals) = split_once(text, b'.').unwrap_or((text, b""));
    if !matches!(whole, b"0" | b"1") || decimals.len() > 3 {
        return None;
    }
    let mut weight = Weight::from(whole[0] - b'0');
    for place in 0..3 {
        let digit = decimals.get(place).copied().unwrap_or(b'0');
        weight = 10 * weight + Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

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
            let gzip = preferred(&headers(ACCEPT_ENCODING, value)).1 == Coding::Gzip;
            assert_eq!(gzip, wanted, "{value:?}");
        }
    }

    #[test]
    fn several_headers_count_as_one_list_and_none_as_no() {
        let lines = ["br", "gzip"].map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)));
        assert_eq!(preferred(&lines.into_iter().collect()).1, Coding::Gzip);
        assert_eq!(preferred(&HeaderMap::new()), (Format::Text, Coding::Identity));
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
            let (chosen, _) = preferred(&headers(ACCEPT, value));
            assert_eq!(chosen == Format::OpenMetrics, wanted, "{value:?}");
        }
    }
}
