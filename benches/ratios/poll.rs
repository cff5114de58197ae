//! Processor time of a poll of one page, and how many calls polls take.

use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::ensure;

use crate::Scale;
use crate::daemon::{CONCURRENCY, Daemon, Fleet, Pace, samples};
use crate::fleet::Life;
use crate::floor;
use crate::http::Scraper;
use crate::mock::Mock;
use crate::peers;
use crate::report::{Goal, Report, median};

/// Until what a start costs is behind the daemon.
const WARM_UP: Duration = Duration::from_secs(2);
/// Calls of the SDK, which takes a second for a thousand.
const SDK_CALLS: usize = 500;

/// Microseconds on processors that a call took, of each client and in each round.
#[derive(Default)]
struct Costs {
    ours: Vec<f64>,
    paced_floor: Vec<f64>,
    floor: Vec<f64>,
    sdk: Vec<f64>,
}

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let (mut still, mut changing) = (Costs::default(), Costs::default());
    for _ in 0..scale.rounds.div_ceil(3) {
        round(scale, Life::Still, &mut still)?;
        round(scale, Life::Changing, &mut changing)?;
    }
    let sdk = median(&mut still.sdk);
    let mut floor = [still.floor, changing.floor].concat();
    for (name, ours, floor, target, stretch) in [
        ("unchanged", &mut still.ours, &mut still.paced_floor, 3.0, Some(2.3)),
        ("all changed", &mut changing.ours, &mut changing.paced_floor, 4.5, None),
    ] {
        let (ours, floor) = (median(ours), median(floor));
        let goal = Goal::AtMost { target, stretch };
        report.row(
            format!("poll, {name}: CPU"),
            "reqwest that drops the answer",
            ours / floor,
            goal,
        );
        report.figure(format!("poll, {name}: the exporter"), format!("{ours:.1} µs of CPU"));
        let what = format!("poll, {name}: reqwest, signed, dropped, at the same pace");
        report.figure(what, format!("{floor:.1} µs of CPU"));
    }
    let goal = Goal::AtLeast { target: 14.0, stretch: Some(18.0) };
    report.row(
        "poll, unchanged: CPU",
        "the Python SDK / this",
        sdk / median(&mut still.ours),
        goal,
    );
    report.figure("poll: the Python SDK", format!("{sdk:.0} µs of CPU"));
    let what = "poll: reqwest, signed, dropped, as fast as it goes";
    report.figure(what, format!("{:.1} µs of CPU", median(&mut floor)));
    calls(report)?;
    idle_calls(scale, report)
}

fn round(scale: Scale, life: Life, costs: &mut Costs) -> anyhow::Result<()> {
    let fleet = Fleet { instances: scale.instances, tasks: 100 };
    let window = Duration::from_secs(scale.seconds);
    let mut mock = Mock::start(fleet, life)?;
    let daemon = Daemon::start(fleet, Pace::every(1), &mock.url)?;
    // The first poll of an instance is followed by a deep walk.
    wait_for_answers(&mut mock, 2 * fleet.instances)?;
    std::thread::sleep(WARM_UP);
    let (cpu, answers) = (daemon.process.cpu()?, mock.answers()?);
    std::thread::sleep(window);
    let (cpu, answers) = (daemon.process.cpu()? - cpu, mock.answers()? - answers);
    let page = Scraper::plain(daemon.address).text("/metrics")?;
    let failures = samples(&page, "aliyun_rds_import_exporter_walk_failures_total{");
    ensure!(failures.sum::<f64>() == 0.0, "walks failed");
    drop(daemon);
    ensure!(answers > 0, "nothing was polled");
    costs.ours.push(microseconds(cpu.as_secs_f64() / answers as f64));

    let rate = answers as f64 / window.as_secs_f64();
    let floor = |requests, rate| {
        floor::seconds_a_request(&mock.url, fleet.instances, CONCURRENCY, requests, rate)
    };
    costs.paced_floor.push(microseconds(floor(answers, rate)?));
    costs.floor.push(microseconds(floor(20_000, 0.0)?));
    if life == Life::Still {
        let calls = peers::sdk_seconds_a_call(&mock.url, fleet.instances, SDK_CALLS)?;
        costs.sdk.push(microseconds(calls));
    }
    Ok(())
}

/// Calls that a walk of a list of several pages takes.
fn calls(report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet { instances: 20, tasks: 250 };
    let mut mock = Mock::start(fleet, Life::Changing)?;
    let daemon = Daemon::start(fleet, Pace::every(1), &mock.url)?;
    wait_for_answers(&mut mock, 2 * 3 * fleet.instances)?;
    std::thread::sleep(WARM_UP);
    let (requests, walks) = counts(&daemon)?;
    std::thread::sleep(3 * WARM_UP);
    let (requests_after, walks_after) = counts(&daemon)?;
    let calls = (requests_after - requests) / (walks_after - walks);
    report.row(
        "calls a walk of 250 tasks",
        "calls",
        calls,
        Goal::AtMost { target: 3.0, stretch: None },
    );
    Ok(())
}

/// API requests and walks so far, at a moment in which no walk is under way.
fn counts(daemon: &Daemon) -> anyhow::Result<(f64, f64)> {
    let mut scraper = Scraper::plain(daemon.address);
    let mut before = None;
    loop {
        let page = scraper.text("/metrics")?;
        let sum = |name| samples(&page, name).sum::<f64>();
        let counts = (
            sum("aliyun_rds_import_exporter_api_requests_total{"),
            sum("aliyun_rds_import_exporter_walks_total{"),
        );
        if before == Some(counts) {
            return Ok(counts);
        }
        before = Some(counts);
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Calls that an idle fleet takes in comparison to an active one: by the time between polls.
fn idle_calls(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    const IDLE: u64 = 4;
    let fleet = Fleet { instances: 100, tasks: 10 };
    let pace = Pace { idle_interval: Duration::from_secs(IDLE), ..Pace::every(1) };
    let mut calls = Vec::new();
    for life in [Life::Still, Life::Final] {
        let mut mock = Mock::start(fleet, life)?;
        let _daemon = Daemon::start(fleet, pace, &mock.url)?;
        wait_for_answers(&mut mock, 2 * fleet.instances)?;
        std::thread::sleep(WARM_UP);
        let before = mock.answers()?;
        std::thread::sleep(Duration::from_secs(IDLE * scale.seconds / 2));
        calls.push((mock.answers()? - before) as f64);
    }
    let share = calls[1] / calls[0] * IDLE as f64;
    let goal = Goal::AtMost { target: 1.05, stretch: None };
    report.row("calls of an idle fleet", "interval / idle_interval of an active one", share, goal);
    Ok(())
}

fn wait_for_answers(mock: &mut Mock, count: usize) -> anyhow::Result<()> {
    let clock = Clock::system();
    while mock.answers()? < count {
        ensure!(clock.monotonic() < Duration::from_secs(120), "the fleet was not polled in time");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn microseconds(seconds: f64) -> f64 {
    seconds * 1e6
}
