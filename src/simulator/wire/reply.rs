//! Answers: from fields to a body in the format that was asked for, and on to a response.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::delivery::{self, Stream};
use super::encode::Format;
use super::refusal::{Product, Refusal};
use crate::simulator::faults::Effect;
use crate::simulator::faults::damage::Damage;

/// What a service answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Fields of an operation's answer, in the format that is asked for.
    Fields(Value),
    /// A JSON document.
    Document(Value),
    /// Plain text.
    Text(String),
}

/// How a service writes its answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style<'a> {
    /// Of an operation, whose name the XML's root has.
    Operation { product: Product, action: &'a str, format: Format },
    /// Of a plain HTTP service.
    Plain,
}

/// An answer before it travels.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    content_type: Option<&'static str>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Reply {
    /// What a service says, spoilt by the faults.
    pub(crate) fn of(
        result: Result<Answer, Refusal>,
        style: Style<'_>,
        request_id: &str,
        damage: &Damage<'_>,
    ) -> Self {
        let mut reply = match result {
            Ok(answer) => Self::success(&answer, style, damage),
            Err(refusal) => Self::refusal(refusal, style, request_id, damage),
        };
        damage.bytes(&mut reply.body);
        reply
    }

    fn success(answer: &Answer, style: Style<'_>, damage: &Damage<'_>) -> Self {
        let (content_type, body) = match (answer, style) {
            (Answer::Fields(fields), Style::Operation { action, format, .. }) => {
                let format = spoilt(format, damage);
                (format.content_type(), format.encode(&format!("{action}Response"), fields))
            }
            (Answer::Fields(document) | Answer::Document(document), _) => {
                ("application/json", document.to_string().into_bytes())
            }
            (Answer::Text(text), _) => ("text/plain", text.clone().into_bytes()),
        };
        let content_type = Some(content_type);
        Self { status: 200, code: None, content_type, retry_after: None, body }
    }

    fn refusal(refusal: Refusal, style: Style<'_>, request_id: &str, damage: &Damage<'_>) -> Self {
        let (content_type, body) = match style {
            Style::Operation { product, format, .. } => {
                let format = spoilt(format, damage);
                let fields = refusal.fields(product, request_id);
                (format.content_type(), format.encode("Error", &fields))
            }
            Style::Plain => ("text/html", page(refusal.status, &refusal.message)),
        };
        Self {
            status: refusal.status,
            content_type: Some(content_type),
            retry_after: refusal.retry_after,
            code: Some(refusal.code),
            body,
        }
    }

    /// What something before the service answers in its place.
    pub(crate) fn gateway(damage: &Damage<'_>) -> Option<Self> {
        damage.0.iter().find_map(|effect| {
            let (status, content_type, body) = match effect {
                Effect::Http(status) => (*status, None, Vec::new()),
                Effect::Html(status) => (*status, Some("text/html"), page(*status, "gateway")),
                _ => return None,
            };
            Some(Self { status, code: None, content_type, retry_after: None, body })
        })
    }

    /// Puts it on its way.
    pub(crate) fn send(
        self,
        request_id: &str,
        now: DateTime<Utc>,
        damage: &Damage<'_>,
    ) -> Response<Stream> {
        let (stream, length) = delivery::stream(damage, self.body);
        let mut response = Response::new(stream);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-acs-request-id", id);
        }
        if let Some(wait) = self.retry_after {
            let milliseconds =
                u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            headers.insert("x-acs-retry-after", HeaderValue::from(milliseconds));
        }
        if !damage.holds(&Effect::NoDate)
            && let Ok(date) =
                HeaderValue::from_str(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        {
            headers.insert(DATE, date);
        }
        response
    }
}

fn spoilt(format: Format, damage: &Damage<'_>) -> Format {
    if damage.holds(&Effect::Xml) { Format::Xml } else { format }
}

fn page(status: u16, what: &str) -> Vec<u8> {
    format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>{what}</body></html>\n"
    )
    .into_bytes()
}

/// A new request ID, shaped like the documentation's: `B000AA91-393D-46F9-8D9B-098E28931A3A`.
pub(crate) fn request_id() -> String {
    let id = fastrand::u128(..);
    format!(
        "{:08X}-{:04X}-4{:03X}-{:04X}-{:012X}",
        (id >> 96) as u32,
        (id >> 80) as u16,
        (id >> 68) as u16 & 0xfff,
        (id >> 48) as u16 & 0x3fff | 0x8000,
        id as u64 & 0xffff_ffff_ffff,
    )
}
