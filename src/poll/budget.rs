//! The API budget of an account: a token bucket whose rate falls when the API throttles.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Throttling does not lower the rate below this, in calls per second.
const LEAST_RATE: f64 = 0.1;
/// Time without throttling until the configured rate is back.
const RECOVERY: Duration = Duration::from_secs(300);
/// Longest wait hint that is honoured; the official SDKs cap theirs there too.
const LONGEST_HINT: Duration = Duration::from_secs(120);

/// Lets calls through at the account's rate, first come, first served.
#[derive(Debug)]
pub(crate) struct Budget {
    bucket: Mutex<Bucket>,
    /// Held by the one call that waits for the next token; the others queue here in order.
    turn: tokio::sync::Mutex<()>,
    /// Held by the one search that waits in that queue; the other searches queue here.
    searches: tokio::sync::Mutex<()>,
    clock: Clock,
}

/// Where a call waits for its token.
///
/// Searches can be many at once, one for each region. Only one of them stands among the polls at a
/// time: so they take no more than every other token while polls want them too, all of them when
/// no poll does, and are never passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Among the polls.
    Polls,
    /// Behind the other searches, and then among the polls.
    Searches,
}

impl Budget {
    /// A budget of `requests_per_second`.
    pub(crate) fn new(requests_per_second: f64, clock: Clock) -> Self {
        let bucket = Mutex::new(Bucket::new(requests_per_second, clock.monotonic()));
        Self {
            bucket,
            turn: tokio::sync::Mutex::default(),
            searches: tokio::sync::Mutex::default(),
            clock,
        }
    }

    /// Waits for a token and takes it.
    pub(crate) async fn acquire(&self, queue: Queue) {
        let _first = match queue {
            Queue::Polls => None,
            Queue::Searches => Some(self.searches.lock().await),
        };
        let _turn = self.turn.lock().await;
        loop {
            let taken = self.bucket().take(self.clock.monotonic());
            match taken {
                Ok(()) => return,
                Err(at) => self.clock.sleep_until(at).await,
            }
        }
    }

    /// Takes a token if there is one and no call waits for it.
    pub(crate) fn try_acquire(&self) -> bool {
        let Ok(_turn) = self.turn.try_lock() else { return false };
        self.bucket().take(self.clock.monotonic()).is_ok()
    }

    /// Takes note that a call sent at `sent` was throttled, with the API's wait hint. Says whether
    /// the rate fell from the configured one.
    pub(crate) fn throttled(&self, sent: Duration, hint: Option<Duration>) -> bool {
        self.bucket().throttled(sent, self.clock.monotonic(), hint)
    }

    /// The rate while nothing throttles, in calls per second.
    pub(crate) fn configured(&self) -> f64 {
        self.bucket().configured
    }

    /// The rate now in force, in calls per second.
    pub(crate) fn rate(&self) -> f64 {
        self.bucket().rate(self.clock.monotonic())
    }

    /// The rate that the configuration gives, in calls per second.
    pub(crate) fn configured_rate(&self) -> f64 {
        self.bucket().configured
    }

    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bucket itself; times are since the clock was made.
#[derive(Debug)]
struct Bucket {
    configured: f64,
    /// The rate right after the last throttling, and when that was.
    fallen: Option<(f64, Duration)>,
    tokens: f64,
    filled_at: Duration,
    /// No call before this: the API asked for it.
    closed_until: Duration,
}

impl Bucket {
    fn new(configured: f64, now: Duration) -> Self {
        let tokens = burst(configured);
        Self { configured, fallen: None, tokens, filled_at: now, closed_until: Duration::ZERO }
    }

    fn rate(&self, now: Duration) -> f64 {
        let Some((fallen_to, at)) = self.fallen else { return self.configured };
        let recovered = now.saturating_sub(at).as_secs_f64() / RECOVERY.as_secs_f64();
        fallen_to + (self.configured - fallen_to) * recovered.min(1.0)
    }

    /// Takes a token, or says when to try again.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let rate = self.rate(now);
        let elapsed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate).min(burst(rate));
        self.filled_at = now;
        if now < self.closed_until {
            return Err(self.closed_until);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // A microsecond more than computed, so that rounding never makes us wake in vain.
        let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / rate);
        let wait = wait.unwrap_or(Duration::MAX).saturating_add(Duration::from_micros(1));
        Err(now.saturating_add(wait))
    }

    fn throttled(&mut self, sent: Duration, now: Duration, hint: Option<Duration>) -> bool {
        if let Some(hint) = hint {
            self.closed_until = self.closed_until.max(now + hint.min(LONGEST_HINT));
        }
        // Calls in flight when the rate fell say nothing about the new rate.
        if self.fallen.is_some_and(|(_, at)| sent < at) {
            return false;
        }
        let rate = self.rate(now);
        let least = LEAST_RATE.min(self.configured);
        let was_full = rate >= self.configured;
        self.fallen = Some(((rate / 2.0).max(least), now));
        self.tokens = 0.0;
        self.filled_at = now;
        was_full
    }
}

/// One second's worth, at least one call.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Takes as many tokens as there are until `end`, from `start` on.
    fn drain(bucket: &mut Bucket, start: Duration, end: Duration) -> u32 {
        let (mut now, mut taken) = (start, 0);
        while now <= end {
            match bucket.take(now) {
                Ok(()) => taken += 1,
                Err(at) => now = at,
            }
        }
        taken
    }

    #[test]
    fn allows_a_seconds_worth_at_once_and_then_the_rate() {
        let mut bucket = Bucket::new(5.0, s(0.0));
        assert_eq!(drain(&mut bucket, s(0.0), s(0.0)), 5);
        assert_eq!(drain(&mut bucket, s(0.0), s(60.0)), 299);
    }

    #[test]
    fn a_rate_below_one_still_allows_one_call_at_once() {
        let mut bucket = Bucket::new(0.05, s(0.0));
        assert_eq!(bucket.take(s(0.0)), Ok(()));
        let at = bucket.take(s(0.0)).unwrap_err();
        assert!(at > s(20.0) && at < s(20.1), "{at:?}");
    }

    #[test]
    fn throttling_halves_the_rate_and_five_minutes_bring_it_back() {
        let mut bucket = Bucket::new(8.0, s(0.0));
        assert!(bucket.throttled(s(1.0), s(2.0), None));
        assert_eq!(bucket.rate(s(2.0)), 4.0);
        assert_eq!(bucket.rate(s(152.0)), 6.0);
        assert_eq!(bucket.rate(s(302.0)), 8.0);
        assert_eq!(bucket.rate(s(9_999.0)), 8.0);
    }

    #[test]
    fn calls_that_were_in_flight_together_halve_the_rate_once() {
        let mut bucket = Bucket::new(8.0, s(0.0));
        for _ in 0..16 {
            bucket.throttled(s(1.0), s(2.0), None);
        }
        assert_eq!(bucket.rate(s(2.0)), 4.0);
        assert!(!bucket.throttled(s(2.5), s(3.0), None));
        assert!(bucket.rate(s(3.0)) < 2.1);
    }

    #[test]
    fn the_rate_does_not_fall_below_a_tenth() {
        let mut bucket = Bucket::new(1.0, s(0.0));
        for n in 1..20 {
            bucket.throttled(s(f64::from(n)), s(f64::from(n)), None);
        }
        assert!((0.1..0.11).contains(&bucket.rate(s(20.0))));

        let mut slow = Bucket::new(0.05, s(0.0));
        slow.throttled(s(1.0), s(1.0), None);
        assert_eq!(slow.rate(s(1.0)), 0.05);
    }

    #[test]
    fn wait_hints_close_the_account_up_to_a_cap() {
        let mut bucket = Bucket::new(5.0, s(0.0));
        bucket.throttled(s(0.0), s(1.0), Some(s(30.0)));
        assert_eq!(bucket.take(s(2.0)), Err(s(31.0)));
        assert_eq!(bucket.take(s(31.0)), Ok(()));

        bucket.throttled(s(31.0), s(32.0), Some(s(86_400.0)));
        assert_eq!(bucket.take(s(33.0)), Err(s(152.0)));
    }

    #[tokio::test]
    async fn waiting_calls_are_served_in_the_order_they_came() {
        let hands = crate::clock::ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let budget = std::sync::Arc::new(Budget::new(1.0, hands.clock()));
        budget.acquire(Queue::Polls).await;
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..3 {
            let (budget, sender) = (std::sync::Arc::clone(&budget), sender.clone());
            tokio::spawn(async move {
                budget.acquire(Queue::Polls).await;
                sender.send(n).unwrap();
            });
            tokio::task::yield_now().await;
        }
        for n in 0..3 {
            assert!(served.try_recv().is_err());
            hands.advance(s(1.1));
            assert_eq!(served.recv().await, Some(n));
        }
    }

    #[tokio::test]
    async fn many_searches_take_every_other_token_and_no_more() {
        let hands = crate::clock::ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        let budget = std::sync::Arc::new(Budget::new(1.0, hands.clock()));
        budget.acquire(Queue::Polls).await;
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        let queues = [Queue::Searches; 5].into_iter().chain([Queue::Polls; 5]);
        for queue in queues {
            let (budget, sender) = (std::sync::Arc::clone(&budget), sender.clone());
            tokio::spawn(async move {
                budget.acquire(queue).await;
                sender.send(queue).unwrap();
            });
            tokio::task::yield_now().await;
        }
        let mut order = Vec::new();
        for _ in 0..10 {
            hands.advance(s(1.1));
            order.push(served.recv().await.unwrap());
            // The next search takes its place in the queue.
            tokio::task::yield_now().await;
        }
        // The polls came all at once, behind the first search.
        let polls = |range: std::ops::Range<usize>| {
            order[range].iter().filter(|queue| **queue == Queue::Polls).count()
        };
        assert_eq!(order[0], Queue::Searches);
        assert_eq!((polls(1..6), polls(6..10)), (5, 0), "{order:?}");
    }

    proptest! {
        #[test]
        fn never_lets_through_more_than_the_configured_rate(
            rate in 0.05_f64..50.0,
            throttlings in prop::collection::vec(0.0_f64..100.0, 0..5),
        ) {
            let mut bucket = Bucket::new(rate, s(0.0));
            let (mut now, mut taken) = (s(0.0), 0.0);
            let mut throttlings = throttlings;
            throttlings.sort_by(f64::total_cmp);
            for at in throttlings.into_iter().chain([100.0]) {
                taken += f64::from(drain(&mut bucket, now, s(at)));
                now = s(at);
                bucket.throttled(now, now, None);
            }
            prop_assert!(taken <= burst(rate) + rate * 100.0 + 1.0, "{taken} calls");
        }
    }
}
