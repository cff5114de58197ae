//! The tasks of an instance, as rows that readers share.

use std::ops::Deref;
use std::sync::Arc;

use crate::domain::Task;

use super::revision::Revision;

/// Tasks of one instance, each once, in the order of their numbers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TaskList {
    tasks: Arc<[Task]>,
    statuses: Revision,
    positions: Revision,
    has_positions: bool,
}

impl TaskList {
    /// The list that takes the place of this one. What `tasks` leave as it was keeps its revision;
    /// if that is all, the rows are the same memory. `tasks` are in the order of their numbers.
    pub fn changed_to(&self, tasks: Vec<Task>) -> Self {
        debug_assert!(tasks.is_sorted_by(|a, b| a.import_id < b.import_id));
        if *self.tasks == *tasks {
            return self.clone();
        }
        let same = |same: fn(&Task, &Task) -> bool| {
            self.tasks.len() == tasks.len()
                && self.tasks.iter().zip(&tasks).all(|(before, after)| same(before, after))
        };
        let same_statuses = same(|before, after| {
            Task { position: None, ..*before } == Task { position: None, ..*after }
        });
        let same_positions = same(|before, after| {
            (before.import_id, before.position) == (after.import_id, after.position)
        });
        Self {
            has_positions: tasks.iter().any(|task| task.position.is_some()),
            statuses: if same_statuses { self.statuses } else { Revision::new() },
            positions: if same_positions { self.positions } else { Revision::new() },
            tasks: tasks.into(),
        }
    }

    /// Changes with what tasks there are, their types and their statuses.
    pub fn statuses(&self) -> Revision {
        self.statuses
    }

    /// Whether it is known of any of them how far it has come.
    pub fn has_positions(&self) -> bool {
        self.has_positions
    }

    /// Changes with what tasks there are and how far they have come.
    pub fn positions(&self) -> Revision {
        self.positions
    }
}

impl Default for TaskList {
    fn default() -> Self {
        let (statuses, positions) = (Revision::new(), Revision::new());
        Self { tasks: Arc::new([]), statuses, positions, has_positions: false }
    }
}

impl Deref for TaskList {
    type Target = [Task];

    fn deref(&self) -> &[Task] {
        &self.tasks
    }
}

impl FromIterator<Task> for TaskList {
    fn from_iter<I: IntoIterator<Item = Task>>(tasks: I) -> Self {
        Self::from(tasks.into_iter().collect::<Vec<_>>())
    }
}

impl From<Vec<Task>> for TaskList {
    fn from(tasks: Vec<Task>) -> Self {
        Self::default().changed_to(tasks)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{ImportId, Position, TaskStatus, TaskType};

    use super::*;

    fn task(import_id: u64, status: TaskStatus, lag_seconds: u32) -> Task {
        let position = Some(Position { unix_seconds: 1_787_220_000, lag_seconds });
        Task { import_id: ImportId(import_id), kind: TaskType::INCREMENTAL, status, position }
    }

    #[test]
    fn an_unchanged_list_is_the_same_memory_and_keeps_its_revisions() {
        let tasks = vec![task(1, TaskStatus::INCREMENTAL_WAITING, 3)];
        let before = TaskList::from(tasks.clone());
        let after = before.changed_to(tasks);
        assert!(Arc::ptr_eq(&before.tasks, &after.tasks));
        assert_eq!((before.statuses, before.positions), (after.statuses, after.positions));
    }

    #[test]
    fn what_changed_and_only_that_has_a_new_revision() {
        let before = TaskList::from(vec![task(1, TaskStatus::INCREMENTAL_WAITING, 3)]);
        let moved = before.changed_to(vec![task(1, TaskStatus::INCREMENTAL_WAITING, 4)]);
        assert_eq!(moved.statuses, before.statuses);
        assert_ne!(moved.positions, before.positions);

        let entered = before.changed_to(vec![task(1, TaskStatus::INCREMENTAL_IMPORTING, 3)]);
        assert_ne!(entered.statuses, before.statuses);
        assert_eq!(entered.positions, before.positions);

        let other = before.changed_to(vec![task(2, TaskStatus::INCREMENTAL_WAITING, 3)]);
        assert_ne!(other.statuses, before.statuses);
        assert_ne!(other.positions, before.positions);
        let more = before.changed_to(vec![]);
        assert_ne!((more.statuses, more.positions), (before.statuses, before.positions));
    }
}
