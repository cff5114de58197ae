//! When a task that is behind will have caught up, going by its last lag readings.

use std::time::Duration;

use crate::store::history::Reading;

/// Readings that are looked at: the way it went an hour ago says little about now.
const CONSIDERED: usize = 12;
/// Fewer readings show no direction.
const FEWEST: usize = 3;
/// A lag below this is as good as none, in seconds: it comes and goes with the polls.
const NEGLIGIBLE: u32 = 30;
/// Slower than this, in seconds of lag a second, is standing still.
const SLOWEST: f64 = 0.001;
/// What lies further ahead is no estimate any more.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Time until the lag is gone, from the last reading on, if it keeps falling as it does. `None` if
/// it does not fall, if it is not clear that it does, or if there is nothing to catch up.
pub(super) fn catch_up(readings: &[Reading]) -> Option<Duration> {
    let readings = &readings[readings.len().saturating_sub(CONSIDERED)..];
    let (first, last) = (readings.first()?, readings.last()?);
    if readings.len() < FEWEST || last.lag_seconds < NEGLIGIBLE {
        return None;
    }
    let line = Line::through(readings)?;
    let falls = line.slope <= -SLOWEST && last.lag_seconds < first.lag_seconds;
    if !falls || line.explains < 0.5 {
        return None;
    }
    // From where it is, not from where the line says it should be.
    let seconds = f64::from(last.lag_seconds) / -line.slope;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (time <= LONGEST).then_some(time)
}

/// The straight line with the least squares of distances.
struct Line {
    slope: f64,
    /// Share of the readings' variance that lies on the line, from 0 to 1.
    explains: f64,
}

impl Line {
    fn through(readings: &[Reading]) -> Option<Self> {
        let count = readings.len() as f64;
        let points = readings.iter().map(|reading| {
            // Relative to the first, so that no digit is lost.
            let time = reading.unix_seconds.saturating_sub(readings[0].unix_seconds);
            (f64::from(time), f64::from(reading.lag_seconds))
        });
        let (sum_x, sum_y) =
            points.clone().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (x, y) = (x - mean_x, y - mean_y);
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        let has_spread = xx > 0.0 && yy > 0.0;
        has_spread.then(|| Self { slope: xy / xx, explains: xy * xy / (xx * yy) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn every_minute(lags: &[u32]) -> Vec<Reading> {
        let readings = lags.iter().enumerate();
        readings
            .map(|(n, &lag_seconds)| Reading {
                unix_seconds: 1_787_220_000 + 60 * n as u32,
                lag_seconds,
            })
            .collect()
    }

    #[test]
    fn a_falling_lag_has_an_end() {
        for (what, lags, minutes) in [
            ("falls by one minute a minute", &[300, 240, 180, 120][..], Some(2)),
            ("falls by ten minutes a minute", &[6_000, 5_400, 4_800], Some(8)),
            ("falls, with a step back on the way", &[900, 700, 720, 500, 400], Some(3)),
            (
                "rose long ago and falls now",
                &[0, 100, 200, 900, 800, 700, 600, 500, 400, 300, 200, 180, 160, 140, 120],
                Some(1),
            ),
            ("too few readings", &[300, 240], None),
            ("none", &[], None),
            ("stands still", &[300, 300, 300, 300], None),
            ("grows", &[300, 360, 420], None),
            ("jumps about", &[300, 900, 100, 800, 200, 900, 250], None),
            ("fell, but is higher than at the start", &[300, 900, 800, 700, 600], None),
            ("has caught up", &[300, 100, 10], None),
            ("falls so slowly that nobody should wait", &[90_000, 89_999, 89_998], None),
        ] {
            let found = catch_up(&every_minute(lags)).map(|time| time.as_secs() / 60);
            assert_eq!(found, minutes, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_readings_give_an_estimate_within_bounds_or_none(
            pairs in prop::collection::vec((any::<u32>(), any::<u32>()), 0..80),
        ) {
            let mut readings: Vec<_> = pairs
                .into_iter()
                .map(|(unix_seconds, lag_seconds)| Reading { unix_seconds, lag_seconds })
                .collect();
            readings.sort_by_key(|reading| reading.unix_seconds);
            if let Some(time) = catch_up(&readings) {
                prop_assert!(time <= LONGEST && !time.is_zero());
            }
        }

        #[test]
        fn a_straight_fall_is_foretold_exactly(start in 10_000_u32..1_000_000, step in 1_u32..500) {
            let lags: Vec<_> = (0..10).map(|n| start - n * step).collect();
            let left = f64::from(start - 9 * step);
            let expected = left * 60.0 / f64::from(step);
            match catch_up(&every_minute(&lags)) {
                Some(time) => prop_assert!((time.as_secs_f64() / expected - 1.0).abs() < 1e-6),
                None => prop_assert!(expected > LONGEST.as_secs_f64()),
            }
        }
    }
}
