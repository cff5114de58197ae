//! Faults as data: which requests one meets, and what it does to their answers.
//!
//! Every effect stands with an example in `docs/simulator.md`.

pub(crate) mod armed;
pub(crate) mod damage;
mod field;

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::scenario::duration;

pub use field::Field;

/// What a fault can name as its `action`: the operations, and the requests to the plain HTTP
/// services.
pub const ACTIONS: [&str; 9] = [
    "DescibeImportsFromDatabase",
    "DescribeDBInstances",
    "DescribeRegions",
    "AssumeRole",
    "AssumeRoleWithOIDC",
    "MetadataToken",
    "MetadataRoleName",
    "MetadataCredentials",
    "CredentialsUri",
];

/// Something that goes wrong. A request may meet several; their effects add up.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a fault: a mapping with `do`")]
pub struct Fault {
    /// Which requests it meets; every one without conditions.
    #[serde(default)]
    pub when: When,
    /// What it does.
    #[serde(rename = "do")]
    pub effect: Effect,
}

/// Conditions that must all hold. The request is taken at its word: its signature may be wrong.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of conditions")]
pub struct When {
    /// What is asked for, one of [`ACTIONS`].
    #[serde(default)]
    pub action: Option<String>,
    /// `DBInstanceId` of the request.
    #[serde(default)]
    pub instance: Option<String>,
    /// Name of the account whose key signs.
    #[serde(default)]
    pub account: Option<String>,
    /// Page asked for, from 1, by its number or its token.
    #[serde(default)]
    pub page: Option<u32>,
    /// Whether one task is asked for by `ImportId`.
    #[serde(default)]
    pub by_import_id: Option<bool>,
    /// The window from `StartTime` to `EndTime` is longer than this.
    #[serde(default, deserialize_with = "duration::optional")]
    pub window_over: Option<Duration>,
    /// From this time after the start on, in real time.
    #[serde(default, deserialize_with = "duration::optional")]
    pub from: Option<Duration>,
    /// Before this time after the start, in real time.
    #[serde(default, deserialize_with = "duration::optional")]
    pub until: Option<Duration>,
    /// `from` and `until` start again with every cycle.
    #[serde(default, deserialize_with = "duration::optional")]
    pub cycle: Option<Duration>,
    /// Lets this many matching requests pass before it counts.
    #[serde(default)]
    pub skip: u64,
    /// Only the first so many of those that count.
    #[serde(default)]
    pub first: Option<u64>,
    /// Only every so-manieth of those that count.
    #[serde(default)]
    pub every: Option<u64>,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Answers later, by real timers.
    Latency(#[serde(deserialize_with = "duration::plain")] Duration),
    /// Refuses with `Throttling.User`.
    Throttle(Hint),
    /// Refuses with an API error.
    Error(ApiError),
    /// Answers with a bare status and an empty body.
    Http(u16),
    /// Answers with a status and an HTML page, as a proxy on the way may.
    Html(u16),
    /// Never answers; the connection stays open until the client closes it or the server stops.
    Hang,
    /// Closes the connection without an answer (TCP FIN).
    Close,
    /// Resets the connection without an answer (TCP RST).
    Reset,
    /// Announces the whole body and closes in the middle of it.
    CutBody,
    /// Sends the body in pieces, by real timers.
    Drip(Drip),
    /// Announces a `Content-Length` that is off by so many bytes.
    ContentLength(i64),
    /// Sends a body that breaks off with a stray comma, with the length that it has.
    InvalidJson,
    /// Leaves a field out; of an item's fields, that of the page's first item.
    Missing(Field),
    /// Makes a field null; of an item's fields, that of the page's first item.
    Nulled(Field),
    /// Makes a field an object; of an item's fields, that of the page's first item.
    WrongType(Field),
    /// Writes numbers as text, which clients are known to accept.
    NumbersAsText,
    /// Gives the page's first item, a task or an instance, an undocumented status.
    UnknownStatus(String),
    /// Gives the page's first item an undocumented type.
    UnknownType(String),
    /// Sets `IncrementalImportingTime` of every item that has one.
    ImportingTime(String),
    /// Pads the body beyond 8 MiB; it stays well-formed.
    Oversized,
    /// Always gives a full page, and a total that is not reached.
    EndlessPages(Endless),
    /// The list moves with every page: tasks appear before it or leave its front.
    Drift(Drift),
    /// Answers with this `PageNumber`.
    PageNumber(i64),
    /// Answers with this `PageRecordCount`.
    PageRecordCount(i64),
    /// The last item of the page repeats its first.
    DuplicateItems,
    /// The total is one more on every further page.
    MovingTotal,
    /// The endpoint's clock is off: its `Date`, and the times that it accepts.
    ClockSkew(#[serde(deserialize_with = "duration::signed")] TimeDelta),
    /// Leaves the `Date` header out.
    NoDate,
    /// Answers in XML though JSON was asked for.
    Xml,
    /// Always gives the `NextToken` of the page that it stands on, so that the list has no end.
    RepeatedToken,
    /// Hands out keys that ended an hour ago.
    ExpiredCredentials,
    /// Sets `Expiration` of the keys that are handed out.
    Expiration(String),
    /// Sets the `Code` of the keys that the metadata service or a credentials URI hands out.
    CredentialsCode(String),
}

/// A wait hint, in the header `x-acs-retry-after`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping, `{}` or with `retry_after`")]
pub struct Hint {
    /// How long to wait; no header without it.
    #[serde(default, deserialize_with = "duration::optional")]
    pub retry_after: Option<Duration>,
}

/// An API error, as a fault answers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `status` and `code`")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `Code`.
    pub code: String,
    /// `Message`.
    #[serde(default)]
    pub message: String,
    /// How long to wait; no header without it.
    #[serde(default, deserialize_with = "duration::optional")]
    pub retry_after: Option<Duration>,
}

/// How a body drips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `bytes` and `pause`")]
pub struct Drip {
    /// Bytes of a piece.
    pub bytes: usize,
    /// Pause after each.
    #[serde(deserialize_with = "duration::plain")]
    pub pause: Duration,
}

/// The total of an endless list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endless {
    /// A page more on every page.
    Growing,
    /// The same on every page: 2,147,483,647.
    Fixed,
}

/// How a list moves while it is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `insert` or `remove`")]
pub struct Drift {
    /// Tasks that appeared before the list, for every page after the first.
    #[serde(default)]
    pub insert: u32,
    /// Tasks that left the front of the list, for every page after the first.
    #[serde(default)]
    pub remove: u32,
}

impl Fault {
    /// A fault that meets every request.
    pub fn always(effect: Effect) -> Self {
        Self { when: When::default(), effect }
    }

    /// A fault that meets the requests for an instance.
    pub fn on(instance: impl Into<String>, effect: Effect) -> Self {
        Self { when: When { instance: Some(instance.into()), ..When::default() }, effect }
    }

    /// The same fault, for the first `count` requests that it meets.
    #[must_use]
    pub fn first(mut self, count: u64) -> Self {
        self.when.first = Some(count);
        self
    }
}

impl Effect {
    /// Its name in a scenario.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Throttle(_) => "throttle",
            Self::Error(_) => "error",
            Self::Http(_) => "http",
            Self::Html(_) => "html",
            Self::Hang => "hang",
            Self::Close => "close",
            Self::Reset => "reset",
            Self::CutBody => "cut_body",
            Self::Drip(_) => "drip",
            Self::ContentLength(_) => "content_length",
            Self::InvalidJson => "invalid_json",
            Self::Missing(_) => "missing",
            Self::Nulled(_) => "nulled",
            Self::WrongType(_) => "wrong_type",
            Self::NumbersAsText => "numbers_as_text",
            Self::UnknownStatus(_) => "unknown_status",
            Self::UnknownType(_) => "unknown_type",
            Self::ImportingTime(_) => "importing_time",
            Self::Oversized => "oversized",
            Self::EndlessPages(_) => "endless_pages",
            Self::Drift(_) => "drift",
            Self::PageNumber(_) => "page_number",
            Self::PageRecordCount(_) => "page_record_count",
            Self::DuplicateItems => "duplicate_items",
            Self::MovingTotal => "moving_total",
            Self::ClockSkew(_) => "clock_skew",
            Self::NoDate => "no_date",
            Self::Xml => "xml",
            Self::RepeatedToken => "repeated_token",
            Self::ExpiredCredentials => "expired_credentials",
            Self::Expiration(_) => "expiration",
            Self::CredentialsCode(_) => "credentials_code",
        }
    }
}
