//! How far this machine's clock is from the API's.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Beyond this, the API's time is used for signing and for windows.
pub(crate) const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// The skew of one region's endpoint, as its last answer showed it.
#[derive(Debug, Default)]
pub(super) struct Skew(Mutex<TimeDelta>);

/// Whether our clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// As before.
    None,
    /// From now on the API's time is used.
    Distrust,
    /// From now on our own clock is used again.
    Trust,
}

impl Skew {
    /// Takes note of an answer that was dated `date`, to a request sent and answered at these
    /// times of ours. Ours minus theirs is the smallest skew that explains the answer: a `Date` is
    /// a whole second, and says nothing of when between the two it was taken.
    pub(super) fn observe(
        &self,
        sent: DateTime<Utc>,
        received: DateTime<Utc>,
        date: DateTime<Utc>,
    ) -> (TimeDelta, Change) {
        let earliest = date;
        let latest = date + TimeDelta::seconds(1);
        let skew = if received < earliest {
            received - earliest
        } else if sent > latest {
            sent - latest
        } else {
            TimeDelta::zero()
        };
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let change = match (current.abs() > TOLERANCE, skew.abs() > TOLERANCE) {
            (false, true) => Change::Distrust,
            (true, false) => Change::Trust,
            _ => Change::None,
        };
        *current = skew;
        (skew, change)
    }

    /// Ours minus theirs, as the last answer showed it.
    pub(super) fn current(&self) -> TimeDelta {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API's time when our clock says `now`; ours as long as they about agree.
    pub(super) fn correct(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let skew = self.current();
        if skew.abs() > TOLERANCE { now - skew } else { now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis((seconds * 1000.0) as i64).unwrap()
    }

    #[test]
    fn is_zero_for_a_date_within_the_call() {
        for date in [99.0, 100.0, 101.0] {
            let (skew, change) = Skew::default().observe(at(99.9), at(101.2), at(date));
            assert_eq!((skew, change), (TimeDelta::zero(), Change::None), "{date}");
        }
    }

    #[test]
    fn is_ours_minus_theirs() {
        let (ahead, _) = Skew::default().observe(at(100.0), at(100.5), at(40.0));
        assert_eq!(ahead, TimeDelta::seconds(59));
        let (behind, _) = Skew::default().observe(at(100.0), at(100.5), at(160.5));
        assert_eq!(behind, TimeDelta::seconds(-60));
    }

    #[test]
    fn corrects_our_clock_only_beyond_the_tolerance() {
        let skew = Skew::default();
        assert_eq!(skew.observe(at(100.0), at(100.0), at(71.0)).1, Change::None);
        assert_eq!(skew.correct(at(100.0)), at(100.0));

        assert_eq!(skew.observe(at(100.0), at(100.0), at(1000.0)).1, Change::Distrust);
        assert_eq!(skew.correct(at(100.0)), at(1000.0));
        assert_eq!(skew.observe(at(101.0), at(101.0), at(1001.0)).1, Change::None);

        assert_eq!(skew.observe(at(1002.0), at(1002.0), at(1002.0)).1, Change::Trust);
        assert_eq!(skew.correct(at(1003.0)), at(1003.0));
    }
}
