//! The state of everything at one moment, for whoever writes it down.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLockReadGuard};

use chrono::{DateTime, Utc};

use crate::domain::{self, TaskStatus};
use crate::instruments::Instruments;
use crate::store::history::Poll;
use crate::store::{History, InstanceSnapshot, PollState, Store};

use super::account::{Account, accounts};
use super::filter::{InstanceFilter, Slice, TaskFilter};
use super::instance::{Instance, rank};
use super::task::{Concern, Task};

/// Every instance and its past, read at one moment. Polls wait while it lives: keep it short.
pub(crate) struct Fleet<'a> {
    snapshots: Vec<Arc<InstanceSnapshot>>,
    history: RwLockReadGuard<'a, History>,
    instruments: &'a Instruments,
    now: DateTime<Utc>,
}

/// A part of a list, and how long the whole is.
#[derive(Debug)]
pub(crate) struct Part<T> {
    /// The part.
    pub(crate) items: Vec<T>,
    /// Length of the list that it is a part of.
    pub(crate) total: usize,
}

/// What counts add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Tasks by status.
    pub(crate) statuses: BTreeMap<TaskStatus, u64>,
    /// Tasks by how much they matter.
    pub(crate) concerns: BTreeMap<Concern, u64>,
    /// Instances by state of polling.
    pub(crate) states: BTreeMap<PollState, u64>,
    /// Instances that cannot be reached for so long that their tasks are not shown.
    pub(crate) withdrawn: u64,
    /// Failed tasks that were seen to fail within the last day.
    pub(crate) failed_lately: u64,
}

/// A task on its way into the list: what its place depends on, and where it is.
struct Candidate<'a> {
    rank: Rank,
    /// The later failed and the further behind come first.
    weight: Reverse<u32>,
    /// Place of the instance in the order of their keys.
    place: usize,
    instance: &'a InstanceSnapshot,
    task: &'a domain::Task,
}

/// Groups of the list. Old failures stay in the API's list for weeks: they must not stand before
/// what happens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    FailedLately,
    Lagging,
    FailedEarlier,
    UnknownStatus,
    Running,
    Ended,
}

/// Seconds in which a failure is a fresh one.
const LATELY: i64 = 86_400;

impl<'a> Fleet<'a> {
    /// Reads everything at `now`.
    pub(crate) fn read(store: &'a Store, instruments: &'a Instruments, now: DateTime<Utc>) -> Self {
        Self { snapshots: store.snapshots(), history: store.history(), instruments, now }
    }

    /// When it was read.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Counts of everything, whatever is filtered.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for snapshot in &self.snapshots {
            *summary.states.entry(snapshot.state).or_default() += 1;
            let Some(tasks) = snapshot.tasks_shown(self.now) else {
                summary.withdrawn += u64::from(snapshot.last_good.is_some());
                continue;
            };
            for task in tasks.iter() {
                let concern = Concern::of(task);
                *summary.statuses.entry(task.status).or_default() += 1;
                *summary.concerns.entry(concern).or_default() += 1;
                let lately =
                    concern == Concern::Failed && self.is_late(self.entered(snapshot, task));
                summary.failed_lately += u64::from(lately);
            }
        }
        summary
    }

    /// The tasks that `filter` shows, those first that matter most.
    pub(crate) fn tasks(&self, filter: &TaskFilter, slice: Slice) -> Part<Task<'_>> {
        let mut candidates = Vec::new();
        for (place, snapshot) in self.snapshots.iter().enumerate() {
            if !filter.instances.shows(snapshot) {
                continue;
            }
            let tasks = snapshot.tasks_shown(self.now).map_or(&[][..], |tasks| tasks);
            let shown = tasks.iter().filter(|task| filter.shows(task));
            candidates.extend(shown.map(|task| self.candidate(place, snapshot, task)));
        }
        candidates.sort_unstable_by_key(|one| {
            (one.rank, one.weight, one.place, Reverse(one.task.import_id))
        });
        let total = candidates.len();
        let items = slice.of(&candidates).iter().map(|Candidate { instance, task, .. }| {
            Task::new(instance, self.history.instance(instance.key()), task)
        });
        Part { items: items.collect(), total }
    }

    /// The instances that `filter` shows, those first that matter most.
    pub(crate) fn instances(&self, filter: &InstanceFilter, slice: Slice) -> Part<Instance<'_>> {
        let shown = self.snapshots.iter().filter(|one| filter.shows(one));
        let mut shown: Vec<&InstanceSnapshot> = shown.map(|snapshot| &**snapshot).collect();
        // Stable: those of the same rank stay in the order of their keys.
        shown.sort_by_key(|snapshot| rank(snapshot.state));
        let items = slice.of(&shown).iter().map(|snapshot| {
            Instance::new(snapshot, self.history.instance(snapshot.key()), self.now)
        });
        Part { items: items.collect(), total: shown.len() }
    }

    /// Every account, by name.
    pub(crate) fn accounts(&self) -> Vec<Account<'_>> {
        accounts(&self.snapshots, &self.history, self.instruments)
    }

    /// The last polls, the newest first.
    pub(crate) fn polls(&self) -> Vec<&Poll> {
        self.history.polls()
    }

    fn candidate<'b>(
        &self,
        place: usize,
        instance: &'b InstanceSnapshot,
        task: &'b domain::Task,
    ) -> Candidate<'b> {
        let lag = task.position.map_or(0, |position| position.lag_seconds);
        let (rank, weight) = match Concern::of(task) {
            Concern::Failed => {
                let failed_at = self.entered(instance, task);
                let lately = self.is_late(failed_at);
                let rank = if lately { Rank::FailedLately } else { Rank::FailedEarlier };
                (rank, failed_at.unwrap_or_default())
            }
            Concern::Lagging => (Rank::Lagging, lag),
            Concern::UnknownStatus => (Rank::UnknownStatus, lag),
            Concern::Running => (Rank::Running, lag),
            Concern::Ended => (Rank::Ended, lag),
        };
        Candidate { rank, weight: Reverse(weight), place, instance, task }
    }

    /// Whether a failure is a fresh one.
    fn is_late(&self, failed_at: Option<u32>) -> bool {
        failed_at.is_some_and(|at| self.now.timestamp() - i64::from(at) < LATELY)
    }

    /// When the task was seen to enter its status, in Unix seconds.
    fn entered(&self, instance: &InstanceSnapshot, task: &domain::Task) -> Option<u32> {
        let since = self.history.instance(instance.key())?.since(task.import_id)?;
        since.entered.then_some(since.unix_seconds)
    }
}
