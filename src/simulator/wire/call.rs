//! A request as it came over the wire, and its parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
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
    /// By lower-case name; a repeated header's values in the order they came.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// Parameters of the query alone.
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    repeated: Option<String>,
}

/// Times of the window: `yyyy-MM-ddTHH:mmZ`.
const MINUTES: &str = "%Y-%m-%dT%H:%MZ";
/// Signing times, and when keys expire: `yyyy-MM-ddTHH:mm:ssZ`.
pub(crate) const SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";

impl Call {
    pub(crate) fn read(head: &Parts, body: Bytes) -> Self {
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let mut call = Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            headers,
            query: BTreeMap::new(),
            parameters: BTreeMap::new(),
            body,
            repeated: None,
        };
        call.take(head.uri.query().unwrap_or_default().as_bytes());
        call.query.clone_from(&call.parameters);
        let content_type = call.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default();
        if kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let body = call.body.clone();
            call.take(&body);
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

    /// A header's first value, without blanks around it; an empty one counts as not sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers.get(name)?;
        values.first().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether it claims to be signed in its headers, as ACS3-HMAC-SHA256 is.
    pub(crate) fn signs_in_headers(&self) -> bool {
        self.headers.contains_key("authorization")
    }

    /// Whether its common parameters are headers, as they are beside a signature in the headers, and
    /// in an unsigned request of the same form.
    fn speaks_in_headers(&self) -> bool {
        let named = self.header("x-acs-action").is_some() && self.get("Action").is_none();
        self.signs_in_headers() || named
    }

    /// A common parameter, by the name that it has among the headers or among the parameters.
    fn common(&self, header: &str, parameter: &str) -> Option<&str> {
        let header = self.speaks_in_headers().then(|| self.header(header)).flatten();
        header.or_else(|| self.get(parameter))
    }

    /// The operation.
    pub(crate) fn action(&self) -> Option<&str> {
        self.common("x-acs-action", "Action")
    }

    /// The version of the product's API.
    pub(crate) fn version(&self) -> Option<&str> {
        self.common("x-acs-version", "Version")
    }

    /// What is wrong with the request whatever it asks for.
    pub(crate) fn check_form(&self) -> Result<(), Refusal> {
        if self.method != "GET" && self.method != "POST" {
            let message = "The HTTP method is not supported: use GET or POST.";
            return Err(Refusal::new(403, "UnsupportedHTTPMethod", message));
        }
        if self.path != "/" {
            return Err(Refusal::no_such_api());
        }
        if let Some(name) = &self.repeated {
            return Err(Refusal::invalid(name, "it is given more than once"));
        }
        if self.format().is_none() {
            return Err(Refusal::invalid("Format", "valid values are JSON and XML"));
        }
        Ok(())
    }

    /// The format asked for, `None` when there is no such format. When none is asked for, it is XML,
    /// and in a request that speaks in headers what `Accept` says, or JSON.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.get("Format") {
            None if self.speaks_in_headers() => {
                let accept = self.header("accept").unwrap_or_default();
                let xml = accept.starts_with("application/xml") || accept.starts_with("text/xml");
                Some(if xml { Format::Xml } else { Format::Json })
            }
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
