//! Which instance is polled next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Index of an instance in its account.
pub(crate) type Index = usize;

/// When the instances of an account are due, and which of those that are due goes first.
///
/// An instance is in here while it waits, and is not while it is being polled: so there are never
/// two polls of an instance at once.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    waiting: BTreeSet<(Duration, Index)>,
    ready: BTreeSet<(Duration, Index)>,
    entries: BTreeMap<Index, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    due: Duration,
    /// How long after `due` the instance may be passed over by others.
    patience: Duration,
}

impl Entry {
    fn rank(&self) -> Duration {
        self.due.saturating_add(self.patience)
    }
}

impl Schedule {
    /// Puts an instance in: it is due at `due`. Of the instances that are due at a time, the one
    /// goes first whose patience ends first: an active one has none and goes before an idle one,
    /// which is patient, but not for ever.
    pub(crate) fn add(&mut self, index: Index, due: Duration, patience: Duration) {
        let entry = Entry { due, patience };
        self.waiting.insert((due, index));
        self.entries.insert(index, entry);
    }

    /// When the next instance becomes due that was not at the last [`take_due`](Self::take_due).
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Whether an instance is due at `now`.
    pub(crate) fn has_due(&mut self, now: Duration) -> bool {
        self.wake(now);
        !self.ready.is_empty()
    }

    /// Takes out the instance to poll at `now`, with the time at which it was due.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<(Index, Duration)> {
        self.wake(now);
        let (_, index) = self.ready.pop_first()?;
        let entry = self.entries.remove(&index)?;
        Some((index, entry.due))
    }

    /// Takes out the instance that is due first, whether it is due yet or not.
    pub(crate) fn take_first(&mut self, now: Duration) -> Option<(Index, Duration)> {
        self.take_due(now).or_else(|| {
            let (due, index) = self.waiting.pop_first()?;
            self.entries.remove(&index);
            Some((index, due))
        })
    }

    /// Takes an instance out, and tells when it would have been due.
    pub(crate) fn remove(&mut self, index: Index) -> Option<Duration> {
        let entry = self.entries.remove(&index)?;
        self.waiting.remove(&(entry.due, index));
        self.ready.remove(&(entry.rank(), index));
        Some(entry.due)
    }

    /// Makes everything that `filter` picks due at `now`.
    pub(crate) fn hasten(&mut self, now: Duration, mut filter: impl FnMut(Index) -> bool) {
        let picked: Vec<_> =
            self.waiting.iter().copied().filter(|(_, index)| filter(*index)).collect();
        for (due, index) in picked {
            self.waiting.remove(&(due, index));
            if let Some(entry) = self.entries.get_mut(&index) {
                entry.due = due.min(now);
                self.waiting.insert((entry.due, index));
            }
        }
    }

    fn wake(&mut self, now: Duration) {
        while let Some((due, index)) = self.waiting.first().copied()
            && due <= now
        {
            self.waiting.pop_first();
            if let Some(entry) = self.entries.get(&index) {
                self.ready.insert((entry.rank(), index));
            }
        }
    }
}

/// When the first poll of each of `count` instances is due: evenly over `interval`, so that a large
/// account begins neither with a burst nor with everyone at once; the first goes at once.
pub(crate) fn first_due(position: usize, count: usize, interval: Duration) -> Duration {
    interval.mul_f64(position as f64 / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn order(schedule: &mut Schedule, now: Duration) -> Vec<Index> {
        std::iter::from_fn(|| schedule.take_due(now).map(|(index, _)| index)).collect()
    }

    #[test]
    fn nothing_goes_before_it_is_due() {
        let mut schedule = Schedule::default();
        schedule.add(1, s(10), NONE);
        assert!(!schedule.has_due(s(9)));
        assert_eq!(schedule.next_due(), Some(s(10)));
        assert_eq!(schedule.take_due(s(12)), Some((1, s(10))));
        assert_eq!(schedule.take_due(s(12)), None);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn an_active_instance_goes_before_an_idle_one_that_was_due_earlier() {
        let mut schedule = Schedule::default();
        schedule.add(1, s(0), s(300));
        schedule.add(2, s(50), NONE);
        schedule.add(3, s(40), NONE);
        assert_eq!(order(&mut schedule, s(60)), [3, 2, 1]);
    }

    #[test]
    fn an_idle_instance_is_not_passed_over_for_ever() {
        let mut schedule = Schedule::default();
        schedule.add(1, s(0), s(300));
        schedule.add(2, s(301), NONE);
        assert_eq!(order(&mut schedule, s(400)), [1, 2]);
    }

    #[test]
    fn the_first_is_taken_though_nothing_is_due() {
        let mut schedule = Schedule::default();
        schedule.add(1, s(20), NONE);
        schedule.add(2, s(10), s(300));
        assert_eq!(schedule.take_first(s(0)), Some((2, s(10))));
        assert_eq!(schedule.take_first(s(0)), Some((1, s(20))));
        assert_eq!(schedule.take_first(s(0)), None);
    }

    #[test]
    fn an_instance_that_was_taken_out_is_never_due() {
        let mut schedule = Schedule::default();
        schedule.add(1, s(10), s(300));
        schedule.add(2, s(20), NONE);
        schedule.add(3, s(30), NONE);
        assert!(schedule.has_due(s(10)));
        assert_eq!(schedule.remove(1), Some(s(10)));
        assert_eq!(schedule.remove(2), Some(s(20)));
        assert_eq!(schedule.remove(2), None);
        assert!(!schedule.has_due(s(20)));
        assert_eq!(order(&mut schedule, s(30)), [3]);
    }

    #[test]
    fn hastened_instances_are_due_at_once_and_the_others_stay() {
        let mut schedule = Schedule::default();
        for index in 1..=3 {
            schedule.add(index, s(100), NONE);
        }
        schedule.hasten(s(5), |index| index != 2);
        assert_eq!(order(&mut schedule, s(5)), [1, 3]);
        assert_eq!(schedule.next_due(), Some(s(100)));
    }

    #[test]
    fn first_polls_are_spread_over_the_interval() {
        let dues: Vec<_> = (0..4).map(|n| first_due(n, 4, s(60)).as_secs()).collect();
        assert_eq!(dues, [0, 15, 30, 45]);
    }
}
