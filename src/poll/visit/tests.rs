use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::api::Kind;
use crate::domain::{Task, TaskStatus, TaskType};
use crate::poll::roster::MAX_ASKS;

const SIZE: u32 = 30;
const NOW: &str = "2026-11-24T12:00:30Z";
const RETENTION: Duration = Duration::from_secs(86_400);

/// An instance's list as a server holds it.
#[derive(Clone, Debug, Default)]
struct Server {
    tasks: Vec<Entry>,
    next_id: u64,
    calls: Vec<Question>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    task: Task,
    in_window: bool,
}

/// Something that happens to the list between two calls.
#[derive(Clone, Debug)]
enum Change {
    Insert { at: usize, open: bool },
    Remove(usize),
    Finish(usize),
    LeaveWindow(usize),
}

impl Server {
    fn with(statuses: &[TaskStatus]) -> Self {
        let mut server = Self::default();
        for status in statuses {
            server.add(usize::MAX, *status);
        }
        server
    }

    fn add(&mut self, at: usize, status: TaskStatus) -> ImportId {
        self.next_id += 1;
        let import_id = ImportId(self.next_id);
        let task = Task { import_id, ..task_in(status) };
        self.tasks.insert(at.min(self.tasks.len()), Entry { task, in_window: true });
        import_id
    }

    fn entry(&mut self, id: ImportId) -> &mut Entry {
        self.tasks.iter_mut().find(|entry| entry.task.import_id == id).unwrap()
    }

    fn happen(&mut self, change: &Change) {
        let count = self.tasks.len();
        match change {
            Change::Insert { at, open: true } => {
                self.add(at % (count + 1), TaskStatus::FULL_IMPORTING);
            }
            Change::Insert { at, open: false } => {
                self.add(at % (count + 1), TaskStatus::CANCELED);
            }
            _ if count == 0 => {}
            Change::Remove(at) => {
                self.tasks.remove(at % count);
            }
            Change::Finish(at) => self.tasks[at % count].task.status = TaskStatus::SUCCESS,
            Change::LeaveWindow(at) => self.tasks[at % count].in_window = false,
        }
    }

    fn answer(&mut self, question: Question) -> Result<Page, Error> {
        self.calls.push(question);
        let deep = question.window.end - question.window.start > chrono::TimeDelta::days(100);
        let window = self.tasks.iter().filter(|entry| deep || entry.in_window);
        let list: Vec<Task> = window.map(|entry| entry.task).collect();
        let (number, tasks) = match question.what {
            What::Page { number, size } => {
                let start = ((number - 1) * size) as usize;
                (number, list.iter().skip(start).take(size as usize).copied().collect())
            }
            What::Task(id) => {
                (1, list.iter().filter(|task| task.import_id == id).copied().collect::<Vec<_>>())
            }
        };
        let total = match question.what {
            What::Page { .. } => list.len(),
            What::Task(_) => tasks.len(),
        };
        Ok(Page { number: Some(number), total: total as u64, tasks, descriptions: Vec::new() })
    }
}

fn plan(deep: bool) -> Plan {
    Plan {
        now: NOW.parse().unwrap(),
        lookback: Duration::from_secs(30 * 86_400),
        deep_lookback: Duration::from_secs(365 * 86_400),
        deep,
        page_size: SIZE,
        max_restarts: 2,
        final_retention: RETENTION,
        ask_until: Duration::MAX,
    }
}

/// Runs a visit at `now`, with answers from `answer`.
fn visit(
    roster: &mut Roster,
    plan: Plan,
    now: u64,
    mut answer: impl FnMut(Question) -> Result<Page, Error>,
) -> (Option<Report>, Ending) {
    let now = Duration::from_secs(now);
    let mut visit = Visit::new(plan, roster);
    let mut report = None;
    loop {
        match visit.next(now) {
            Next::Ask(question) => visit.answer(answer(question), now),
            Next::Publish(published) => report = Some(published),
            Next::End(ending) => return (report, ending),
        }
    }
}

fn poll(server: &mut Server, roster: &mut Roster, now: u64) -> Report {
    visit(roster, plan(false), now, |question| server.answer(question)).0.unwrap()
}

fn deep_poll(server: &mut Server, roster: &mut Roster, now: u64) -> Ending {
    visit(roster, plan(true), now, |question| server.answer(question)).1
}

fn ids(roster: &Roster) -> BTreeSet<ImportId> {
    roster.tasks().iter().map(|task| task.import_id).collect()
}

fn status_of(roster: &Roster, id: ImportId) -> Option<TaskStatus> {
    roster.tasks().iter().find(|task| task.import_id == id).map(|task| task.status)
}

fn task_in(status: TaskStatus) -> Task {
    Task { import_id: ImportId(1), kind: TaskType::FULL, status, position: None }
}

fn refused(code: &str) -> Error {
    Error::answered(code, 400, "", None)
}

const OPEN: TaskStatus = TaskStatus::FULL_IMPORTING;
const DONE: TaskStatus = TaskStatus::SUCCESS;

#[test]
fn sends_the_same_window_with_every_page() {
    let mut server = Server::with(&[DONE; 65]);
    poll(&mut server, &mut Roster::new(), 0);

    let windows: BTreeSet<String> =
        server.calls.iter().map(|question| format!("{:?}", question.window)).collect();
    assert_eq!((server.calls.len(), windows.len()), (3, 1));
    assert_eq!(server.calls[0].window.end.to_rfc3339(), "2026-11-24T12:00:00+00:00");
}

#[test]
fn a_failed_page_changes_nothing() {
    let mut server = Server::with(&[OPEN; 40]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();

    let mut calls = 0;
    let (report, ending) = visit(&mut roster, plan(true), 60, |_| {
        calls += 1;
        Err(Error::bad_response("x"))
    });

    assert!(report.is_none());
    assert_eq!(ending.walk_failure.unwrap().kind(), Kind::BadResponse);
    assert_eq!((roster.tasks().len(), calls), (40, 1));
}

#[test]
fn a_running_task_that_leaves_the_window_is_asked_for_by_number() {
    let mut server = Server::with(&[OPEN, DONE]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.entry(ImportId(1)).in_window = false;
    server.entry(ImportId(2)).in_window = false;
    server.calls.clear();

    poll(&mut server, &mut roster, 60);

    assert_eq!(ids(&roster), [ImportId(1)].into());
    let whats: Vec<What> = server.calls.iter().map(|question| question.what).collect();
    let page = What::Page { number: 1, size: SIZE };
    assert_eq!(whats, [page, What::Task(ImportId(1)), What::Task(ImportId(1))]);
    assert!(server.calls[2].window.start < server.calls[1].window.start);

    server.calls.clear();
    poll(&mut server, &mut roster, 120);
    assert_eq!(server.calls.len(), 2, "from now on it is looked for in the deep window only");
}

#[test]
fn a_task_that_ends_outside_the_window_stays_for_the_retention() {
    let mut server = Server::with(&[OPEN]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.entry(ImportId(1)).in_window = false;
    server.entry(ImportId(1)).task.status = TaskStatus::FAILED;

    let report = poll(&mut server, &mut roster, 60);
    assert_eq!(report.transitions[0].from, Some(OPEN));
    assert_eq!(status_of(&roster, ImportId(1)), Some(TaskStatus::FAILED));

    poll(&mut server, &mut roster, 60 + RETENTION.as_secs() - 1);
    assert_eq!(status_of(&roster, ImportId(1)), Some(TaskStatus::FAILED));
    poll(&mut server, &mut roster, 60 + RETENTION.as_secs());
    assert_eq!(status_of(&roster, ImportId(1)), None);
}

#[test]
fn a_running_task_that_is_in_neither_window_goes() {
    let mut server = Server::with(&[OPEN]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();

    poll(&mut server, &mut roster, 60);

    assert!(ids(&roster).is_empty());
}

#[test]
fn a_question_by_number_that_is_refused_keeps_the_task_for_the_retention() {
    let mut server = Server::with(&[OPEN]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();
    let mut poll_refusing = |now| {
        let answer = |question: Question| match question.what {
            What::Page { .. } => server.answer(question),
            What::Task(_) => Err(refused("InvalidParameter")),
        };
        let (report, _) = visit(&mut roster, plan(false), now, answer);
        assert!(report.is_some(), "the walk stands");
        roster.tasks().len()
    };

    assert_eq!(poll_refusing(60), 1);
    assert_eq!(poll_refusing(59 + RETENTION.as_secs()), 1);
    // An open task is only let go by an answer; it is asked for again at every poll.
    assert_eq!(poll_refusing(60 + RETENTION.as_secs()), 0);
}

#[test]
fn a_question_by_number_that_fails_keeps_the_task_and_ends_the_asking() {
    let mut server = Server::with(&[OPEN; 3]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();

    for now in [60, 60 + 2 * RETENTION.as_secs()] {
        let mut asked = 0;
        let (report, ending) = visit(&mut roster, plan(false), now, |question| {
            if let What::Page { .. } = question.what {
                return server.answer(question);
            }
            asked += 1;
            Err(Error::timeout("x"))
        });
        assert!(report.is_some() && ending.walk_failure.is_none());
        assert_eq!(ending.later_failure.unwrap().kind(), Kind::Unavailable);
        assert_eq!((roster.tasks().len(), asked), (3, 1));
    }
}

#[test]
fn an_answer_by_number_that_is_about_other_tasks_keeps_the_task() {
    for (total, listed) in [(1, None), (1, Some(9)), (30, Some(9))] {
        let mut server = Server::with(&[OPEN]);
        let mut roster = Roster::new();
        poll(&mut server, &mut roster, 0);
        server.tasks.clear();

        let answer = |question: Question| match question.what {
            What::Page { .. } => server.answer(question),
            What::Task(_) => {
                let import_id = listed.map(ImportId);
                let task = |import_id| Task { import_id, ..task_in(OPEN) };
                let tasks = import_id.into_iter().map(task).collect();
                Ok(Page { number: Some(1), total, tasks, descriptions: Vec::new() })
            }
        };
        let (report, ending) = visit(&mut roster, plan(false), 60, answer);

        assert!(report.is_some(), "the walk stands");
        assert_eq!(ending.later_failure.unwrap().kind(), Kind::BadResponse);
        assert_eq!(ids(&roster), [ImportId(1)].into());
    }
}

#[test]
fn many_tasks_outside_the_window_are_asked_for_in_turns() {
    let mut server = Server::with(&[OPEN; 150]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.iter_mut().for_each(|entry| entry.in_window = false);
    let mut asked = BTreeSet::new();
    for now in [60, 120] {
        server.calls.clear();
        poll(&mut server, &mut roster, now);
        let tasks = server.calls.iter().filter_map(|question| match question.what {
            What::Task(id) => Some(id),
            What::Page { .. } => None,
        });
        let tasks: BTreeSet<_> = tasks.collect();
        assert_eq!(tasks.len(), MAX_ASKS);
        asked.extend(tasks);
    }
    assert_eq!((asked.len(), roster.tasks().len()), (150, 150));
}

#[test]
fn asking_ends_in_time_and_the_walk_stands() {
    let mut server = Server::with(&[OPEN; 3]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();
    let id = server.add(0, DONE);
    server.calls.clear();

    let late = Plan { ask_until: Duration::from_secs(60), ..plan(false) };
    let (report, ending) = visit(&mut roster, late, 60, |question| server.answer(question));

    assert!(report.unwrap().clean && ending.walk_failure.is_none());
    assert_eq!((server.calls.len(), roster.tasks().len()), (1, 4));
    assert_eq!(status_of(&roster, id), Some(DONE));
}

#[test]
fn an_accounts_error_behind_the_walk_keeps_the_walk_and_skips_the_deep_one() {
    let mut server = Server::with(&[OPEN]);
    let mut roster = Roster::new();
    poll(&mut server, &mut roster, 0);
    server.tasks.clear();

    let (report, ending) = visit(&mut roster, plan(true), 60, |question| match question.what {
        What::Page { .. } => server.answer(question),
        What::Task(_) => Err(refused("InvalidAccessKeyId.Inactive")),
    });

    assert!(report.is_some());
    assert_eq!(ending.later_failure.unwrap().kind(), Kind::Credentials);
    assert_eq!(ending.deep, Deep::NotTried);
    assert_eq!(roster.tasks().len(), 1);
}

#[test]
fn the_deep_walk_finds_running_tasks_and_nothing_else() {
    let mut server = Server::with(&[OPEN, DONE, DONE]);
    server.entry(ImportId(1)).in_window = false;
    server.entry(ImportId(2)).in_window = false;
    let mut roster = Roster::new();

    let ending = deep_poll(&mut server, &mut roster, 0);

    assert_eq!(ids(&roster), [ImportId(1), ImportId(3)].into());
    assert_eq!(ending.deep, Deep::Succeeded);
    assert!(ending.transitions.is_empty(), "what the first deep walk finds is no transition");
}

#[test]
fn what_a_later_deep_walk_finds_is_a_transition() {
    let mut server = Server::with(&[]);
    let mut roster = Roster::new();
    deep_poll(&mut server, &mut roster, 0);
    let id = server.add(0, OPEN);
    server.entry(id).in_window = false;

    assert_eq!(deep_poll(&mut server, &mut roster, 60).transitions.len(), 1);
}

#[test]
fn a_refused_deep_walk_harms_nothing() {
    let mut server = Server::with(&[OPEN, DONE]);
    let mut roster = Roster::new();

    let (report, ending) = visit(&mut roster, plan(true), 0, |question| {
        let days = (question.window.end - question.window.start).num_days();
        if days > 100 { Err(refused("InvalidParameter")) } else { server.answer(question) }
    });

    assert!(report.unwrap().clean);
    assert_eq!((ending.deep, roster.tasks().len()), (Deep::Failed, 2));
}

#[test]
fn statuses_entered_after_the_first_walk_are_counted() {
    let mut server = Server::with(&[OPEN, OPEN]);
    let mut roster = Roster::new();
    assert!(poll(&mut server, &mut roster, 0).transitions.is_empty());
    server.entry(ImportId(1)).task.status = TaskStatus::FAILED;
    server.add(0, OPEN);

    let report = poll(&mut server, &mut roster, 60);

    let froms: Vec<_> = report
        .transitions
        .iter()
        .map(|transition| (transition.task.import_id.0, transition.from))
        .collect();
    assert_eq!(froms, [(1, Some(OPEN)), (3, None)]);
    let counts: Vec<_> = roster.transitions().iter().collect();
    for count in [(TaskStatus::FAILED, 1), (OPEN, 1), (TaskStatus::CANCELED, 0)] {
        assert!(counts.contains(&count), "{count:?}");
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>();
    prop_oneof![
        (at, any::<bool>()).prop_map(|(at, open)| Change::Insert { at, open }),
        at.prop_map(Change::Remove),
        at.prop_map(Change::Finish),
        at.prop_map(Change::LeaveWindow),
    ]
}

/// Changes that often leave totals as they are: a removal and an insertion at once.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let swap = (any::<usize>(), any::<usize>(), any::<bool>())
        .prop_map(|(remove, at, open)| vec![Change::Remove(remove), Change::Insert { at, open }]);
    prop_oneof![
        3 => Just(Vec::new()),
        2 => swap,
        2 => prop::collection::vec(change(), 1..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_list_that_moves_between_pages_loses_no_task_and_shows_none_twice(
        open in prop::collection::vec(any::<bool>(), 0..100),
        script in prop::collection::vec(prop::collection::vec(changes(), 12), 1..6),
    ) {
        let statuses: Vec<_> = open.iter().map(|open| if *open { OPEN } else { DONE }).collect();
        let mut server = Server::with(&statuses);
        let mut roster = Roster::new();
        for (round, script) in script.iter().enumerate() {
            let before = roster.tasks().clone();
            let mut script = script.iter();
            let (report, _) = visit(&mut roster, plan(false), 60 * round as u64, |question| {
                let answer = server.answer(question);
                script.next().into_iter().flatten().for_each(|change| server.happen(change));
                answer
            });
            let report = report.unwrap();

            let shown = roster.tasks();
            prop_assert!(shown.is_sorted_by(|a, b| a.import_id < b.import_id), "one shown twice");
            let shown = ids(&roster);
            for task in before.iter() {
                let still = server.tasks.iter().find(|e| e.task.import_id == task.import_id);
                let must_stay = still.is_some_and(|e| e.in_window || !task.status.is_final());
                prop_assert!(
                    shown.contains(&task.import_id) || (report.clean && !must_stay),
                    "lost {:?}, clean {}, on the server {:?}", task, report.clean, still
                );
            }
        }

        server.calls.clear();
        let report = poll(&mut server, &mut roster, 1_000);
        let window = server.tasks.iter().filter(|entry| entry.in_window);
        let window: BTreeSet<_> = window.map(|entry| entry.task.import_id).collect();
        prop_assert!(report.clean);
        prop_assert!(window.is_subset(&ids(&roster)), "a list that stands still is shown whole");

        server.calls.clear();
        poll(&mut server, &mut roster, 1_060);
        let pages = server.calls.iter().filter(|q| matches!(q.what, What::Page { .. })).count();
        prop_assert_eq!(pages, window.len().div_ceil(SIZE as usize).max(1));
    }
}
