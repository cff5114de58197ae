//! Which tasks and instances are shown.

use crate::domain::Task;
use crate::store::InstanceSnapshot;

use super::task::Concern;

/// Which instances are shown. An empty list shows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceFilter {
    /// Names of accounts.
    pub(crate) account: Vec<String>,
    /// Region IDs.
    pub(crate) region_id: Vec<String>,
    /// Instance IDs.
    pub(crate) db_instance_id: Vec<String>,
    /// What ID or name contain, in any case.
    pub(crate) containing: String,
    /// States of polling: `active`, `failing`, `idle`, `pending`.
    pub(crate) state: Vec<String>,
}

/// Which tasks are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskFilter {
    /// Those of these instances.
    pub(crate) instances: InstanceFilter,
    /// Numbers of tasks.
    pub(crate) import_id: Vec<u64>,
    /// Types, in the API's spelling.
    pub(crate) kind: Vec<String>,
    /// Statuses, in the API's spelling.
    pub(crate) status: Vec<String>,
    /// How much they matter.
    pub(crate) concern: Vec<Concern>,
}

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// How many are left out at the start.
    pub(crate) offset: usize,
    /// How many are shown at most.
    pub(crate) limit: usize,
}

impl InstanceFilter {
    /// Whether the instance is shown.
    pub(crate) fn shows(&self, instance: &InstanceSnapshot) -> bool {
        let key = instance.key();
        any(&self.account, &key.account)
            && any(&self.region_id, &key.region_id)
            && any(&self.db_instance_id, &key.db_instance_id)
            && any(&self.state, instance.state.as_str())
            && (contains(&key.db_instance_id, &self.containing)
                || contains(&instance.identity.name, &self.containing))
    }
}

impl TaskFilter {
    /// Whether a task of an instance that is shown is shown.
    pub(crate) fn shows(&self, task: &Task) -> bool {
        let Task { import_id, kind, status, .. } = task;
        any(&self.status, status.as_str())
            && any(&self.kind, kind.as_str())
            && (self.concern.is_empty() || self.concern.contains(&Concern::of(task)))
            && (self.import_id.is_empty() || self.import_id.contains(&import_id.0))
    }
}

impl Slice {
    /// Everything.
    pub(crate) const ALL: Self = Self { offset: 0, limit: usize::MAX };

    /// The part of `list`.
    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        let start = self.offset.min(list.len());
        let end = start.saturating_add(self.limit).min(list.len());
        &list[start..end]
    }
}

fn any(allowed: &[String], value: &str) -> bool {
    allowed.is_empty() || allowed.iter().any(|allowed| allowed == value)
}

fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase())
}
