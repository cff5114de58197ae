//! The section `rate_limit`.

use std::time::Duration;

use crate::config::problem::{Report, quoted};

use super::reader::Table;

/// How many requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) struct Rate {
    /// Time in which one more request is granted; more than 0.
    pub(in crate::web) interval: Duration,
    /// Requests that are granted at once after a time without any; at least 1.
    pub(in crate::web) burst: u32,
}

pub(super) fn read(root: &Table<'_>, report: &mut Report) -> Option<Rate> {
    let section = root.section("rate_limit", &["interval", "burst"], report);
    let mut interval = Duration::ZERO;
    if let Some(item) = section.text("interval", report) {
        match duration(item.text) {
            Some(duration) => interval = duration,
            None => report.problem(
                &item.path,
                format!(
                    "{} is not a duration; allowed: numbers with units, such as 100ms, 1s or 1m30s, and 0 for no limit",
                    quoted(item.text)
                ),
            ),
        }
    }
    let mut burst = 0;
    if let Some(item) = section.text("burst", report) {
        match item.text.parse::<u32>() {
            Ok(number) => burst = number,
            Err(_) => report.problem(
                &item.path,
                format!("{} is not a count; allowed: whole numbers from 0", quoted(item.text)),
            ),
        }
    }
    let path = section.path.key("burst");
    if interval.is_zero() {
        return None;
    }
    if burst == 0 && !report.has(&path) {
        let message = "is 0, with which every request would be refused; allowed: 1 or more, or no \
                       interval for no limit";
        report.problem(&path, message);
    }
    Some(Rate { interval, burst })
}

/// Reads a duration as Go writes it: `1s`, `1m30s`, `1.5h`, `100ms`, `0`; a number without a unit
/// counts nanoseconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Some(Duration::from_nanos(nanoseconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * seconds;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_does() {
        for (text, milliseconds) in [
            ("0", Some(0)),
            ("1s", Some(1_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("2000000", Some(2)),
            ("", None),
            ("1", Some(0)),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("1 s", None),
            ("soon", None),
            ("9999999999999999999h", None),
        ] {
            let read = duration(text).map(|duration| duration.as_millis());
            assert_eq!(read, milliseconds, "{text:?}");
        }
    }
}
