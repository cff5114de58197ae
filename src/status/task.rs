//! A task as it is shown: what is known of it, and how much it matters.

use serde::Serialize;

use crate::domain::{self, TaskStatus};
use crate::store::InstanceSnapshot;
use crate::store::history::{InstanceHistory, Reading, Since};

use super::{LAGGING, catch_up, unix_time};

/// How much a task matters; the first matters most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Concern {
    /// It failed.
    Failed,
    /// It is far behind.
    Lagging,
    /// The reference does not know its status.
    UnknownStatus,
    /// It is under way.
    Running,
    /// Nothing more will happen to it, and it did not fail.
    Ended,
}

impl Concern {
    /// How much this task matters.
    pub(crate) fn of(task: &domain::Task) -> Self {
        let lag = task.position.map_or(0, |position| position.lag_seconds);
        if task.status == TaskStatus::FAILED {
            Self::Failed
        } else if lag >= LAGGING {
            Self::Lagging
        } else if !task.status.is_documented() {
            Self::UnknownStatus
        } else if task.status.is_final() {
            Self::Ended
        } else {
            Self::Running
        }
    }
}

/// A task with all that is shown of it. Its fields are named as the labels and metrics are.
#[derive(Debug, Serialize)]
pub(crate) struct Task<'a> {
    /// Label of the instance.
    pub account: &'a str,
    /// Label of the instance.
    pub region_id: &'a str,
    /// Label of the instance.
    pub db_instance_id: &'a str,
    /// The instance's name for people; may be empty.
    pub name: &'a str,
    /// The instance's engine.
    pub engine: &'static str,
    /// The task's number.
    pub import_id: u64,
    /// `ImportDataType`
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `ImportDataStatus`
    pub status: &'static str,
    /// `ImportDataStatusDescription`, as free as the API's text is.
    pub status_description: Option<&'a str>,
    /// Since when the exporter has seen it in this status, in Unix seconds.
    pub status_seen_since_timestamp_seconds: Option<u32>,
    /// Whether it was seen to enter the status then; else it was in it before.
    pub status_seen_to_begin: bool,
    /// How much it matters.
    pub concern: Concern,
    /// Metric of the task.
    pub task_incremental_lag_seconds: Option<u32>,
    /// Metric of the task.
    pub task_incremental_position_timestamp_seconds: Option<u32>,
    /// Estimated seconds until it has caught up; only while its lag falls.
    pub catch_up_seconds: Option<u64>,
    /// Metric of the instance.
    pub instance_up: Option<u8>,
    /// Metric of the instance: the task is as old as this.
    pub instance_last_success_timestamp_seconds: Option<f64>,
    /// Its last lag readings, the oldest first.
    #[serde(skip)]
    pub readings: &'a [Reading],
}

impl<'a> Task<'a> {
    /// Gathers what is known of a task of this instance.
    pub(super) fn new(
        instance: &'a InstanceSnapshot,
        history: Option<&'a InstanceHistory>,
        task: &domain::Task,
    ) -> Self {
        let key = instance.key();
        let import_id = task.import_id;
        let since = history.and_then(|history| history.since(import_id));
        let readings = history.map_or(&[][..], |history| history.readings(import_id));
        // Readings of a task without a position are on their way out.
        let readings = if task.position.is_some() { readings } else { &[] };
        Self {
            account: &key.account,
            region_id: &key.region_id,
            db_instance_id: &key.db_instance_id,
            name: &instance.identity.name,
            engine: instance.identity.engine.as_str(),
            import_id: import_id.0,
            kind: task.kind.as_str(),
            status: task.status.as_str(),
            status_description: history.and_then(|history| history.description(task)),
            status_seen_since_timestamp_seconds: since.map(|since| since.unix_seconds),
            status_seen_to_begin: since.is_some_and(|Since { entered, .. }| entered),
            concern: Concern::of(task),
            task_incremental_lag_seconds: task.position.map(|position| position.lag_seconds),
            task_incremental_position_timestamp_seconds: task
                .position
                .map(|position| position.unix_seconds),
            catch_up_seconds: catch_up::catch_up(readings).map(|time| time.as_secs()),
            instance_up: instance.up.map(u8::from),
            instance_last_success_timestamp_seconds: instance
                .last_good
                .as_ref()
                .map(|good| unix_time(good.ended_at)),
            readings,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{ImportId, Position, TaskType};

    use super::*;

    #[test]
    fn failed_before_lagging_before_unknown_before_running_before_ended() {
        let paused = TaskStatus::parse("PausedByOperator").unwrap();
        for (status, lag, concern) in [
            (TaskStatus::FAILED, None, Concern::Failed),
            (TaskStatus::INCREMENTAL_IMPORTING, Some(LAGGING), Concern::Lagging),
            (TaskStatus::INCREMENTAL_WAITING, Some(LAGGING - 1), Concern::Running),
            (paused, None, Concern::UnknownStatus),
            (TaskStatus::NOT_START, None, Concern::Running),
            (TaskStatus::CANCELING, None, Concern::Running),
            (TaskStatus::SUCCESS, None, Concern::Ended),
            (TaskStatus::CANCELED, None, Concern::Ended),
            (TaskStatus::STOP_SYNCING, None, Concern::Ended),
        ] {
            let position = lag.map(|lag_seconds| Position { unix_seconds: 1, lag_seconds });
            let kind = TaskType::INCREMENTAL;
            let task = domain::Task { import_id: ImportId(1), kind, status, position };
            assert_eq!(Concern::of(&task), concern, "{status} {lag:?}");
        }
        let order = [
            Concern::Failed,
            Concern::Lagging,
            Concern::UnknownStatus,
            Concern::Running,
            Concern::Ended,
        ];
        assert!(order.is_sorted());
    }
}
