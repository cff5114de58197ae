//! The one source of time: wall time for facts, monotonic time for schedules.
//!
//! Everything that reads a time or waits gets a [`Clock`] handed in, so that a test can hold time
//! still, move it, or make the wall clock jump while timers go on as they would on a real machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// Tells the time and waits. Cheap to clone; clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { origin: Instant },
    Manual(Arc<watch::Sender<Reading>>),
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: DateTime<Utc>,
    monotonic: Duration,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the clock is where time comes from")]
    pub fn system() -> Self {
        Self(Source::System { origin: Instant::now() })
    }

    /// Wall time, in UTC. It may jump; never compute a waiting time from it.
    #[expect(clippy::disallowed_methods, reason = "the clock is where time comes from")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System { .. } => Utc::now(),
            Source::Manual(reading) => reading.borrow().wall,
        }
    }

    /// Time since the clock was made. It never goes back.
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { origin } => origin.elapsed(),
            Source::Manual(reading) => reading.borrow().monotonic,
        }
    }

    /// Waits until [`monotonic`](Self::monotonic) has reached `at`.
    pub async fn sleep_until(&self, at: Duration) {
        match &self.0 {
            Source::System { .. } => {
                tokio::time::sleep(at.saturating_sub(self.monotonic())).await;
            }
            Source::Manual(reading) => {
                // The sender lives in `self`, so the channel cannot close while we wait.
                let _ = reading.subscribe().wait_for(|reading| reading.monotonic >= at).await;
            }
        }
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.monotonic().saturating_add(duration)).await;
    }
}

/// Moves a [`Clock`] by hand.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Reading>>);

impl ManualClock {
    /// A clock that stands still at `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Arc::new(watch::Sender::new(Reading { wall: start, monotonic: Duration::ZERO })))
    }

    /// The clock that these hands move.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(Arc::clone(&self.0)))
    }

    /// Lets time pass: wall and monotonic time both go on by `duration`, and sleepers wake.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|reading| {
            reading.monotonic += duration;
            reading.wall += duration;
        });
    }

    /// Sets the wall clock off by `delta` while monotonic time stands, as NTP or an operator may.
    pub fn jump(&self, delta: TimeDelta) {
        self.0.send_modify(|reading| reading.wall += delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wakes_a_sleeper_when_its_time_has_come_and_not_before() {
        let hands = ManualClock::new(DateTime::UNIX_EPOCH);
        let clock = hands.clock();
        let sleeper = tokio::spawn(async move { clock.sleep(Duration::from_secs(10)).await });

        tokio::task::yield_now().await;
        hands.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());

        hands.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[test]
    fn a_jump_moves_the_wall_and_leaves_timers_alone() {
        let hands = ManualClock::new(DateTime::UNIX_EPOCH);
        hands.jump(TimeDelta::hours(-1));

        assert_eq!(hands.clock().now().timestamp(), -3600);
        assert_eq!(hands.clock().monotonic(), Duration::ZERO);
    }
}
