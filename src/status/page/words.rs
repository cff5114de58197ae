//! Times and texts as the page writes them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// Longer texts are folded, in characters.
const UNFOLDED: usize = 160;

/// A time span in at most two units, for people: `42 s`, `5 min 10 s`, `3 h 05 min`, `12 d 4 h`.
pub(crate) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {:02} min", minutes % 60)
    } else if minutes > 0 && seconds.is_multiple_of(60) {
        format!("{minutes} min")
    } else if minutes > 0 {
        format!("{minutes} min {:02} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

/// A time span that is only an estimate: without the seconds from a minute on.
pub(crate) fn about(seconds: u64) -> String {
    span(if seconds < 60 { seconds } else { (seconds + 30) / 60 * 60 })
}

/// How long something took, as exactly as matters.
pub(super) fn took(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..0.9995 => format!("{:.0} ms", seconds * 1e3),
        ..59.5 => format!("{seconds:.1} s"),
        _ => span(duration.as_secs()),
    }
}

/// A time of day, with its date for machines and on hover.
pub(super) fn clock_time(time: DateTime<Utc>) -> Markup {
    dated(time, &time.format("%H:%M:%S UTC").to_string())
}

/// How long ago a time was, or in how long it comes.
pub(super) fn relative(unix_seconds: f64, now: DateTime<Utc>) -> Markup {
    let Some(time) = DateTime::from_timestamp_millis((unix_seconds * 1e3) as i64) else {
        return html! { "unknown" };
    };
    let seconds = (now - time).num_seconds();
    let text = match seconds {
        1.. => format!("{} ago", span(seconds.unsigned_abs())),
        0 => "just now".to_owned(),
        _ => format!("in {}", span(seconds.unsigned_abs())),
    };
    dated(time, &text)
}

fn dated(time: DateTime<Utc>, text: &str) -> Markup {
    let machine = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let people = time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(machine) title=(people) { (text) } }
}

/// A text that somebody else wrote: kept from turning the line around it, folded if it is long.
pub(super) fn foreign(text: &str) -> Markup {
    match text.char_indices().nth(UNFOLDED) {
        None => html! { bdi { (text) } },
        Some(_) => {
            let start: String = text.chars().take(UNFOLDED - 20).collect();
            html! {
                details .long {
                    summary { bdi { (start) "…" } }
                    bdi { (text) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 01 s"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h 00 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d 0 h"),
            (1_000_000, "11 d 13 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn an_estimate_is_not_more_exact_than_it_is() {
        for (seconds, text) in [(59, "59 s"), (89, "1 min"), (90, "2 min"), (3_640, "1 h 01 min")] {
            assert_eq!(about(seconds), text);
        }
    }

    #[test]
    fn durations_are_as_exact_as_matters() {
        for (milliseconds, text) in
            [(0, "0 ms"), (999, "999 ms"), (1_000, "1.0 s"), (59_000, "59.0 s"), (60_000, "1 min")]
        {
            assert_eq!(took(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = DateTime::from_timestamp(1_787_220_000, 0).unwrap();
        for (offset, text) in [(-61.0, "1 min 01 s ago"), (0.0, "just now"), (30.0, "in 30 s")] {
            let html = relative(1_787_220_000.0 + offset, now).into_string();
            assert!(html.ends_with(&format!(">{text}</time>")), "{html}");
            assert!(html.contains("datetime=\"2026-"), "{html}");
        }
        assert_eq!(relative(f64::MAX, now).into_string(), "unknown");
    }
}
