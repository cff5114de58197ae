//! The past of one instance and its tasks.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::{ImportId, Task, TaskStatus};
use crate::store::TaskList;

use super::descriptions::{Descriptions, Words};
use super::polls::Poll;
use super::readings::{Quota, Reading, Readings};
use super::{Failure, Observed};

/// What is known of the past of an instance.
#[derive(Debug, Default)]
pub struct InstanceHistory {
    /// When the first good walk ended, in Unix seconds.
    first_walk: Option<u32>,
    /// The tasks known since the last walk: the same memory as the snapshot's.
    tasks: TaskList,
    /// When each of them was seen to enter its status, in Unix seconds; `None` if it is as it was
    /// when the instance was first walked. Empty if all are.
    entered: Box<[Option<NonZeroU32>]>,
    descriptions: Descriptions,
    readings: BTreeMap<ImportId, Readings>,
    last_failure: Option<(DateTime<Utc>, Arc<Failure>)>,
    failures_in_a_row: u32,
    last_poll: Option<LastPoll>,
}

/// Since when a task is in its status, as far as this process has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Unix seconds.
    pub unix_seconds: u32,
    /// Whether it was seen to enter the status then. If not, it was in it before.
    pub entered: bool,
}

/// The last poll that made calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPoll {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// The API calls it made, retries included.
    pub calls: u32,
}

impl InstanceHistory {
    pub(super) fn observe(
        &mut self,
        at: DateTime<Utc>,
        observed: Observed<'_>,
        quota: &mut Quota,
        words: &mut Words,
    ) {
        let Observed { tasks, entered, descriptions, has_new_positions } = observed;
        let now = unix_seconds(at);
        self.first_walk.get_or_insert(now);
        self.enter(now, &tasks, entered);
        self.descriptions.update(&tasks, entered, descriptions, words);
        self.drop_readings(&tasks, quota);
        if has_new_positions {
            self.add_readings(now, &tasks, quota);
        }
    }

    /// Takes over `tasks`, of which those in `entered` have entered their status now.
    fn enter(&mut self, now: u32, tasks: &TaskList, entered: &[ImportId]) {
        let before = std::mem::replace(&mut self.tasks, tasks.clone());
        let is_same = before.statuses() == tasks.statuses();
        if entered.is_empty() && (is_same || self.entered.is_empty()) {
            return;
        }
        let of_task = |task: &Task| match entered.binary_search(&task.import_id) {
            Ok(_) => NonZeroU32::new(now),
            Err(_) => *self.entered.get(find(&before, task.import_id)?)?,
        };
        self.entered = tasks.iter().map(of_task).collect();
    }

    fn drop_readings(&mut self, tasks: &TaskList, quota: &mut Quota) {
        let before = self.readings.len();
        self.readings.retain(|import_id, _| {
            find(tasks, *import_id).is_some_and(|place| tasks[place].position.is_some())
        });
        quota.give_back(before - self.readings.len());
    }

    fn add_readings(&mut self, unix_seconds: u32, tasks: &TaskList, quota: &mut Quota) {
        if !tasks.has_positions() {
            return;
        }
        for task in tasks.iter() {
            let Some(position) = task.position else { continue };
            let reading = Reading { unix_seconds, lag_seconds: position.lag_seconds };
            if let Some(readings) = self.readings.get_mut(&task.import_id) {
                readings.add(reading);
            } else if quota.take(position.lag_seconds) {
                self.readings.entry(task.import_id).or_default().add(reading);
            }
        }
    }

    pub(super) fn poll_ended(&mut self, poll: &Poll) {
        if poll.calls > 0 {
            let Poll { ended_at, duration, calls, .. } = *poll;
            self.last_poll = Some(LastPoll { ended_at, duration, calls });
        }
        self.failures_in_a_row =
            if poll.walk_failed() { self.failures_in_a_row.saturating_add(1) } else { 0 };
        if let Some(failure) = &poll.failure {
            self.last_failure = Some((poll.ended_at, Arc::clone(failure)));
        }
    }

    pub(super) fn release(&mut self, quota: &mut Quota) {
        quota.give_back(self.readings.len());
        self.readings.clear();
    }

    /// Since when a task of the instance is in its status.
    pub fn since(&self, import_id: ImportId) -> Option<Since> {
        let entered = find(&self.tasks, import_id).and_then(|place| *self.entered.get(place)?);
        match entered {
            Some(entered) => Some(Since { unix_seconds: entered.get(), entered: true }),
            None => self.first_walk.map(|unix_seconds| Since { unix_seconds, entered: false }),
        }
    }

    /// What the API says of a task's status. Nothing of one that succeeded.
    pub fn description(&self, task: &Task) -> Option<&str> {
        self.descriptions
            .of(task)
            .map(|text| &**text)
            .filter(|_| task.status != TaskStatus::SUCCESS)
    }

    /// The last lag readings of a task, the oldest first.
    pub fn readings(&self, import_id: ImportId) -> &[Reading] {
        self.readings.get(&import_id).map_or(&[], Readings::as_slice)
    }

    /// When a poll last failed, and how. It stays when polls succeed again.
    pub fn last_failure(&self) -> Option<&(DateTime<Utc>, Arc<Failure>)> {
        self.last_failure.as_ref()
    }

    /// How many walks failed since the last good one.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// The last poll that made calls.
    pub fn last_poll(&self) -> Option<LastPoll> {
        self.last_poll
    }
}

fn find(tasks: &TaskList, import_id: ImportId) -> Option<usize> {
    tasks.binary_search_by_key(&import_id, |task| task.import_id).ok()
}

/// Times before 1970 and after 2106 are no times of a walk.
fn unix_seconds(time: DateTime<Utc>) -> u32 {
    u32::try_from(time.timestamp().max(0)).unwrap_or(u32::MAX)
}
