//! The tasks of one instance that the exporter knows, and what an ended walk changes about them.
//!
//! Pure bookkeeping: which tasks are there, which left the list and are still followed, which
//! status each entered. It asks nothing and knows no clock; times are handed in.

use std::collections::BTreeMap;
use std::iter::from_fn;
use std::time::Duration;

use crate::domain::{ImportId, Task, TaskStatus};
use crate::poll::walk::Walked;
use crate::store::{Revised, TaskList, Transitions, no_transitions};

/// Most tasks that are asked for by number in one poll; the others have their turn at the next ones.
pub(crate) const MAX_ASKS: usize = 100;

/// The known tasks of an instance.
#[derive(Debug)]
pub(crate) struct Roster {
    tasks: TaskList,
    /// When each task was last seen that is not in the list of the regular window any more.
    outside: BTreeMap<ImportId, Duration>,
    /// The last task that was asked for by number: the next one has its turn first.
    last_asked: ImportId,
    /// Whether a regular walk has succeeded: what was there then entered no status that we saw.
    walked: bool,
    /// Whether a deep walk has succeeded, likewise.
    deep_walked: bool,
    transitions: Revised<Transitions>,
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
        Self {
            tasks: TaskList::default(),
            outside: BTreeMap::new(),
            last_asked: ImportId(0),
            walked: false,
            deep_walked: false,
            transitions: no_transitions(),
        }
    }

    /// The tasks to show.
    pub(crate) fn tasks(&self) -> &TaskList {
        &self.tasks
    }

    /// Whether any task is not final.
    pub(crate) fn is_active(&self) -> bool {
        self.tasks.iter().any(|task| !task.status.is_final())
    }

    /// How often a task was seen to enter each status.
    pub(crate) fn transitions(&self) -> &Revised<Transitions> {
        &self.transitions
    }

    /// The tasks that the regular list must show again or prove gone: listed and final. The others
    /// are asked for one by one when they are missing. In the order of their numbers.
    pub(crate) fn expected(&self) -> Vec<ImportId> {
        let known = self.tasks.iter();
        let expected = known.filter(|task| task.status.is_final() && self.is_listed(task));
        expected.map(|task| task.import_id).collect()
    }

    /// The tasks to ask for by number after a walk: those that are not final and not in its list,
    /// in turns if they are many. A list that moved may have hidden a listed one; it stays as it is
    /// until a clean walk.
    pub(crate) fn choose_asks(&mut self, walked: &Walked) -> Vec<Ask> {
        let id = |task: &Task| task.import_id;
        if self.tasks.iter().map(id).eq(walked.tasks.iter().map(id)) {
            // None is missing, as after most walks.
            return Vec::new();
        }
        let next = self.tasks.partition_point(|task| task.import_id <= self.last_asked);
        let in_turn = self.tasks[next..].iter().chain(&self.tasks[..next]);
        let missing = in_turn.filter(|task| {
            let open = !task.status.is_final();
            let due = walked.clean || !self.is_listed(task);
            open && due && find(&walked.tasks, task.import_id).is_none()
        });
        let asks: Vec<Ask> = missing
            .take(MAX_ASKS)
            .map(|task| Ask { import_id: task.import_id, left_window: !self.is_listed(task) })
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
        for task in &walked.tasks {
            self.outside.remove(&task.import_id);
        }
        for (id, found) in found {
            match found {
                Found::Listed(_) => drop(self.outside.remove(id)),
                Found::Outside(_) => drop(self.outside.insert(*id, now)),
                // One that was in the list at the last poll is out of sight from now on.
                Found::Refused => drop(self.outside.entry(*id).or_insert(now)),
                Found::Nowhere => {}
            }
        }
        let counts_new = self.walked;
        self.walked = true;

        if walked.tasks == *self.tasks && found.is_empty() {
            // As known already, and all of it in the list: what most walks show.
            self.outside.clear();
            return Vec::new();
        }
        let answers = found.values().filter_map(Found::task);
        let mut fresh: Vec<Task> = walked.tasks.iter().copied().chain(answers).collect();
        fresh.sort_by_key(|task| task.import_id);
        let stays = |task: &Task| {
            !walked.clean || self.stays(task, found.get(&task.import_id), now, final_retention)
        };
        let (tasks, transitions) = merge(&self.tasks, &fresh, counts_new, stays);
        self.outside.retain(|id, _| find(&tasks, *id).is_some());
        self.take_over(tasks, transitions)
    }

    /// Takes over what a deep walk found: tasks that are not final and that we do not know.
    pub(crate) fn update_deep(&mut self, walked: &Walked, now: Duration) -> Vec<Transition> {
        let unknown = |task: &&Task| find(&self.tasks, task.import_id).is_none();
        let open = walked.tasks.iter().filter(|task| !task.status.is_final());
        let fresh: Vec<Task> = open.filter(unknown).copied().collect();
        self.outside.extend(fresh.iter().map(|task| (task.import_id, now)));
        let (tasks, transitions) = merge(&self.tasks, &fresh, self.deep_walked, |_| true);
        self.deep_walked = true;
        self.take_over(tasks, transitions)
    }

    fn is_listed(&self, task: &Task) -> bool {
        !self.outside.contains_key(&task.import_id)
    }

    /// Whether a task that a clean walk did not list stays.
    fn stays(
        &self,
        task: &Task,
        found: Option<&Found>,
        now: Duration,
        final_retention: Duration,
    ) -> bool {
        match found {
            Some(Found::Listed(_) | Found::Outside(_)) => true,
            Some(Found::Nowhere) => false,
            // Not asked for, or without an answer that tells.
            None if !task.status.is_final() => true,
            Some(Found::Refused) | None => self
                .outside
                .get(&task.import_id)
                .is_some_and(|last_seen| now < last_seen.saturating_add(final_retention)),
        }
    }

    fn take_over(&mut self, tasks: Vec<Task>, transitions: Vec<Transition>) -> Vec<Transition> {
        self.tasks = self.tasks.changed_to(tasks);
        if !transitions.is_empty() {
            let mut counts = (*self.transitions).clone();
            for transition in &transitions {
                counts.add(transition.task.status, 1);
            }
            self.transitions = Revised::new(counts);
        }
        transitions
    }
}

impl Found {
    fn task(&self) -> Option<Task> {
        match self {
            Self::Listed(task) | Self::Outside(task) => Some(*task),
            Self::Nowhere | Self::Refused => None,
        }
    }
}

/// The task of that number in `tasks`, which are in the order of their numbers.
fn find(tasks: &[Task], id: ImportId) -> Option<&Task> {
    tasks.binary_search_by_key(&id, |task| task.import_id).ok().map(|place| &tasks[place])
}

/// Puts `fresh` in the place of what `known` says of the same tasks, and drops the others unless
/// they stay. All are in the order of their numbers. Also says which tasks entered a status, new
/// ones only if `counts_new`.
fn merge(
    known: &[Task],
    fresh: &[Task],
    counts_new: bool,
    stays: impl Fn(&Task) -> bool,
) -> (Vec<Task>, Vec<Transition>) {
    let mut tasks = Vec::with_capacity(fresh.len());
    let mut transitions = Vec::new();
    let mut known = known.iter().peekable();
    for task in fresh {
        tasks.extend(
            from_fn(|| known.next_if(|old| old.import_id < task.import_id))
                .filter(|old| stays(old)),
        );
        let before = known.next_if(|old| old.import_id == task.import_id);
        let from = before.map(|old| old.status);
        if from != Some(task.status) && (from.is_some() || counts_new) {
            transitions.push(Transition { task: *task, from });
        }
        tasks.push(*task);
    }
    tasks.extend(known.filter(|old| stays(old)));
    (tasks, transitions)
}

/// A task to ask for by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) import_id: ImportId,
    /// It was outside the regular window before: windows only move on, so it is there still.
    pub(crate) left_window: bool,
}
