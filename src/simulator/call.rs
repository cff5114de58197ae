//! A request as it came over the wire, and its parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, NaiveDateTime, Utc};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;

use super::encode::Format;
use super::refusal::Refusal;

/// A request: its parameters come from the query and from a form body, merged.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) parameters: BTreeMap<String, String>,
    repeated: Option<String>,
}

/// Times of the window: `yyyy-MM-ddTHH:mmZ`.
const MINUTES: &str = "%Y-%m-%dT%H:%MZ";
/// Signing times: `yyyy-MM-ddTHH:mm:ssZ`.
const SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";

impl Call {
    pub(crate) fn read(head: &Parts, body: &[u8]) -> Self {
        let mut call = Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            parameters: BTreeMap::new(),
            repeated: None,
        };
        call.take(head.uri.query().unwrap_or_default().as_bytes());
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = content_type.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            call.take(body);
        }
        call
    }

    fn take(&mut self, encoded: &[u8]) {
        for (name, value) in form_urlencoded::parse(encoded) {
            match self.parameters.entry(name.into_owned()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(value.into_owned());
                }
                Entry::Occupied(taken) => {
                    self.repeated.get_or_insert_with(|| taken.key().clone());
                }
            }
        }
    }

    /// A parameter's value; an empty one counts as not supplied.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    /// What is wrong with the request whatever it asks for.
    pub(crate) fn check_form(&self) -> Result<(), Refusal> {
        if self.method != "GET" && self.method != "POST" {
            let message = "The HTTP method is not supported: use GET or POST.";
            return Err(Refusal::new(403, "UnsupportedHTTPMethod", message));
        }
        if self.path != "/" {
            let message = "Specified api is not found, please check your url and method.";
            return Err(Refusal::new(404, "InvalidApi.NotFound", message));
        }
        if let Some(name) = &self.repeated {
            return Err(Refusal::invalid(name, "it is given more than once"));
        }
        if self.format().is_none() {
            return Err(Refusal::invalid("Format", "valid values are JSON and XML"));
        }
        Ok(())
    }

    /// The format asked for; XML when none is, `None` when there is no such format.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.get("Format") {
            None => Some(Format::Xml),
            Some(format) if format.eq_ignore_ascii_case("xml") => Some(Format::Xml),
            Some(format) if format.eq_ignore_ascii_case("json") => Some(Format::Json),
            Some(_) => None,
        }
    }
}

/// A time in minutes, strictly `yyyy-MM-ddTHH:mmZ`.
pub(crate) fn minutes(text: &str) -> Option<DateTime<Utc>> {
    (text.len() == "yyyy-MM-ddTHH:mmZ".len()).then(|| time(text, MINUTES)).flatten()
}

/// A time in seconds, strictly `yyyy-MM-ddTHH:mm:ssZ`.
pub(crate) fn seconds(text: &str) -> Option<DateTime<Utc>> {
    (text.len() == "yyyy-MM-ddTHH:mm:ssZ".len()).then(|| time(text, SECONDS)).flatten()
}

fn time(text: &str, format: &str) -> Option<DateTime<Utc>> {
    // Parsing is lenient about signs and blanks; a time that reads as it was written is not.
    let time = NaiveDateTime::parse_from_str(text, format).ok()?.and_utc();
    (time.format(format).to_string() == text).then_some(time)
}
