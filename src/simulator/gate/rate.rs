//! An account's rate, in real time.

use std::time::Duration;

use crate::simulator::scenario::Throttle;

/// Lets `burst` requests pass at once and one more every `interval` (generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Bucket {
    interval: Duration,
    tolerance: Duration,
    /// Whether a refusal says how long to wait.
    pub(crate) hint: bool,
    next: Duration,
}

impl Bucket {
    pub(crate) fn new(throttle: &Throttle) -> Self {
        let interval = throttle.interval();
        Self {
            interval,
            tolerance: interval * throttle.burst.saturating_sub(1),
            hint: throttle.hint,
            next: Duration::ZERO,
        }
    }

    /// Lets a request pass, or tells how long to wait.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let next = self.next.max(now);
        match (next - now).checked_sub(self.tolerance) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.next = next + self.interval;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_takes_its_burst_then_its_rate_and_says_how_long_to_wait() {
        let throttle = Throttle { rate: 0.5, burst: 3, hint: true };
        let mut bucket = Bucket::new(&throttle);
        for _ in 0..3 {
            assert_eq!(bucket.take(SECOND), Ok(()));
        }
        assert_eq!(bucket.take(SECOND), Err(2 * SECOND));
        assert_eq!(bucket.take(2 * SECOND), Err(SECOND));
        assert_eq!(bucket.take(3 * SECOND), Ok(()));
        assert_eq!(bucket.take(3 * SECOND), Err(2 * SECOND));
    }
}
