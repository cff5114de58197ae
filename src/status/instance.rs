//! An instance as it is shown: how its polls go.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::TaskStatus;
use crate::store::history::{Failure, InstanceHistory};
use crate::store::{InstanceSnapshot, PollState};

use super::unix_time;

/// An instance with all that is shown of it. Its fields are named as the labels and metrics are.
#[derive(Debug, Serialize)]
pub(crate) struct Instance<'a> {
    /// Label of the instance.
    pub(crate) account: &'a str,
    /// Label of the instance.
    pub(crate) region_id: &'a str,
    /// Label of the instance.
    pub(crate) db_instance_id: &'a str,
    /// Its name for people; may be empty.
    pub(crate) name: &'a str,
    /// Its engine.
    pub(crate) engine: &'static str,
    /// `active`, `failing`, `idle` or `pending`.
    pub(crate) state: &'static str,
    /// Metric of the instance.
    pub(crate) instance_up: Option<u8>,
    /// Metric of the instance.
    pub(crate) instance_last_success_timestamp_seconds: Option<f64>,
    /// Metric of the instance.
    pub(crate) instance_next_poll_timestamp_seconds: Option<f64>,
    /// Metric of the instance.
    pub(crate) instance_walk_duration_seconds: Option<f64>,
    /// Metric of the instance.
    pub(crate) instance_walk_pages: Option<u32>,
    /// When the last poll ended that made API calls, in Unix seconds.
    pub(crate) last_poll_timestamp_seconds: Option<f64>,
    /// API calls of that poll, retries included.
    pub(crate) last_poll_calls: Option<u32>,
    /// Walks that failed since the last good one.
    pub(crate) failures_in_a_row: u32,
    /// Number of tasks by status, those without a task left out; `None` while they are not shown.
    pub(crate) tasks: Option<BTreeMap<&'static str, u64>>,
    /// The last error of its polls. It stays when they succeed again.
    pub(crate) last_error: Option<LastError<'a>>,
}

/// The last error of an instance's polls.
#[derive(Debug, Serialize)]
pub(crate) struct LastError<'a> {
    /// When it was, in Unix seconds.
    pub(crate) timestamp_seconds: f64,
    /// The label `code` of the metrics.
    pub(crate) code: &'a str,
    /// What the API or the network said.
    pub(crate) message: &'a str,
    /// The ID that the API gave the request, for a support ticket.
    pub(crate) request_id: Option<&'a str>,
    /// What the operator can do.
    pub(crate) hint: &'static str,
}

impl<'a> Instance<'a> {
    /// Gathers what is known of an instance at `now`.
    pub(super) fn new(
        instance: &'a InstanceSnapshot,
        history: Option<&'a InstanceHistory>,
        now: DateTime<Utc>,
    ) -> Self {
        let key = instance.key();
        let good = instance.last_good.as_ref();
        let tasks = instance.tasks_shown(now).map(|tasks| {
            let mut counts: BTreeMap<TaskStatus, u64> = BTreeMap::new();
            for task in tasks.iter() {
                *counts.entry(task.status).or_default() += 1;
            }
            counts.into_iter().map(|(status, count)| (status.as_str(), count)).collect()
        });
        let last_poll = history.and_then(InstanceHistory::last_poll);
        let last_failure = history.and_then(InstanceHistory::last_failure);
        Self {
            account: &key.account,
            region_id: &key.region_id,
            db_instance_id: &key.db_instance_id,
            name: &instance.identity.name,
            engine: instance.identity.engine.as_str(),
            state: instance.state.as_str(),
            instance_up: instance.up.map(u8::from),
            instance_last_success_timestamp_seconds: good.map(|good| unix_time(good.ended_at)),
            instance_next_poll_timestamp_seconds: instance.next_poll.map(unix_time),
            instance_walk_duration_seconds: good.map(|good| good.duration.as_secs_f64()),
            instance_walk_pages: good.map(|good| good.pages),
            last_poll_timestamp_seconds: last_poll.map(|poll| unix_time(poll.ended_at)),
            last_poll_calls: last_poll.map(|poll| poll.calls),
            failures_in_a_row: history.map_or(0, InstanceHistory::failures_in_a_row),
            tasks,
            last_error: last_failure.map(|(at, failure)| LastError::new(*at, failure)),
        }
    }
}

impl Instance<'_> {
    /// Whether polls have gone well since the last error.
    pub(crate) fn has_recovered(&self) -> bool {
        let failed_at = self.last_error.as_ref().map(|error| error.timestamp_seconds);
        self.failures_in_a_row == 0 && self.last_poll_timestamp_seconds > failed_at
    }
}

impl<'a> LastError<'a> {
    fn new(at: DateTime<Utc>, failure: &'a Failure) -> Self {
        Self {
            timestamp_seconds: unix_time(at),
            code: &failure.code,
            message: &failure.message,
            request_id: failure.request_id.as_deref(),
            hint: failure.hint,
        }
    }
}

/// The order in which instances matter.
pub(super) fn rank(state: PollState) -> u8 {
    match state {
        PollState::Failing => 0,
        PollState::Pending => 1,
        PollState::Active => 2,
        PollState::Idle => 3,
    }
}
