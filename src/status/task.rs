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
    /// Every one, those first that matter most.
    pub(crate) const ALL: [Self; 5] =
        [Self::Failed, Self::Lagging, Self::UnknownStatus, Self::Running, Self::Ended];

    /// Its name in JSON and in queries.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Lagging => "lagging",
            Self::UnknownStatus => "unknown_status",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|concern| concern.as_str() == name)
    }

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
    pub(crate) account: &'a str,
    /// Label of the instance.
    pub(crate) region_id: &'a str,
    /// Label of the instance.
    pub(crate) db_instance_id: &'a str,
    /// The instance's name for people; may be empty.
    pub(crate) name: &'a str,
    /// The instance's engine.
    pub(crate) engine: &'static str,
    /// The task's number.
    pub(crate) import_id: u64,
    /// `ImportDataType`
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// `ImportDataStatus`
    pub(crate) status: &'static str,
    /// `ImportDataStatusDescription`, as free as the API's text is.
    pub(crate) status_description: Option<&'a str>,
    /// Since when the exporter has seen it in this status, in Unix seconds.
    pub(crate) status_seen_since_timestamp_seconds: Option<u32>,
    /// Whether it was seen to enter the status then; else it was in it before.
    pub(crate) status_seen_to_begin: bool,
    /// How much it matters.
    pub(crate) concern: Concern,
    /// Metric of the task.
    pub(crate) task_incremental_lag_seconds: Option<u32>,
    /// Metric of the task.
    pub(crate) task_incremental_position_timestamp_seconds: Option<u32>,
    /// Estimated seconds until it has caught up; only while its lag falls.
    pub(crate) catch_up_seconds: Option<u64>,
    /// Metric of the instance.
    pub(crate) instance_up: Option<u8>,
    /// Metric of the instance: the task is as old as this.
    pub(crate) instance_last_success_timestamp_seconds: Option<f64>,
    /// Its last lag readings, the oldest first.
    #[serde(skip)]
    pub(crate) readings: &'a [Reading],
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
    fn a_concern_has_the_same_name_everywhere() {
        for concern in Concern::ALL {
            assert_eq!(serde_json::to_value(concern).unwrap(), concern.as_str());
            assert_eq!(Concern::named(concern.as_str()), Some(concern));
        }
        assert_eq!(Concern::named("Failed"), None);
    }

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
        assert!(Concern::ALL.is_sorted());
    }
}
