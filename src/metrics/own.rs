//! The exporter's own families, as text and deflated: made anew when one of their values has changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use prometheus::core::Metric as _;

use crate::instruments::{self, Families, HttpSeries, Instruments};

use super::format::Format;
use super::gzip::{Fragment, Press, Sum};
use super::registered;
use super::template::Template;
use super::text::{Value, written};

/// Makes the text of each group of the instruments' families, and keeps it.
pub(super) struct Own {
    instruments: Instruments,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    press: Press,
    /// By format.
    made: [MadeGroups; Format::ALL.len()],
}

/// The groups in one format.
#[derive(Default)]
struct MadeGroups {
    accounts: Made,
    http: HttpText,
    polls: Made,
    process: Made,
}

#[derive(Default)]
struct Made {
    /// What the group's [`changes`](Families::changes) were before it was made.
    changes: Option<u64>,
    text: Bytes,
    deflated: Option<Fragment>,
}

/// Writes the group that each scrape changes.
#[derive(Default)]
pub(super) struct HttpText {
    template: Template,
    /// How many series there were when it was made.
    series: usize,
    /// Of the text that was summed up last.
    sum: Sum,
}

/// The groups at one time, in one format. Others wait until it is dropped.
pub(super) struct Groups<'a> {
    instruments: &'a Instruments,
    families: instruments::Groups<'a>,
    changes: Changes,
    kept: MutexGuard<'a, Kept>,
    format: Format,
}

/// How often the groups that not every scrape changes have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes([u64; 3]);

impl Own {
    pub(super) fn new(instruments: Instruments) -> Self {
        Self { instruments, kept: Mutex::default() }
    }

    /// The groups at `now`.
    pub(super) fn groups(&self, format: Format, now: DateTime<Utc>) -> Groups<'_> {
        let families = self.instruments.groups(now);
        let of_all = [families.accounts, families.polls, families.process];
        Groups {
            instruments: &self.instruments,
            families,
            changes: Changes(of_all.map(|group| group.changes())),
            kept: self.kept.lock().unwrap_or_else(PoisonError::into_inner),
            format,
        }
    }
}

impl Groups<'_> {
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// What has changed since it was this is newer than what the groups had then.
    pub(super) fn changes(&self) -> Changes {
        self.changes
    }

    /// The text of all groups but that of HTTP requests, in the order of the page.
    pub(super) fn texts(&mut self) -> [Bytes; 3] {
        self.refreshed().0.map(|made| made.text.clone())
    }

    /// The same, deflated.
    pub(super) fn fragments(&mut self) -> [Fragment; 3] {
        let (made, press) = self.refreshed();
        made.map(|made| made.deflated(press))
    }

    /// What stands after the last sample, deflated.
    pub(super) fn end(&mut self) -> Fragment {
        let end = self.format.end();
        self.kept.press.fragment(|text| text.raw(end))
    }

    /// The group of HTTP requests.
    pub(super) fn http(&mut self) -> &mut HttpText {
        let http = &mut self.kept.made[self.format as usize].http;
        http.refresh(self.families.http, &self.instruments.http_series(), self.format);
        http
    }

    fn refreshed(&mut self) -> ([&mut Made; 3], &mut Press) {
        let Kept { press, made } = &mut *self.kept;
        let MadeGroups { accounts, polls, process, .. } = &mut made[self.format as usize];
        let families = self.families;
        let made =
            [(accounts, families.accounts), (polls, families.polls), (process, families.process)];
        (made.map(|(made, families)| made.refreshed(families, self.format)), press)
    }
}

impl Made {
    /// Makes the text anew if the group has changed.
    fn refreshed(&mut self, families: Families<'_>, format: Format) -> &mut Self {
        let changes = Some(families.changes());
        if self.changes != changes {
            *self = Self { changes, text: gathered(families, format).into(), deflated: None };
        }
        self
    }

    fn deflated(&mut self, press: &mut Press) -> Fragment {
        let Self { text, deflated, .. } = self;
        deflated.get_or_insert_with(|| press.fragment(|into| into.bytes(text))).clone()
    }
}

impl HttpText {
    /// The text.
    pub(super) fn text(&self) -> &[u8] {
        self.template.text()
    }

    /// The text and its sum.
    pub(super) fn summed(&mut self) -> (&[u8], Sum) {
        let text = self.template.text();
        self.sum = self.sum.renewed(text);
        (text, self.sum)
    }

    /// Writes what has changed.
    fn refresh(&mut self, families: Families<'_>, series: &HttpSeries, format: Format) {
        if self.series != series.len() {
            self.series = series.len();
            self.template = Template::of(gathered(families, format));
        }
        put(series, &mut self.template);
    }
}

/// Puts the values of all samples into their template, in the order in which
/// [`registered::write`] writes them.
fn put(series: &HttpSeries, template: &mut Template) {
    let mut next = 0;
    for duration in series.durations.values() {
        // Buckets, the one without a bound, the sum, and the count.
        let end = next + HttpSeries::BUCKETS + 3;
        // Reading buckets takes longer than all else here; most handlers have answered nothing new.
        if !template.has(end - 1, Value::Integer(duration.get_sample_count())) {
            let metric = duration.metric();
            let histogram = metric.get_histogram();
            let count = Value::Integer(histogram.get_sample_count());
            let buckets = histogram.get_bucket().iter();
            let buckets = buckets.map(|bucket| Value::Integer(bucket.cumulative_count()));
            let values = buckets.chain([count, Value::Float(histogram.get_sample_sum()), count]);
            (next..end).zip(values).for_each(|(sample, value)| template.put(sample, value));
        }
        next = end;
    }
    for (sample, requests) in (next..).zip(series.requests.values()) {
        template.put(sample, Value::Integer(requests.get()));
    }
}

fn gathered(families: Families<'_>, format: Format) -> Vec<u8> {
    written(|text| {
        for family in families.gather() {
            registered::write(&family, format, text);
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::instruments::Scope;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn http_is_shown_as_it_would_be_gathered() {
        let instruments = Instruments::new().unwrap();
        let own = Own::new(instruments.clone());
        let answers =
            [("metrics", 200, 1), ("metrics", 200, 70), ("api", 404, 2_000), ("metrics", 500, 30)];
        instruments.announce_handler("metrics");
        for (handler, status, milliseconds) in answers {
            let took = std::time::Duration::from_millis(milliseconds);
            instruments.http_request(handler, status, took);
            for format in Format::ALL {
                let gathered = gathered(instruments.groups(NOW).http, format);
                let mut groups = own.groups(format, NOW);
                let http = groups.http();
                assert_eq!(http.text(), gathered);
                assert_eq!(http.summed(), (&*gathered, Sum::of(&gathered)));
            }
        }
    }

    #[test]
    fn a_change_shows_at_once_and_leaves_the_other_groups_as_they_were() {
        let instruments = Instruments::new().unwrap();
        let scope = Scope { account: "default", region_id: "cn-hangzhou" };
        instruments.announce(scope, 5.0);
        let own = Own::new(instruments.clone());
        for (number, format) in Format::ALL.into_iter().enumerate() {
            let all = || {
                let mut groups = own.groups(format, NOW);
                (groups.changes(), groups.texts(), groups.fragments())
            };
            let (changes, texts, fragments) = all();
            instruments.http_request("metrics", 200, std::time::Duration::from_millis(1));
            assert!(all().0 == changes);

            instruments.walk_restart(scope, "count");
            let (changes_after, texts_after, fragments_after) = all();
            assert!(changes_after != changes);
            for group in 0..3 {
                let is_of_polls = group == 1;
                assert_eq!(texts[group] != texts_after[group], is_of_polls, "{group}");
                // Not only the same, but kept.
                let same = texts[group].as_ptr() == texts_after[group].as_ptr();
                assert_eq!(same, !is_of_polls, "{group}");
                let (before, after) = (&fragments[group], &fragments_after[group]);
                let same = before.deflated.as_ptr() == after.deflated.as_ptr();
                assert_eq!(same, !is_of_polls, "{group}");
                assert_eq!(after.sum, Sum::of(&texts_after[group]));
            }
            let restarts = format!("reason=\"count\",region_id=\"cn-hangzhou\"}} {}", number + 1);
            assert!(String::from_utf8_lossy(&texts_after[1]).contains(&restarts));
        }
    }
}
