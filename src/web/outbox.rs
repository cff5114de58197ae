//! Large pages on their way to clients: how many there may be, and who has to go when there are too
//! many.
//!
//! A page is as large as the fleet, and lives until its last piece is handed over. Readers who take
//! their time must neither hold memory without bound nor keep others from theirs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How long a page may be on its way while others wait for its place. Shorter than the scrape
/// timeout that Prometheus has by default, longer than any client takes that means to read.
const GRACE: Duration = Duration::from_secs(5);

/// Counts the pages that are alive. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    clock: Clock,
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// In the order in which they were taken, and no more than there are places.
    holders: Vec<Holder>,
}

/// Who holds a place.
#[derive(Debug)]
struct Holder {
    number: u64,
    since: Duration,
    /// Ends the connection.
    cut: CancellationToken,
}

/// A page may be alive until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    outbox: Outbox,
    _permit: OwnedSemaphorePermit,
}

impl Outbox {
    pub(super) fn new(places: usize, clock: Clock) -> Self {
        Self { clock, free: Arc::new(Semaphore::new(places)), taken: Arc::default() }
    }

    /// Takes a place for the connection that `cut` ends, at `now`. If there is none, waits for one,
    /// and cuts off whoever has held one for longest, once that is long enough. `None`: the server
    /// is gone.
    pub(super) async fn place(&self, cut: &CancellationToken, now: Duration) -> Option<Place> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Some(self.taken_by(cut, now, permit)),
            Err(_) => self.place_of_others(cut).await,
        }
    }

    async fn place_of_others(&self, cut: &CancellationToken) -> Option<Place> {
        let acquiring = Arc::clone(&self.free).acquire_owned();
        tokio::pin!(acquiring);
        let mut patient_until = Duration::ZERO;
        let permit = loop {
            let oldest = self.oldest();
            let patience = async {
                match oldest {
                    Some((_, since)) => {
                        let over = since.saturating_add(GRACE).max(patient_until);
                        self.clock.sleep_until(over).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                permit = &mut acquiring => break permit.ok()?,
                () = patience => {
                    self.cut(oldest.map(|(number, _)| number));
                    // One is enough, once its connection has ended.
                    patient_until = self.clock.monotonic().saturating_add(GRACE);
                }
            }
        };
        Some(self.taken_by(cut, self.clock.monotonic(), permit))
    }

    fn taken_by(
        &self,
        cut: &CancellationToken,
        since: Duration,
        permit: OwnedSemaphorePermit,
    ) -> Place {
        let mut taken = self.taken();
        let number = taken.next;
        taken.next += 1;
        taken.holders.push(Holder { number, since, cut: cut.clone() });
        drop(taken);
        Place { number, outbox: self.clone(), _permit: permit }
    }

    fn oldest(&self) -> Option<(u64, Duration)> {
        self.taken().holders.first().map(|holder| (holder.number, holder.since))
    }

    fn cut(&self, number: Option<u64>) {
        let holder = number.and_then(|number| self.taken().remove(number));
        if let Some(holder) = holder {
            tracing::warn!("a client that takes too long to read its page was cut off for others");
            holder.cut.cancel();
        }
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        // An entry is there or not; nothing can be half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn remove(&mut self, number: u64) -> Option<Holder> {
        let place = self.holders.iter().position(|holder| holder.number == number)?;
        Some(self.holders.remove(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.outbox.taken().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use crate::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn whoever_has_held_a_place_for_longest_goes_when_others_have_waited() {
        let hands = ManualClock::new(DateTime::UNIX_EPOCH);
        let outbox = Outbox::new(2, hands.clock());
        let now = || hands.clock().monotonic();
        let cuts = [0; 3].map(|_| CancellationToken::new());
        let first = outbox.place(&cuts[0], now()).await.unwrap();
        hands.advance(Duration::from_secs(1));
        let _second = outbox.place(&cuts[1], now()).await.unwrap();

        let mut third = Box::pin(outbox.place(&cuts[2], now()));
        assert!(run_until_it_waits(&mut third).await.is_none());
        hands.advance(GRACE - Duration::from_secs(2));
        assert!(run_until_it_waits(&mut third).await.is_none());
        assert!(!cuts[0].is_cancelled());

        hands.advance(Duration::from_secs(1));
        assert!(run_until_it_waits(&mut third).await.is_none());
        assert_eq!(cuts.each_ref().map(CancellationToken::is_cancelled), [true, false, false]);
        drop(first);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn a_place_is_free_when_its_page_is_gone() {
        let outbox = Outbox::new(1, ManualClock::new(DateTime::UNIX_EPOCH).clock());
        for _ in 0..3 {
            let cut = CancellationToken::new();
            drop(outbox.place(&cut, Duration::ZERO).await.unwrap());
            assert!(!cut.is_cancelled());
        }
    }

    /// Lets `future` run until it waits; gives its result if it has one.
    async fn run_until_it_waits<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        for _ in 0..10 {
            tokio::select! {
                biased;
                output = &mut *future => return Some(output),
                () = tokio::task::yield_now() => {}
            }
        }
        None
    }
}
