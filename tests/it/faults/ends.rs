//! What ends the process, whatever it is doing: nothing is lost that the API still knows, and an
//! end that is asked for is a clean one.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{Effect, Fault, When};

use super::report::Report;
use super::stage::{Daemon, Log, Stage, TASKS, since, tasks, up};
use super::{all_well, now};
use crate::exposition::parse;
use crate::pipeline::get;

const IDS: [&str; 4] = ["f0", "f1", "f2", "f3"];

/// Grace that requests in flight have, and what a busy machine may add.
const GRACE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_killed_shows_everything_after_its_first_pass() {
    let stage = Stage::set(IDS.into_iter()).await;
    let daemon = stage.start();
    let before = stage.until(&daemon, "every task is shown", all_well).await;
    daemon.kill();

    let begun = now();
    let daemon = stage.start();
    while daemon.status("/-/ready").await != 200 {
        stage.pause().await;
    }
    let page = stage.page(&daemon).await;
    for id in IDS {
        assert_eq!(up(&page, id), Some(1.0), "ready means that {id} was polled");
        assert!(tasks(&page, id).len() >= TASKS - 1, "all but what the deep walk finds");
    }
    let after = stage.until(&daemon, "the deep walk found the old task", all_well).await;

    for id in IDS {
        assert_eq!(tasks(&after, id), tasks(&before, id));
    }
    let mut report = Report::new("SIGKILL");
    report.line("killed, started again", "complete after the first pass", None, since(begun));
    report.publish();
    assert_eq!(daemon.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_daemon_cleanly_whatever_it_is_doing() {
    let mut report = Report::new("SIGTERM");
    let mut told = |name, shown: &str, (end, log): (Duration, Log)| {
        assert!(log.contains("message=stopped"), "{name}: {}", log.text());
        report.line(name, shown, None, end);
    };

    let stage = Stage::set(IDS.into_iter()).await;
    let hanging = |page| {
        let when = When { page: Some(page), ..When::default() };
        vec![Fault { when, effect: Effect::Hang }]
    };
    stage.control.set_faults(hanging(1));
    let daemon = stage.start();
    stage.control.wait_for_requests(1).await;
    told("during the first poll", "exit code 0", stop(daemon));

    let asked = stage.control.request_count();
    stage.control.set_faults(hanging(2));
    let daemon = stage.start();
    stage.control.wait_for_requests(asked + 2).await;
    told("during a walk", "exit code 0", stop(daemon));

    stage.control.set_faults(Vec::new());
    let daemon = stage.start();
    stage.until(&daemon, "every task is shown", all_well).await;
    let scraping: Vec<_> = (0..4).map(|_| tokio::spawn(scrape(daemon.base().to_owned()))).collect();
    stage.page(&daemon).await;
    told("during scrapes", "exit code 0, no page cut", stop(daemon));
    for scrapes in scraping {
        scrapes.await.unwrap();
    }

    for id in IDS {
        assert!(stage.control.set_key_active(id, false));
    }
    let daemon = stage.start();
    let backs_off = |log: &Log| log.contains("the account cannot call the API");
    stage.until_logged(&daemon, backs_off, || "no account backs off".to_owned()).await;
    told("during back-off", "exit code 0", stop(daemon));
    report.publish();
}

/// Ends a daemon, and tells how long that took.
fn stop(daemon: Daemon) -> (Duration, Log) {
    let begun = now();
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{}", log.text());
    let end = since(begun);
    assert!(end < GRACE, "it took {end:?}");
    (end, log)
}

/// Scrapes until nobody listens any more; every page must be whole.
async fn scrape(base: String) {
    while let Ok(page) = get(&format!("{base}/metrics")).await {
        parse(&page).unwrap();
    }
}
