//! A small picture of how a lag went.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::store::history::Reading;

use super::words::span;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 30.0;
/// Room for half the line's width at the edges.
const EDGE: f64 = 2.0;

/// The lag over time, from no lag at the bottom to the highest at the top. Nothing below two
/// readings: a point has no direction.
pub(super) fn sparkline(readings: &[Reading]) -> Markup {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return html! {} };
    if readings.len() < 2 {
        return html! {};
    }
    let time = last.unix_seconds.saturating_sub(first.unix_seconds).max(1);
    let highest = readings.iter().map(|reading| reading.lag_seconds).max().unwrap_or(0);
    let x = |reading: &Reading| {
        let passed = reading.unix_seconds.saturating_sub(first.unix_seconds);
        EDGE + f64::from(passed) / f64::from(time) * (WIDTH - 2.0 * EDGE)
    };
    let y = |reading: &Reading| {
        let share = f64::from(reading.lag_seconds) / f64::from(highest.max(1));
        HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE)
    };
    let mut line = String::new();
    for reading in readings {
        // Writing to a string cannot fail.
        let _ = write!(line, "{:.1},{:.1} ", x(reading), y(reading));
    }
    let bottom = HEIGHT - EDGE;
    let area = format!("{EDGE},{bottom} {line}{},{bottom}", WIDTH - EDGE);
    let label = format!(
        "Lag over the last {}: from {} to {}, at most {}",
        span(time.into()),
        span(first.lag_seconds.into()),
        span(last.lag_seconds.into()),
        span(highest.into()),
    );
    html! {
        svg .spark role="img" aria-label=(label) width=(WIDTH) height=(HEIGHT)
            viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
            polygon points=(area) {}
            polyline points=(line.trim_end()) {}
            circle cx={ (format!("{:.1}", x(last))) } cy={ (format!("{:.1}", y(last))) } r="2" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(unix_seconds: u32, lag_seconds: u32) -> Reading {
        Reading { unix_seconds, lag_seconds }
    }

    #[test]
    fn goes_from_left_to_right_and_up_with_the_lag() {
        let html = sparkline(&[reading(100, 0), reading(110, 50), reading(120, 100)]).into_string();
        assert!(html.contains("<polyline points=\"2.0,28.0 60.0,15.0 118.0,2.0\">"), "{html}");
        let label = "Lag over the last 20 s: from 0 s to 1 min 40 s, at most 1 min 40 s";
        assert!(html.contains(label), "{html}");
    }

    #[test]
    fn one_reading_is_no_picture() {
        assert_eq!(sparkline(&[reading(100, 5)]).into_string(), "");
        assert_eq!(sparkline(&[]).into_string(), "");
    }

    proptest! {
        #[test]
        fn stays_within_its_frame(pairs in prop::collection::vec((any::<u32>(), any::<u32>()), 2..70)) {
            let mut readings: Vec<_> = pairs.into_iter().map(|(t, lag)| reading(t, lag)).collect();
            readings.sort_by_key(|reading| reading.unix_seconds);
            let html = sparkline(&readings).into_string();
            let points = html.split("<polyline points=\"").nth(1).unwrap().split('"').next().unwrap();
            for point in points.split(' ') {
                let (x, y) = point.split_once(',').unwrap();
                prop_assert!((0.0..=WIDTH).contains(&x.parse::<f64>().unwrap()), "{}", html);
                prop_assert!((0.0..=HEIGHT).contains(&y.parse::<f64>().unwrap()), "{}", html);
            }
        }
    }
}
