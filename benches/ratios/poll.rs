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
/// Requests of the floor when it goes as fast as it can.
const FLOOR_REQUESTS: usize = 20_000;

/// How much there is to poll.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// More than the daemon can do: it goes as fast as it can.
    Full,
    /// A walk every millisecond, each of which wakes threads from their sleep.
    Paced,
}

/// Microseconds on processors that a call took, of each client and in each round.
#[derive(Default)]
struct Costs {
    ours: Vec<f64>,
    floor: Vec<f64>,
    sdk: Vec<f64>,
    /// Polls of the daemon in a second.
    rates: Vec<f64>,
}

impl Demand {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "as fast as it goes",
            Self::Paced => "1,000 a second",
        }
    }

    /// The fleet, polled every second.
    fn fleet(self, scale: Scale) -> Fleet {
        let instances = match self {
            Self::Full => scale.instances * 20,
            Self::Paced => scale.instances,
        };
        Fleet { instances, tasks: 100 }
    }
}

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let mut cases = Vec::new();
    for demand in [Demand::Full, Demand::Paced] {
        for (life, name, target, stretch) in
            [(Life::Still, "unchanged", 3.0, Some(2.3)), (Life::Changing, "all changed", 4.5, None)]
        {
            let goal = Goal::AtMost { target, stretch };
            cases.push((
                demand,
                life,
                format!("{name}, {}", demand.name()),
                goal,
                Costs::default(),
            ));
        }
    }
    for _ in 0..scale.rounds.div_ceil(5) {
        for (demand, life, _, _, costs) in &mut cases {
            round(scale, *demand, *life, costs)?;
        }
    }
    for (demand, life, name, goal, mut costs) in cases {
        let (ours, floor) = (median(&mut costs.ours), median(&mut costs.floor));
        report.row(
            format!("poll, {name}: CPU"),
            "reqwest that drops the answer",
            ours / floor,
            goal,
        );
        if demand == Demand::Full && life == Life::Still {
            let sdk = median(&mut costs.sdk);
            let goal = Goal::AtLeast { target: 14.0, stretch: Some(18.0) };
            report.row(format!("poll, {name}: CPU"), "the Python SDK / this", sdk / ours, goal);
            report.figure("poll: the Python SDK", format!("{sdk:.0} µs of CPU"));
        }
        let rate = median(&mut costs.rates);
        let values = format!("{ours:.1} µs of CPU, {rate:.0} a second");
        report.figure(format!("poll, {name}: the exporter"), values);
        report.figure(format!("poll, {name}: reqwest that drops"), format!("{floor:.1} µs of CPU"));
    }
    calls(report)?;
    idle_calls(scale, report)
}

fn round(scale: Scale, demand: Demand, life: Life, costs: &mut Costs) -> anyhow::Result<()> {
    let fleet = demand.fleet(scale);
    let window = Duration::from_secs(scale.seconds);
    let mut mock = Mock::start(fleet, life)?;
    let pace = Pace::every(1);
    let daemon = Daemon::start(fleet, pace, &mock.url)?;
    // The first poll of an instance is followed by a deep walk.
    wait_for_answers(&mut mock, 2 * fleet.instances)?;
    // The first page is made of all instances at once.
    Scraper::plain(daemon.address).text("/metrics")?;
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
    costs.rates.push(rate);
    let (requests, rate) = match demand {
        Demand::Full => (FLOOR_REQUESTS, 0.0),
        Demand::Paced => (answers, rate),
    };
    let concurrency = CONCURRENCY * pace.accounts(fleet);
    let floor = floor::seconds_a_request(&mock.url, fleet.instances, concurrency, requests, rate)?;
    costs.floor.push(microseconds(floor));
    if demand == Demand::Full {
        let calls = peers::sdk_seconds_a_call(&mock.url, scale.instances, SDK_CALLS)?;
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
