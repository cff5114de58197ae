//! Time windows of walks.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::api::time::floor_minute;

/// The time range that a walk asks for, fixed at its start and sent with every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// `StartTime`
    pub(crate) start: DateTime<Utc>,
    /// `EndTime`
    pub(crate) end: DateTime<Utc>,
}

impl Window {
    /// The `lookback` up to `now`, rounded down to the minute. It does not begin before 1970.
    pub(crate) fn up_to(now: DateTime<Utc>, lookback: Duration) -> Self {
        let end = floor_minute(now);
        let start = TimeDelta::from_std(lookback)
            .ok()
            .and_then(|lookback| end.checked_sub_signed(lookback))
            .unwrap_or_default();
        Self { start: start.max(DateTime::UNIX_EPOCH), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_the_last_full_minute_and_begins_a_lookback_before() {
        let now = "2026-11-24T04:05:59Z".parse().unwrap();
        let window = Window::up_to(now, Duration::from_secs(86_400));
        assert_eq!(window.start.to_rfc3339(), "2026-11-23T04:05:00+00:00");
        assert_eq!(window.end.to_rfc3339(), "2026-11-24T04:05:00+00:00");
    }

    #[test]
    fn any_lookback_gives_a_window() {
        let now = "2026-11-24T04:05:59Z".parse().unwrap();
        let window = Window::up_to(now, Duration::MAX);
        assert_eq!(window.start, DateTime::UNIX_EPOCH);
    }
}
