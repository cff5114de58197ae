//! The tasks of one instance that the exporter knows, and what an ended walk changes about them.
//!
//! Pure bookkeeping: which tasks are there, which left the list and are still followed, which
//! status each entered. It asks nothing and knows no clock; times are handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{ImportId, Task, TaskStatus};
use crate::poll::walk::Walked;

/// Most tasks that are asked for by number in one poll; the others have their turn at the next ones.
pub(crate) const MAX_ASKS: usize = 100;

/// The known tasks of an instance.
#[derive(Debug)]
pub(crate) struct Roster {
    known: BTreeMap<ImportId, Known>,
    /// The last task that was asked for by number: the next one has its turn first.
    last_asked: ImportId,
    /// Whether a regular walk has succeeded: what was there then entered no status that we saw.
    walked: bool,
    /// Whether a deep walk has succeeded, likewise.
    deep_walked: bool,
    transitions: Arc<BTreeMap<TaskStatus, u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    task: Task,
    place: Place,
}

/// Where a task was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the list of the regular window.
    Listed,
    /// By its number or by a deep walk, after it left the regular window.
    Outside { last_seen: Duration },
}

/// What asking for a single task by its number gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is in the regular window, so the walk must have missed it.
    Listed(Task),
    /// It is in the deep window only.
    Outside(Task),
    /// It is in neither.
    Nowhere,
    /// The API refuses to tell.
    Refused,
}

/// A task that was seen to enter a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// The task as it is now.
    pub(crate) task: Task,
    /// The status before; `None` for a new task.
    pub(crate) from: Option<TaskStatus>,
}

impl Roster {
    /// Knows nothing yet.
    pub(crate) fn new() -> Self {
        let transitions = TaskStatus::DOCUMENTED.into_iter().map(|status| (status, 0)).collect();
        Self {
            known: BTreeMap::new(),
            last_asked: ImportId(0),
            walked: false,
            deep_walked: false,
            transitions: Arc::new(transitions),
        }
    }

    /// The tasks to show, in the order of their numbers.
    pub(crate) fn tasks(&self) -> Arc<[Task]> {
        self.known.values().map(|known| known.task).collect()
    }

    /// Whether any task is not final.
    pub(crate) fn is_active(&self) -> bool {
        self.known.values().any(|known| !known.task.status.is_final())
    }

    /// How often a task was seen to enter each status.
    pub(crate) fn transitions(&self) -> Arc<BTreeMap<TaskStatus, u64>> {
        Arc::clone(&self.transitions)
    }

    /// The tasks that the regular list must show again or prove gone: listed and final. The others
    /// are asked for one by one when they are missing.
    pub(crate) fn expected(&self) -> BTreeSet<ImportId> {
        let expected = self
            .known
            .values()
            .filter(|known| known.place == Place::Listed && known.task.status.is_final());
        expected.map(|known| known.task.import_id).collect()
    }

    /// The tasks to ask for by number after a walk: those that are not final and not in its list,
    /// in turns if they are many. A list that moved may have hidden a listed one; it stays as it is
    /// until a clean walk.
    pub(crate) fn choose_asks(&mut self, walked: &Walked) -> Vec<Ask> {
        let listed: BTreeSet<ImportId> = walked.tasks.iter().map(|task| task.import_id).collect();
        let after = (Bound::Excluded(self.last_asked), Bound::Unbounded);
        let in_turn = self.known.range(after).chain(self.known.range(..=self.last_asked));
        let missing = in_turn.map(|(_, known)| known).filter(|known| {
            let open = !known.task.status.is_final();
            let due = walked.clean || known.place != Place::Listed;
            open && due && !listed.contains(&known.task.import_id)
        });
        let asks: Vec<Ask> = missing
            .take(MAX_ASKS)
            .map(|known| Ask {
                import_id: known.task.import_id,
                left_window: known.place != Place::Listed,
            })
            .collect();
        self.last_asked = asks.last().map_or(self.last_asked, |ask| ask.import_id);
        asks
    }

    /// Takes over what a regular walk and the questions after it gave, at the time `now`. A task
    /// that was to be asked for and has no answer here stays as it is.
    pub(crate) fn update(
        &mut self,
        walked: &Walked,
        found: &BTreeMap<ImportId, Found>,
        now: Duration,
        final_retention: Duration,
    ) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for task in &walked.tasks {
            self.enter(*task, Place::Listed, self.walked, &mut transitions);
        }
        for (id, found) in found {
            let outside = Place::Outside { last_seen: now };
            match *found {
                Found::Listed(task) => self.enter(task, Place::Listed, true, &mut transitions),
                Found::Outside(task) => self.enter(task, outside, true, &mut transitions),
                Found::Refused => self.lose_sight(*id, outside),
                Found::Nowhere => {}
            }
        }
        if walked.clean {
            let listed: BTreeSet<_> = walked.tasks.iter().map(|task| task.import_id).collect();
            self.known.retain(|id, known| {
                listed.contains(id) || known.stays(found.get(id), now, final_retention)
            });
        }
        self.walked = true;
        self.count(&transitions);
        transitions
    }

    /// Takes over what a deep walk found: tasks that are not final and that we do not know.
    pub(crate) fn update_deep(&mut self, walked: &Walked, now: Duration) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for task in &walked.tasks {
            if !task.status.is_final() && !self.known.contains_key(&task.import_id) {
                let place = Place::Outside { last_seen: now };
                self.enter(*task, place, self.deep_walked, &mut transitions);
            }
        }
        self.deep_walked = true;
        self.count(&transitions);
        transitions
    }

    fn enter(&mut self, task: Task, place: Place, counts: bool, seen: &mut Vec<Transition>) {
        let before = self.known.insert(task.import_id, Known { task, place });
        let from = before.map(|known| known.task.status);
        if counts && from != Some(task.status) {
            seen.push(Transition { task, from });
        }
    }

    /// A task that the list had at the last poll is out of sight from now on.
    fn lose_sight(&mut self, id: ImportId, outside: Place) {
        if let Some(known) = self.known.get_mut(&id)
            && known.place == Place::Listed
        {
            known.place = outside;
        }
    }

    fn count(&mut self, transitions: &[Transition]) {
        if transitions.is_empty() {
            return;
        }
        let counts = Arc::make_mut(&mut self.transitions);
        for transition in transitions {
            *counts.entry(transition.task.status).or_default() += 1;
        }
    }
}

/// A task to ask for by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) import_id: ImportId,
    /// It was outside the regular window before: windows only move on, so it is there still.
    pub(crate) left_window: bool,
}

impl Known {
    /// Whether a task that a clean walk did not list stays.
    fn stays(&self, found: Option<&Found>, now: Duration, final_retention: Duration) -> bool {
        let seen_lately = |last_seen: Duration| now < last_seen.saturating_add(final_retention);
        match (found, self.place) {
            (Some(Found::Listed(_) | Found::Outside(_)), _) => true,
            (Some(Found::Nowhere), _) => false,
            // Not asked for, or without an answer that tells.
            (None, _) if !self.task.status.is_final() => true,
            (Some(Found::Refused) | None, Place::Outside { last_seen }) => seen_lately(last_seen),
            (Some(Found::Refused) | None, Place::Listed) => false,
        }
    }
}
