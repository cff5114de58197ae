//! The exporter's own families, as text and deflated: made anew when one of their values has changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use prometheus::core::Metric as _;

use crate::instruments::{Families, GROUPS, HTTP, HttpSeries, Instruments};

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

struct Kept {
    press: Press,
    /// By format and group. The place of HTTP is not used.
    made: [[Made; GROUPS]; Format::ALL.len()],
    /// By format.
    http: [HttpText; Format::ALL.len()],
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
struct HttpText {
    template: Template,
    /// How many series there were when it was made.
    series: usize,
    /// Of the text that was stored last.
    sum: Sum,
}

impl Own {
    pub(super) fn new(instruments: Instruments) -> Self {
        let press = Press::default();
        let kept = Kept { press, made: Default::default(), http: Default::default() };
        Self { instruments, kept: Mutex::new(kept) }
    }

    /// The text of each group at `now`, in the order of the page.
    pub(super) fn texts(&self, format: Format, now: DateTime<Utc>) -> [Bytes; GROUPS] {
        let groups = self.instruments.groups(now);
        let Kept { made, http, .. } = &mut *self.kept();
        let (made, http) = (&mut made[format as usize], &mut http[format as usize]);
        std::array::from_fn(|group| match group {
            HTTP => {
                let series = self.instruments.http_series();
                Bytes::copy_from_slice(http.write(groups[group], &series, format))
            }
            _ => made[group].refreshed(groups[group], format).text.clone(),
        })
    }

    /// The same, deflated.
    pub(super) fn fragments(&self, format: Format, now: DateTime<Utc>) -> [Fragment; GROUPS] {
        let groups = self.instruments.groups(now);
        let Kept { press, made, http } = &mut *self.kept();
        let (made, http) = (&mut made[format as usize], &mut http[format as usize]);
        std::array::from_fn(|group| match group {
            // Deflating it would take most of the time of a small page, for a kilobyte or two.
            HTTP => {
                let (series, before) = (self.instruments.http_series(), http.sum);
                let text = http.write(groups[group], &series, format);
                let fragment = Fragment::stored(text, before);
                http.sum = fragment.sum;
                fragment
            }
            _ => made[group].refreshed(groups[group], format).deflated(press),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Writes what has changed. Gives the whole text.
    fn write(&mut self, families: Families<'_>, series: &HttpSeries, format: Format) -> &[u8] {
        if self.series != series.len() {
            self.series = series.len();
            self.template = Template::of(gathered(families, format));
        }
        put(series, &mut self.template);
        self.template.text()
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
                let gathered = gathered(instruments.groups(NOW)[HTTP], format);
                assert_eq!(own.texts(format, NOW)[HTTP], gathered);
            }
        }
    }

    #[test]
    fn a_change_shows_at_once_and_leaves_the_other_groups_as_they_were() {
        let instruments = Instruments::new().unwrap();
        instruments.announce(Scope { account: "default", region_id: "cn-hangzhou" }, 5.0);
        instruments.announce_handler("metrics");
        let own = Own::new(instruments.clone());
        for format in Format::ALL {
            let before = own.texts(format, NOW);
            let fragments = own.fragments(format, NOW);
            instruments.http_request("metrics", 200, std::time::Duration::from_millis(1));

            let after = own.texts(format, NOW);
            let fragments_after = own.fragments(format, NOW);
            for group in 0..GROUPS {
                let is_http = group == HTTP;
                assert_eq!(before[group] != after[group], is_http, "{group}");
                // Not only the same, but kept.
                let same = before[group].as_ptr() == after[group].as_ptr();
                assert_eq!(same, !is_http, "{group}");
                let (before, after) =
                    (&fragments[group].deflated, &fragments_after[group].deflated);
                assert_eq!(before.as_ptr() == after.as_ptr(), !is_http, "{group}");
                assert_eq!(
                    fragments_after[group].sum.size,
                    own.texts(format, NOW)[group].len() as u64
                );
            }
        }
    }
}
