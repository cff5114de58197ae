use std::time::Duration;

use crate::domain::{Position, Task, TaskStatus, TaskType};

use super::polls::Walked;
use super::*;

fn key(id: &str) -> InstanceKey {
    InstanceKey {
        account: "default".into(),
        region_id: "cn-hangzhou".into(),
        db_instance_id: id.into(),
    }
}

fn at(unix_seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(unix_seconds, 0).unwrap()
}

fn task(import_id: u64, status: TaskStatus, lag_seconds: Option<u32>) -> Task {
    let position = lag_seconds.map(|lag_seconds| Position { unix_seconds: 1_000, lag_seconds });
    Task { import_id: ImportId(import_id), kind: TaskType::INCREMENTAL, status, position }
}

fn lagging(import_id: u64, lag_seconds: u32) -> Task {
    task(import_id, TaskStatus::INCREMENTAL_IMPORTING, Some(lag_seconds))
}

fn observed(tasks: impl IntoIterator<Item = Task>) -> Observed<'static> {
    let tasks = tasks.into_iter().collect();
    Observed { tasks, has_new_positions: true, ..Observed::default() }
}

fn poll(id: &str, ended_at: i64, failure: Option<Arc<Failure>>) -> Poll {
    let walked = failure.is_none().then_some(Walked { pages: 1, tasks: 1 });
    let duration = Duration::from_secs(1);
    Poll { key: key(id), ended_at: at(ended_at), duration, calls: 1, walked, failure }
}

#[test]
fn a_task_is_in_its_status_since_it_was_seen_to_enter_it() {
    let mut history = History::default();
    let running = task(1, TaskStatus::FULL_IMPORTING, None);
    history.observe(&key("rm-1"), at(100), observed([running]));
    let failed = Task { status: TaskStatus::FAILED, ..running };
    let entered = [ImportId(1)];
    let second = Observed { entered: &entered, ..observed([failed]) };
    let before = history.instance(&key("rm-1")).unwrap().since(ImportId(1));
    history.observe(&key("rm-1"), at(200), second);
    history.observe(&key("rm-1"), at(300), observed([failed]));

    assert_eq!(before, Some(Since { unix_seconds: 100, entered: false }));
    let after = history.instance(&key("rm-1")).unwrap().since(ImportId(1));
    assert_eq!(after, Some(Since { unix_seconds: 200, entered: true }));
}

#[test]
fn a_task_that_succeeded_is_not_described() {
    let mut history = History::default();
    let tasks = [task(1, TaskStatus::FAILED, None), task(2, TaskStatus::SUCCESS, None)];
    let descriptions: Vec<_> = tasks.iter().map(|task| (task.import_id, "words".into())).collect();
    let observed = Observed { descriptions: &descriptions, ..observed(tasks) };
    history.observe(&key("rm-1"), at(100), observed);

    let instance = history.instance(&key("rm-1")).unwrap();
    assert_eq!(tasks.each_ref().map(|task| instance.description(task)), [Some("words"), None]);
}

#[test]
fn keeps_the_last_sixty_readings_of_a_task_while_it_has_a_position() {
    let mut history = History::default();
    for n in 0..100 {
        history.observe(&key("rm-1"), at(n * 10), observed([lagging(1, n as u32)]));
    }
    let readings = history.instance(&key("rm-1")).unwrap().readings(ImportId(1)).to_vec();
    assert_eq!(readings.len(), 60);
    assert_eq!(readings[0], Reading { unix_seconds: 400, lag_seconds: 40 });
    assert_eq!(readings[59], Reading { unix_seconds: 990, lag_seconds: 99 });

    history.observe(&key("rm-1"), at(2_000), observed([task(1, TaskStatus::SUCCESS, None)]));
    assert!(history.instance(&key("rm-1")).unwrap().readings(ImportId(1)).is_empty());
    assert_eq!(history.quota.tracked, 0);
}

#[test]
fn a_clock_that_went_back_takes_the_readings_after_it_along() {
    let mut history = History::default();
    for (time, lag) in [(100, 1), (200, 2), (300, 3), (150, 4)] {
        history.observe(&key("rm-1"), at(time), observed([lagging(1, lag)]));
    }
    let readings = history.instance(&key("rm-1")).unwrap().readings(ImportId(1));
    let pairs: Vec<_> = readings.iter().map(|r| (r.unix_seconds, r.lag_seconds)).collect();
    assert_eq!(pairs, [(100, 1), (150, 4)]);
}

#[test]
fn half_of_the_tracked_tasks_are_ones_that_are_behind() {
    let mut history = History::default();
    let close = (0..MAX_TRACKED as u64).map(|id| lagging(id, 3));
    history.observe(&key("rm-1"), at(1), observed(close));
    let behind = (0..MAX_TRACKED as u64).map(|id| lagging(id, 300));
    history.observe(&key("rm-2"), at(1), observed(behind));

    let tracked = |history: &History, id| {
        let instance = history.instance(&key(id)).unwrap();
        let with = |n: &u64| !instance.readings(ImportId(*n)).is_empty();
        (0..MAX_TRACKED as u64).filter(with).count()
    };
    assert_eq!(tracked(&history, "rm-1"), MAX_TRACKED / 2);
    assert_eq!(tracked(&history, "rm-2"), MAX_TRACKED / 2);

    // The room of an instance that goes is free for others.
    history.remove(&key("rm-1"));
    history.observe(&key("rm-3"), at(1), observed([lagging(1, 300)]));
    assert_eq!(tracked(&history, "rm-3"), 1);
}

#[test]
fn failures_are_kept_longer_than_successes() {
    let mut history = History::default();
    let failure = history.failure(&Error::timeout("no answer"));
    history.poll_ended(poll("rm-bad", 0, Some(failure)));
    for n in 1..1_000 {
        history.poll_ended(poll("rm-good", n, None));
    }
    let polls = history.polls();
    assert_eq!(polls.len(), 31);
    assert_eq!(polls[0].ended_at, at(999));
    assert_eq!(&*polls[30].key.db_instance_id, "rm-bad");
}

#[test]
fn the_last_error_stays_when_polls_succeed_again() {
    let mut history = History::default();
    let failure = history.failure(&Error::timeout("no answer"));
    history.poll_ended(poll("rm-1", 10, Some(Arc::clone(&failure))));
    history.poll_ended(poll("rm-1", 20, Some(failure)));
    let in_a_row = history.instance(&key("rm-1")).unwrap().failures_in_a_row();
    history.poll_ended(poll("rm-1", 30, None));

    let instance = history.instance(&key("rm-1")).unwrap();
    assert_eq!((in_a_row, instance.failures_in_a_row()), (2, 0));
    let (failed_at, failure) = instance.last_failure().unwrap();
    assert_eq!((*failed_at, failure.code.as_str()), (at(20), "timeout"));
    assert_eq!(instance.last_poll().unwrap().ended_at, at(30));
}

#[test]
fn a_poll_that_made_no_call_is_no_recent_poll() {
    let mut history = History::default();
    let failure = history.failure(&Error::timeout("no answer"));
    history.poll_ended(Poll { calls: 0, ..poll("rm-1", 10, Some(failure)) });

    assert!(history.polls().is_empty());
    let instance = history.instance(&key("rm-1")).unwrap();
    assert!(instance.last_failure().is_some() && instance.last_poll().is_none());
}

#[test]
fn an_error_that_repeats_is_the_same_memory_and_a_long_one_is_cut() {
    let mut history = History::default();
    let long = Error::timeout("ü".repeat(10_000));
    let [first, second] = [(); 2].map(|()| history.failure(&long));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.message.chars().count(), MAX_MESSAGE + 1);
    assert!(first.message.ends_with('…'));
}
