//! Faults as data: which requests one meets, and what it does to their answers.
//!
//! Every effect stands with an example in `docs/simulator.md`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::scenario::duration;

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
    /// `DBInstanceId` of the request.
    #[serde(default)]
    pub instance: Option<String>,
    /// Name of the account whose key signs.
    #[serde(default)]
    pub account: Option<String>,
    /// Page asked for, from 1.
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
    /// Gives the page's first item an undocumented status.
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

/// A field of an answer, by its name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the API's names")]
pub enum Field {
    RequestId,
    PageNumber,
    PageRecordCount,
    TotalRecordCount,
    Items,
    ImportId,
    ImportDataType,
    ImportDataStatus,
    IncrementalImportingTime,
}

/// What a request says of itself, for faults to match.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim<'a> {
    pub(crate) instance: Option<&'a str>,
    pub(crate) account: Option<&'a str>,
    pub(crate) page: u32,
    pub(crate) by_import_id: bool,
    pub(crate) window: Option<TimeDelta>,
    /// Real time since the start.
    pub(crate) elapsed: Duration,
}

/// A fault, and how many requests it has counted.
#[derive(Debug)]
pub(crate) struct Armed {
    fault: Fault,
    counted: AtomicU64,
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
        }
    }
}

impl Field {
    /// Its name in the API, and whether it belongs to an item.
    pub(crate) fn place(self) -> (&'static str, bool) {
        match self {
            Self::RequestId => ("RequestId", false),
            Self::PageNumber => ("PageNumber", false),
            Self::PageRecordCount => ("PageRecordCount", false),
            Self::TotalRecordCount => ("TotalRecordCount", false),
            Self::Items => ("Items", false),
            Self::ImportId => ("ImportId", true),
            Self::ImportDataType => ("ImportDataType", true),
            Self::ImportDataStatus => ("ImportDataStatus", true),
            Self::IncrementalImportingTime => ("IncrementalImportingTime", true),
        }
    }
}

impl When {
    fn holds(&self, claim: &Claim<'_>) -> bool {
        let elapsed = match self.cycle {
            Some(cycle) if !cycle.is_zero() => {
                let nanos = claim.elapsed.as_nanos() % cycle.as_nanos();
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            _ => claim.elapsed,
        };
        let longer = |limit: Duration| claim.window.and_then(|w| w.to_std().ok()) > Some(limit);
        self.instance.as_deref().is_none_or(|instance| claim.instance == Some(instance))
            && self.account.as_deref().is_none_or(|account| claim.account == Some(account))
            && self.page.is_none_or(|page| claim.page == page)
            && self.by_import_id.is_none_or(|by| claim.by_import_id == by)
            && self.window_over.is_none_or(longer)
            && self.from.is_none_or(|from| elapsed >= from)
            && self.until.is_none_or(|until| elapsed < until)
    }
}

impl Armed {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, counted: AtomicU64::new(0) }
    }

    /// The effect, if the fault meets the request. Counts it.
    pub(crate) fn meet(&self, claim: &Claim<'_>) -> Option<&Effect> {
        let when = &self.fault.when;
        if !when.holds(claim) {
            return None;
        }
        let number = self.counted.fetch_add(1, Ordering::Relaxed).checked_sub(when.skip)? + 1;
        let counts = when.first.is_none_or(|first| number <= first)
            && when.every.is_none_or(|every| number.is_multiple_of(every));
        counts.then_some(&self.fault.effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(when: When, claims: &[Claim<'_>]) -> Vec<bool> {
        let armed = Armed::new(Fault { when, effect: Effect::Hang });
        claims.iter().map(|claim| armed.meet(claim).is_some()).collect()
    }

    #[test]
    fn counts_only_what_its_conditions_match() {
        let when = When { instance: Some("a".into()), skip: 1, first: Some(1), ..When::default() };
        let (a, b) = (
            Claim { instance: Some("a"), ..Claim::default() },
            Claim { instance: Some("b"), ..Claim::default() },
        );
        assert_eq!(met(when, &[a, b, b, a, a]), [false, false, false, true, false]);
    }

    #[test]
    fn meets_every_third() {
        let when = When { every: Some(3), ..When::default() };
        let met = met(when, &[Claim::default(); 7]);
        assert_eq!(met, [false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_span_begins_with_its_start_ends_before_its_end_and_comes_again() {
        let seconds = Duration::from_secs;
        let when = When {
            from: Some(seconds(10)),
            until: Some(seconds(20)),
            cycle: Some(seconds(60)),
            ..When::default()
        };
        let claims =
            [9, 10, 19, 20, 69, 70].map(|s| Claim { elapsed: seconds(s), ..Claim::default() });
        assert_eq!(met(when, &claims), [false, true, true, false, false, true]);
    }

    #[test]
    fn a_window_must_be_known_and_longer() {
        let when = When { window_over: Some(Duration::from_secs(60)), ..When::default() };
        let claims = [None, Some(60), Some(61)]
            .map(|s| Claim { window: s.map(TimeDelta::seconds), ..Claim::default() });
        assert_eq!(met(when, &claims), [false, false, true]);
    }
}
