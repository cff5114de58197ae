//! How long to wait before trying again.

use std::time::Duration;

/// Pauses between the attempts at one call: base and cap as in the official SDKs' retry policy.
const CALL_BASE: Duration = Duration::from_millis(200);
const CALL_CAP: Duration = Duration::from_secs(20);
/// Attempts at one call, the first included.
pub(crate) const MAX_ATTEMPTS: u32 = 5;

/// Pauses between the attempts of an account whose calls all fail.
const ACCOUNT_BASE: Duration = Duration::from_secs(5);
const ACCOUNT_CAP: Duration = Duration::from_secs(300);

/// The pause after the `attempt`th failed attempt at a call, from 1: exponential with full jitter,
/// so that callers which failed together do not come back together. `jitter` is from 0 to 1.
pub(crate) fn call_pause(attempt: u32, jitter: f64) -> Duration {
    exponential(CALL_BASE, CALL_CAP, attempt).mul_f64(jitter.clamp(0.0, 1.0))
}

/// The pause after the `failure`th failure of an account in a row, from 1.
pub(crate) fn account_pause(failure: u32) -> Duration {
    exponential(ACCOUNT_BASE, ACCOUNT_CAP, failure)
}

/// `base`, doubled for each attempt after the first, and at most `cap`.
pub(crate) fn exponential(base: Duration, cap: Duration, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    base.saturating_mul(1 << doublings).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_pauses_double_up_to_the_cap_and_are_jittered_down_to_nothing() {
        let pauses = [1, 2, 3, 8, u32::MAX].map(|attempt| call_pause(attempt, 1.0).as_millis());
        assert_eq!(pauses, [200, 400, 800, 20_000, 20_000]);
        assert_eq!(call_pause(3, 0.0), Duration::ZERO);
        assert_eq!(call_pause(3, 0.5).as_millis(), 400);
    }

    #[test]
    fn account_pauses_go_from_five_seconds_to_five_minutes() {
        let pauses = [1, 2, 6, 7, 100].map(|failure| account_pause(failure).as_secs());
        assert_eq!(pauses, [5, 10, 160, 300, 300]);
    }
}
