//! What production does to a daemon, fault by fault: the real binary polls a simulated cloud in
//! which everything goes wrong at once, and nothing is lost by it.
//!
//! Each fault has an account and an instance of its own, so that none can hide another. The tests
//! write what they saw to `fault-table.txt` in the target directory. What needs virtual time is in
//! `pipeline::faults`; what befalls the process itself is in `process`.

mod ends;
mod network;
mod report;
mod rows;
mod stage;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aliyun_rds_import_exporter::simulator::{Effect, Fault};

use crate::exposition::Page;
use crate::pipeline::PATIENCE;
use report::Report;
use rows::{Row, Shows, Trouble, rows};
use stage::{Log, Stage, TASKS, since, tasks, up};

/// The instance that nothing befalls.
const BYSTANDER: &str = "bystander";

/// How often each of those walks must have failed before the fault ends: a second line in the log
/// would have been written by then.
const WALKS: f64 = 2.0;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_told_once_loses_nothing_and_is_recovered_from() {
    let rows = rows();
    let ids: Vec<_> = (0..rows.len()).map(|number| format!("f{number}")).collect();
    let names = ids.iter().map(String::as_str).chain([BYSTANDER]);
    let mut stage = Stage::set(names).await;
    stage.gate(&ids[refused(&rows)]).await;
    let daemon = stage.start();
    let before = stage.until(&daemon, "every task is shown", all_well).await;
    let shown: BTreeMap<_, _> = ids.iter().map(|id| (&**id, tasks(&before, id))).collect();

    begin(&mut stage, &daemon, &rows, &ids).await;
    let begun = now();
    let mut seen = BTreeMap::new();
    let mut polled = Vec::new();
    while seen.len() < rows.len() {
        let page = stage.page(&daemon).await;
        assert_eq!(up(&page, BYSTANDER), Some(1.0), "another instance suffers");
        polled.push(last_success(&page, BYSTANDER));
        for (row, id) in rows.iter().zip(&ids) {
            let lost = shown[&**id].difference(&tasks(&page, id)).count();
            assert_eq!(lost, 0, "{} lost tasks", row.name);
            if !seen.contains_key(&**id) && row.shows.is_seen(&page, id) {
                assert!(tasks(&page, id) == shown[&**id] || row.shows.may_add(), "{}", row.name);
                seen.insert(id.as_str(), since(begun));
            }
        }
        let unseen = rows.iter().zip(&ids).filter(|(_, id)| !seen.contains_key(id.as_str()));
        let unseen = || names_and_logs(unseen.clone(), &stage.log(&daemon));
        assert!(since(begun) < PATIENCE, "never seen:\n{}", unseen());
        stage.pause().await;
    }
    polled.dedup();
    assert!(polled.len() >= 3, "the other instance was polled {} times", polled.len());

    end(&mut stage, &daemon, &rows, &ids).await;
    let ended = now();
    let mut recovered = BTreeMap::new();
    while recovered.len() < rows.len() {
        let page = stage.page(&daemon).await;
        for (row, id) in rows.iter().zip(&ids) {
            let now = tasks(&page, id);
            assert!(now.is_superset(&shown[&**id]), "{} lost tasks afterwards", row.name);
            if now == shown[&**id] && up(&page, id) == Some(1.0) {
                recovered.entry(id.as_str()).or_insert_with(|| since(ended));
            }
        }
        let unwell = rows.iter().zip(&ids).filter(|(_, id)| !recovered.contains_key(id.as_str()));
        let unwell = || names_and_logs(unwell.clone(), &stage.log(&daemon));
        assert!(since(ended) < PATIENCE, "never recovered:\n{}", unwell());
        stage.pause().await;
    }
    // Recovery has its line, too.
    let unlogged = |log: &Log| {
        let rows = rows.iter().zip(&ids);
        names_and_logs(rows.filter(|(row, id)| !row.is_logged(log, id)), log)
    };
    let lines = |log: &Log| unlogged(log).is_empty();
    stage.until_logged(&daemon, lines, || unlogged(&stage.log(&daemon))).await;

    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{}", log.text());
    let mut report = Report::new("faults of API and network");
    for (row, id) in rows.iter().zip(&ids) {
        assert!(row.is_logged(&log, id), "{}: {:#?}", row.name, log.of(id));
        report.line(&row.name, &row.shows.to_string(), Some(seen[&**id]), recovered[&**id]);
    }
    report.publish();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_instances_failing_at_once_leave_everything_shown() {
    let ids: Vec<_> = (0..20).map(|number| format!("f{number}")).collect();
    let stage = Stage::set(ids.iter().map(String::as_str)).await;
    let daemon = stage.start();
    stage.until(&daemon, "every task is shown", all_well).await;

    stage.control.set_faults(vec![Fault::always(Effect::Http(503))]);
    let begun = now();
    let down = |page: &Page| ids.iter().all(|id| up(page, id) == Some(0.0));
    let page = stage.until(&daemon, "every instance is down", down).await;
    let seen = since(begun);
    assert!(ids.iter().all(|id| tasks(&page, id).len() == TASKS), "tasks were lost");
    for path in ["/-/healthy", "/-/ready", "/"] {
        assert_eq!(daemon.status(path).await, 200, "{path}");
    }

    stage.control.set_faults(Vec::new());
    let ended = now();
    stage.until(&daemon, "every instance is up again", all_well).await;
    let mut report = Report::new("all instances at once");
    report.line("20 of 20 answer 503", "http_503", Some(seen), since(ended));
    report.publish();
    assert_eq!(daemon.stop().0, Some(0));
}

/// Every instance was polled and shows all its tasks.
fn all_well(page: &Page) -> bool {
    let instances = page.samples("aliyun_rds_import_instance_info");
    instances.iter().all(|instance| {
        let id = instance.label("db_instance_id").unwrap();
        up(page, id) == Some(1.0) && tasks(page, id).len() == TASKS
    })
}

async fn begin(stage: &mut Stage, daemon: &stage::Daemon, rows: &[Row], ids: &[String]) {
    let mut faults = Vec::new();
    for (row, id) in rows.iter().zip(ids) {
        match &row.trouble {
            Trouble::Answers(effect) => faults.push(Fault::on(id, effect.clone())),
            Trouble::FirstAnswers(count, effect) => {
                faults.push(Fault::on(id, effect.clone()).first(*count));
            }
            Trouble::State(state) => assert!(stage.control.set_state(id, *state)),
            Trouble::Key => assert!(stage.control.set_key_active(id, false)),
            Trouble::Refused => stage.shut_gate(),
            Trouble::Endpoint(endpoint) => stage.divert(id, *endpoint).await,
        }
    }
    stage.control.set_faults(faults);
    stage.reload(daemon).await;
}

async fn end(stage: &mut Stage, daemon: &stage::Daemon, rows: &[Row], ids: &[String]) {
    stage.control.set_faults(Vec::new());
    for (row, id) in rows.iter().zip(ids) {
        match &row.trouble {
            Trouble::Answers(_) | Trouble::FirstAnswers(..) => {}
            Trouble::State(_) => assert!(stage.control.set_state(id, Default::default())),
            Trouble::Key => assert!(stage.control.set_key_active(id, true)),
            Trouble::Refused => stage.open_gate().await,
            Trouble::Endpoint(_) => stage.undivert(id),
        }
    }
    stage.reload(daemon).await;
}

fn refused(rows: &[Row]) -> usize {
    rows.iter().position(|row| matches!(row.trouble, Trouble::Refused)).unwrap()
}

fn names_and_logs<'a>(rows: impl Iterator<Item = (&'a Row, &'a String)>, log: &Log) -> String {
    rows.map(|(row, id)| format!("{}: {:#?}\n", row.name, log.of(id))).collect()
}

fn last_success(page: &Page, id: &str) -> u64 {
    let name = "aliyun_rds_import_instance_last_success_timestamp_seconds";
    page.value(name, &[("db_instance_id", id)]).unwrap().to_bits()
}

#[expect(clippy::disallowed_methods, reason = "measures how long another process takes")]
fn now() -> Instant {
    Instant::now()
}

impl Row {
    /// Whether the log says once what is wrong with `id`, and once that it is over.
    fn is_logged(&self, log: &Log, id: &str) -> bool {
        let fails = log.lines(id, "polling the instance fails");
        let succeeds = log.lines(id, "polling the instance succeeds again");
        let backs_off = log.lines(id, "the account cannot call the API");
        let recovers = log.lines(id, "the account can call the API again");
        let counts = [fails.len(), succeeds.len(), backs_off.len(), recovers.len()];
        let has = |lines: &[String], code: &str| lines[0].contains(&format!("code={code} "));
        match self.shows {
            Shows::Failure(code) => counts == [1, 1, 0, 0] && has(&fails, code),
            Shows::BackOff(code) => counts == [0, 1, 1, 1] && has(&backs_off, code),
            Shows::Throttled(_) => {
                counts == [0; 4] && !log.lines(id, "the API throttles this account").is_empty()
            }
            Shows::Restart(_) | Shows::Skew(_) | Shows::Nothing => counts == [0; 4],
        }
    }
}

impl Shows {
    /// Whether the page shows it of `id`.
    fn is_seen(self, page: &Page, id: &str) -> bool {
        let own = |name: &str, more: &[(&str, &str)]| {
            let labels = [&[("account", id)], more].concat();
            page.value(&format!("aliyun_rds_import_exporter_{name}"), &labels)
        };
        let failed = |code| own("walk_failures_total", &[("code", code)]);
        let is_up = up(page, id);
        match self {
            Self::Failure(code) => is_up == Some(0.0) && failed(code) >= Some(WALKS),
            Self::BackOff(code) => is_up == Some(0.0) && failed(code) >= Some(1.0),
            Self::Restart(reason) => {
                let restarts = own("walk_restarts_total", &[("reason", reason)]);
                is_up == Some(1.0) && restarts >= Some(WALKS)
            }
            Self::Throttled(count) => {
                is_up == Some(1.0) && own("api_throttled_total", &[]) >= Some(count.into())
            }
            Self::Skew(seconds) => {
                let measured = own("clock_skew_seconds", &[]).unwrap_or_default();
                is_up == Some(1.0) && (measured - seconds as f64).abs() < 60.0
            }
            Self::Nothing => is_up == Some(1.0),
        }
    }

    /// Whether tasks may be shown meanwhile that there are not.
    fn may_add(self) -> bool {
        matches!(self, Self::Restart(_))
    }
}

impl std::fmt::Display for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failure(code) => write!(f, "{code}"),
            Self::BackOff(code) => write!(f, "account: {code}"),
            Self::Restart(reason) => write!(f, "restart: {reason}"),
            Self::Throttled(count) => write!(f, "throttled {count} times, ridden out"),
            Self::Skew(seconds) => write!(f, "skew {seconds} s, made up for"),
            Self::Nothing => write!(f, "taken as it is"),
        }
    }
}

/// A span of time, as the table shows it.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
