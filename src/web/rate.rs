//! A rate of requests: a bucket of grants that fills with time, as Go's limiter does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::config::Rate;

/// Grants requests at a rate.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Rate,
    /// When the bucket would be full.
    full_at: Mutex<Duration>,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::default() }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes a grant, if there is one at `now`.
    pub(super) fn grants(&self, now: Duration) -> bool {
        let Rate { interval, burst } = self.rate;
        // One duration that is replaced whole: nothing can be half done.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = (*full_at).max(now).saturating_add(interval);
        let granted = after.saturating_sub(now) <= interval.saturating_mul(burst);
        if granted {
            *full_at = after;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_a_burst_and_then_one_each_interval() {
        let rate = Rate { interval: Duration::from_secs(10), burst: 3 };
        let limiter = Limiter::new(rate);
        let at = |seconds| limiter.grants(Duration::from_secs(seconds));

        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(9), at(10), at(10)], [false, true, false]);
        assert_eq!([at(35), at(35), at(35)], [true, true, false]);
        assert_eq!([at(999), at(999), at(999), at(999)], [true, true, true, false]);
    }
}
