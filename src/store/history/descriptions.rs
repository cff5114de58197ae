//! The API's words about the tasks of an instance.
//!
//! Most of them follow from the status, and are the same for thousands of tasks: those are kept once
//! for each status, and only what differs for each task.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::domain::{Description, ImportId, Task, TaskStatus};

/// Tasks of an instance whose own words are kept: those with the highest numbers.
const MAX_OTHERS: usize = 1_000;
/// Fewer distinct texts are not looked through for ones that nobody uses any more.
const FEW_WORDS: usize = 256;

/// What the API says of each task; nothing of those that succeeded.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    /// What it says of most tasks in a status.
    usual: Box<[(TaskStatus, Arc<str>)]>,
    /// Tasks of which it says something else, or nothing.
    others: BTreeMap<ImportId, Option<Arc<str>>>,
}

/// Every text in use, once.
#[derive(Debug, Default)]
pub(super) struct Words {
    texts: HashSet<Arc<str>>,
    /// How many there were when unused ones were last thrown away.
    in_use: usize,
}

impl Descriptions {
    /// What the API says of a task that it described.
    pub(super) fn of(&self, task: &Task) -> Option<&Arc<str>> {
        match self.others.get(&task.import_id) {
            Some(other) => other.as_ref(),
            None => self.usual_of(task.status),
        }
    }

    /// Takes over `fresh` texts. The others stay with the tasks that are in the status they were in.
    /// All are in the order of the tasks' numbers.
    pub(super) fn update(
        &mut self,
        tasks: &[Task],
        entered: &[ImportId],
        fresh: &[Description],
        words: &mut Words,
    ) {
        if fresh.is_empty() && self.usual.is_empty() && self.others.is_empty() {
            return;
        }
        let holds = self.said(tasks, entered, fresh).all(|(task, text)| self.of(task) == text);
        if holds && self.others.keys().all(|id| is_in(tasks, *id)) {
            return;
        }
        let said = self.said(tasks, entered, fresh);
        let said: Vec<_> =
            said.map(|(task, text)| (task, text.map(|text| words.shared(text)))).collect();
        self.usual = usual(&said);
        let others =
            said.into_iter().filter(|(task, text)| self.usual_of(task.status) != text.as_ref());
        self.others = others.map(|(task, text)| (task.import_id, text)).collect();
        if self.others.len() > MAX_OTHERS {
            // Without its own words a task must not be given the usual ones.
            self.usual = Box::default();
            self.others.retain(|_, text| text.is_some());
            while self.others.len() > MAX_OTHERS {
                self.others.pop_first();
            }
        }
    }

    /// What is said now of each task that did not succeed.
    fn said<'a, 't>(
        &'a self,
        tasks: &'t [Task],
        entered: &'a [ImportId],
        fresh: &'a [Description],
    ) -> impl Iterator<Item = (&'t Task, Option<&'a Arc<str>>)> {
        let mut fresh = fresh.iter().peekable();
        let open = tasks.iter().filter(|task| task.status != TaskStatus::SUCCESS);
        open.map(move |task| {
            while fresh.next_if(|(id, _)| *id < task.import_id).is_some() {}
            let text = fresh.next_if(|(id, _)| *id == task.import_id).map(|(_, text)| text);
            let text = match text.filter(|text| !text.trim().is_empty()) {
                None if entered.binary_search(&task.import_id).is_err() => self.of(task),
                text => text,
            };
            (task, text)
        })
    }

    fn usual_of(&self, status: TaskStatus) -> Option<&Arc<str>> {
        self.usual.iter().find(|(of, _)| *of == status).map(|(_, text)| text)
    }
}

fn is_in(tasks: &[Task], id: ImportId) -> bool {
    tasks.binary_search_by_key(&id, |task| task.import_id).is_ok()
}

/// What is said most often of tasks in each status, unless that is nothing.
fn usual(said: &[(&Task, Option<Arc<str>>)]) -> Box<[(TaskStatus, Arc<str>)]> {
    let mut counts: BTreeMap<(TaskStatus, Option<&Arc<str>>), usize> = BTreeMap::new();
    for (task, text) in said {
        *counts.entry((task.status, text.as_ref())).or_default() += 1;
    }
    let mut most: BTreeMap<TaskStatus, (usize, Option<&Arc<str>>)> = BTreeMap::new();
    for ((status, text), count) in counts {
        let before = most.entry(status).or_default();
        if count > before.0 {
            *before = (count, text);
        }
    }
    let most = most.into_iter();
    most.filter_map(|(status, (_, text))| Some((status, Arc::clone(text?)))).collect()
}

impl Words {
    fn shared(&mut self, text: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= FEW_WORDS.max(2 * self.in_use) {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.texts.shrink_to(2 * self.texts.len());
            self.in_use = self.texts.len();
        }
        self.texts.insert(Arc::clone(text));
        Arc::clone(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::TaskType;

    use super::*;

    fn task(import_id: u64, status: TaskStatus) -> Task {
        Task { import_id: ImportId(import_id), kind: TaskType::FULL, status, position: None }
    }

    fn texts<'a>(pairs: impl IntoIterator<Item = (u64, &'a str)>) -> Vec<Description> {
        pairs.into_iter().map(|(id, text)| (ImportId(id), text.into())).collect()
    }

    fn of(descriptions: &Descriptions, task: &Task) -> Option<String> {
        descriptions.of(task).map(|text| text.to_string())
    }

    #[test]
    fn every_task_has_its_own_words_and_common_ones_take_no_room() {
        let tasks: Vec<_> = (0..100).map(|id| task(id, TaskStatus::FAILED)).collect();
        let said = (0..100).map(|id| match id {
            7 => (id, "disk full"),
            8 => (id, ""),
            _ => (id, "refused"),
        });
        let (mut descriptions, mut words) = (Descriptions::default(), Words::default());
        descriptions.update(&tasks, &[], &texts(said), &mut words);
        for task in &tasks {
            let expected = match task.import_id.0 {
                7 => Some("disk full"),
                8 => None,
                _ => Some("refused"),
            };
            assert_eq!(of(&descriptions, task).as_deref(), expected, "{task:?}");
        }
        assert_eq!((descriptions.usual.len(), descriptions.others.len()), (1, 2));
    }

    #[test]
    fn a_text_stays_with_the_status_and_goes_with_it() {
        let (mut descriptions, mut words) = (Descriptions::default(), Words::default());
        let running = [task(1, TaskStatus::FULL_IMPORTING), task(2, TaskStatus::FULL_IMPORTING)];
        let said = texts([(1, "table 3 of 7"), (2, "table 3 of 7")]);
        descriptions.update(&running, &[], &said, &mut words);
        descriptions.update(&running, &[], &[], &mut words);
        assert_eq!(of(&descriptions, &running[0]).as_deref(), Some("table 3 of 7"));

        let canceled = [task(1, TaskStatus::CANCELED), running[1]];
        descriptions.update(&canceled, &[ImportId(1)], &[], &mut words);
        assert_eq!(of(&descriptions, &canceled[0]), None);
        assert_eq!(of(&descriptions, &canceled[1]).as_deref(), Some("table 3 of 7"));

        // A new task is not given what was said of others.
        let more = [canceled[0], canceled[1], task(3, TaskStatus::FULL_IMPORTING)];
        descriptions.update(&more, &[ImportId(3)], &[], &mut words);
        assert_eq!(of(&descriptions, &more[2]), None);
        assert_eq!(of(&descriptions, &more[1]).as_deref(), Some("table 3 of 7"));
    }

    #[test]
    fn beyond_a_limit_words_are_missing_but_never_wrong() {
        let tasks: Vec<_> = (0..3_000).map(|id| task(id, TaskStatus::FAILED)).collect();
        let own: Vec<_> = (0..3_000)
            .map(|id| if id % 2 == 0 { "refused".to_owned() } else { format!("reason {id}") })
            .collect();
        let said = texts((0..).zip(own.iter().map(String::as_str)));
        let (mut descriptions, mut words) = (Descriptions::default(), Words::default());
        descriptions.update(&tasks, &[], &said, &mut words);
        assert_eq!(descriptions.others.len(), MAX_OTHERS);
        for task in &tasks {
            let text = of(&descriptions, task);
            let own = &own[task.import_id.0 as usize];
            assert!(text.is_none() || text.as_ref() == Some(own), "{task:?} {text:?}");
        }
        assert_eq!(of(&descriptions, &tasks[2_999]).as_deref(), Some("reason 2999"));
    }

    #[test]
    fn texts_that_nobody_uses_are_thrown_away() {
        let mut words = Words::default();
        let kept = words.shared(&"kept".into());
        for n in 0..10_000 {
            drop(words.shared(&format!("text {n}").into()));
        }
        assert!(words.texts.len() <= FEW_WORDS + 1, "{}", words.texts.len());
        assert!(Arc::ptr_eq(&kept, &words.shared(&"kept".into())));
    }
}
