//! The exporter's own families, as text and deflated: made anew when one of their values has changed.

use std::sync::{Mutex, PoisonError};

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
    /// By format and group.
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
    template: Option<Template>,
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
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(format, now, &mut kept);
        kept.made[format as usize].each_ref().map(|made| made.text.clone())
    }

    /// The same, deflated.
    pub(super) fn fragments(&self, format: Format, now: DateTime<Utc>) -> [Fragment; GROUPS] {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(format, now, &mut kept);
        let Kept { press, made, http, .. } = &mut *kept;
        let http_sum = &mut http[format as usize].sum;
        let mut fragments: [Fragment; GROUPS] = Default::default();
        for (group, made) in made[format as usize].iter_mut().enumerate() {
            fragments[group] = match made.deflated.take() {
                Some(fragment) => fragment,
                // Deflating it would take most of the time of a small page, for a kilobyte or two.
                None if group == HTTP => {
                    let fragment = Fragment::stored(&made.text, *http_sum);
                    *http_sum = fragment.sum;
                    fragment
                }
                None => press.fragment(|text| text.bytes(&made.text)),
            };
            made.deflated = Some(fragments[group].clone());
        }
        fragments
    }

    /// Makes anew what has changed.
    fn refresh(&self, format: Format, now: DateTime<Utc>, kept: &mut Kept) {
        let (made, http) = (&mut kept.made[format as usize], &mut kept.http[format as usize]);
        let groups = self.instruments.groups(now).into_iter().zip(made).enumerate();
        for (group, (families, made)) in groups {
            let changes = Some(families.changes());
            if made.changes != changes {
                let text = match group {
                    HTTP => http.write(families, &self.instruments.http_series(), format),
                    _ => gathered(families, format),
                };
                *made = Made { changes, text: text.into(), deflated: None };
            }
        }
    }
}

impl HttpText {
    fn write(&mut self, families: Families<'_>, series: &HttpSeries, format: Format) -> Vec<u8> {
        match &self.template {
            Some(template) if self.series == series.len() => template.filled(values(series)),
            _ => {
                let text = gathered(families, format);
                (self.template, self.series) = (Some(Template::of(&text)), series.len());
                text
            }
        }
    }
}

fn gathered(families: Families<'_>, format: Format) -> Vec<u8> {
    written(|text| {
        for family in families.gather() {
            registered::write(&family, format, text);
        }
    })
}

/// The values of all samples, as [`registered::write`] writes them.
fn values(series: &HttpSeries) -> impl Iterator<Item = Value> {
    let durations = series.durations.values().flat_map(|duration| {
        let metric = duration.metric();
        let histogram = metric.get_histogram();
        let count = histogram.get_sample_count();
        let buckets = histogram.get_bucket().iter().map(|bucket| bucket.cumulative_count());
        let mut values: Vec<_> = buckets.chain([count]).map(Value::Integer).collect();
        values.extend([Value::Float(histogram.get_sample_sum()), Value::Integer(count)]);
        values
    });
    durations.chain(series.requests.values().map(|requests| Value::Integer(requests.get())))
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
