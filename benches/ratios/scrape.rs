//! A scrape of a large and of a small fleet: the daemon, a finished body, and the usual libraries
//! with the same series.

use std::path::Path;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::ensure;
use tempfile::TempDir;

use crate::Scale;
use crate::daemon::{Daemon, Fleet, Pace};
use crate::fleet::Life;
use crate::http::Scraper;
use crate::mock::Mock;
use crate::peers::{self, Server};
use crate::report::{Goal, Report, median};
use crate::static_page;

/// Rounds in which the slowest peer takes part.
const PYTHON_ROUNDS: usize = 3;
/// Between two scrapes while the fleet is polled: longer than the daemon waits before it makes its
/// page ready, and with it in no fixed step.
const BETWEEN_SCRAPES: Duration = Duration::from_millis(2_300);

/// How a page is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Gzip,
    Text,
}

/// What the scrapes of one server took.
#[derive(Default)]
struct Costs {
    wall_ms: Vec<f64>,
    /// Of each round.
    cpu_ms: Vec<f64>,
    bytes: u64,
}

struct Measured {
    name: &'static str,
    wall_ms: f64,
    cpu_ms: f64,
    bytes: u64,
}

impl Form {
    const ALL: [Self; 2] = [Self::Gzip, Self::Text];

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Text => "text",
        }
    }

    fn scraper(self, server: &Server) -> Scraper {
        match self {
            Self::Gzip => Scraper::gzip(server.address),
            Self::Text => Scraper::plain(server.address),
        }
    }
}

impl Costs {
    /// Scrapes `count` times.
    fn add(&mut self, server: &Server, scraper: &mut Scraper, count: usize) -> anyhow::Result<()> {
        let clock = Clock::system();
        let cpu = server.process.cpu()?;
        for _ in 0..count {
            let began = clock.monotonic();
            self.bytes = scraper.scrape()?;
            self.wall_ms.push(milliseconds(clock.monotonic() - began));
        }
        self.cpu_ms.push(milliseconds(server.process.cpu()? - cpu) / count as f64);
        Ok(())
    }

    fn measured(mut self, name: &'static str) -> Measured {
        let (wall_ms, cpu_ms) = (median(&mut self.wall_ms), median(&mut self.cpu_ms));
        Measured { name, wall_ms, cpu_ms, bytes: self.bytes }
    }
}

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    large(scale, report)?;
    small(scale, report)
}

fn large(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet { instances: scale.instances, tasks: 100 };
    let mut mock = Mock::start(fleet, Life::Moving)?;
    // The default interval, in which all first polls are spread.
    let daemon = Daemon::start(fleet, Pace::every(scale.seconds * 10), &mock.url)?;
    daemon.wait_until_polled(fleet, Duration::from_secs(300))?;
    let directory = TempDir::new()?;
    let file = directory.path().join("page");
    let (ours, page) = (server(daemon), Scraper::plain);
    let text = page(ours.address).text("/metrics")?;
    std::fs::write(&file, &text)?;
    let what = format!("{} series", series(&text));
    let mut servers = peers(&file, ours)?;

    while_polled(scale, &what, &servers, report)?;

    mock.freeze()?;
    let python = peers::prometheus_client(&file)?;
    servers.push(python);
    ensure_same(&text, &servers)?;
    let [gzip, plain] = Form::ALL.map(|form| rounds(form, scale.rounds, [10, 10, 1, 1], &servers));
    let (gzip, plain) = (gzip?, plain?);

    ratio_to_static(report, &what, &gzip, "gzip", 2.0, 1.3);
    ratio_to_golang(report, &what, &gzip, "gzip", 500.0, 1_000.0);
    let text = page(servers[0].address).text("/metrics")?;
    let best = static_page::gzip(text.as_bytes())?.len();
    let goal = Goal::AtMost { target: 1.15, stretch: Some(1.05) };
    let size = gzip[0].bytes as f64 / best as f64;
    report.row(format!("gzip of {what}: bytes"), "level 6 of the whole", size, goal);
    ratio_to_static(report, &what, &plain, "text", 1.5, 1.25);
    ratio_to_golang(report, &what, &plain, "text", 80.0, 115.0);
    figures(report, &what, "gzip", &gzip);
    figures(report, &what, "text", &plain);
    for server in &servers {
        let peak = server.process.memory()?.peak as f64 / 1024.0 / 1024.0;
        report.figure(format!("peak memory of {}, {what}", server.name), format!("{peak:.1} MiB"));
    }
    Ok(())
}

/// Scrapes in the middle of polls: what was made ready before is out of date.
fn while_polled(
    scale: Scale,
    what: &str,
    servers: &[Server],
    report: &mut Report,
) -> anyhow::Result<()> {
    for (form, target, stretch) in [(Form::Gzip, 2.0, 1.3), (Form::Text, 1.5, 1.25)] {
        let mut costs: Vec<_> = servers[..2].iter().map(|_| Costs::default()).collect();
        let mut scrapers: Vec<_> = servers.iter().map(|server| form.scraper(server)).collect();
        for _ in 0..scale.rounds {
            for (place, costs) in costs.iter_mut().enumerate() {
                costs.add(&servers[place], &mut scrapers[place], 1)?;
            }
            std::thread::sleep(BETWEEN_SCRAPES);
        }
        let names = servers.iter().map(|server| server.name);
        let measured: Vec<_> =
            costs.into_iter().zip(names).map(|(costs, name)| costs.measured(name)).collect();
        let name = format!("{} while polled", form.name());
        ratio_to_static(report, what, &measured, &name, target, stretch);
        figures(report, what, &name, &measured[..1]);
    }
    Ok(())
}

fn small(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let fleet = Fleet { instances: 10, tasks: 10 };
    let mut mock = Mock::start(fleet, Life::Moving)?;
    let daemon = Daemon::start(fleet, Pace::every(2), &mock.url)?;
    daemon.wait_until_polled(fleet, Duration::from_secs(60))?;
    mock.freeze()?;
    let directory = TempDir::new()?;
    let file = directory.path().join("page");
    let ours = server(daemon);
    let text = Scraper::plain(ours.address).text("/metrics")?;
    std::fs::write(&file, &text)?;
    let mut servers = peers(&file, ours)?;
    servers.push(peers::prometheus_client(&file)?);
    ensure_same(&text, &servers)?;
    for form in Form::ALL {
        let measured = rounds(form, scale.rounds, [50, 50, 20, 10], &servers)?;
        ratio_to_static(report, "100 tasks", &measured, form.name(), 1.3, 1.1);
        figures(report, "100 tasks", form.name(), &measured);
    }
    Ok(())
}

fn server(daemon: Daemon) -> Server {
    let Daemon { process, address, .. } = daemon;
    Server { name: "the exporter", process, address }
}

/// The exporter, and what is faster and slower.
fn peers(page: &Path, ours: Server) -> anyhow::Result<Vec<Server>> {
    Ok(vec![ours, peers::static_page(page)?, peers::client_golang(page)?])
}

/// Lets all servers take turns; `counts` are their scrapes in a turn.
fn rounds(
    form: Form,
    rounds: usize,
    counts: [usize; 4],
    servers: &[Server],
) -> anyhow::Result<Vec<Measured>> {
    let mut costs: Vec<_> = servers.iter().map(|_| Costs::default()).collect();
    let mut scrapers: Vec<_> = servers.iter().map(|server| form.scraper(server)).collect();
    for scraper in &mut scrapers {
        scraper.scrape()?;
    }
    for round in 0..rounds {
        for (place, server) in servers.iter().enumerate() {
            if place < 3 || round < PYTHON_ROUNDS {
                costs[place].add(server, &mut scrapers[place], counts[place])?;
            }
        }
    }
    let measured = costs.into_iter().zip(servers);
    Ok(measured.map(|(costs, server)| costs.measured(server.name)).collect())
}

fn ratio_to_static(
    report: &mut Report,
    what: &str,
    measured: &[Measured],
    form: &str,
    target: f64,
    stretch: f64,
) {
    let [ours, finished, ..] = measured else { return };
    let goal = Goal::AtMost { target, stretch: Some(stretch) };
    let ratio = ours.wall_ms / finished.wall_ms;
    report.row(format!("{form} of {what}: wall"), "hyper sending a finished body", ratio, goal);
}

fn ratio_to_golang(
    report: &mut Report,
    what: &str,
    measured: &[Measured],
    form: &str,
    target: f64,
    stretch: f64,
) {
    let [ours, _, golang, ..] = measured else { return };
    let goal = Goal::AtLeast { target, stretch: Some(stretch) };
    let ratio = golang.cpu_ms / ours.cpu_ms;
    report.row(format!("{form} of {what}: CPU"), "client_golang / this", ratio, goal);
}

fn figures(report: &mut Report, what: &str, form: &str, measured: &[Measured]) {
    for Measured { name, wall_ms, cpu_ms, bytes } in measured {
        let values = format!("{wall_ms:.3} ms, {cpu_ms:.3} ms of CPU, {bytes} bytes");
        report.figure(format!("{form} of {what}: {name}"), values);
    }
}

/// All have to send the same number of series, or the comparison would be worth nothing.
fn ensure_same(page: &str, servers: &[Server]) -> anyhow::Result<()> {
    let expected = series(page);
    for server in servers {
        let found = series(&Scraper::plain(server.address).text("/metrics")?);
        // The exporter has counted further handlers since.
        let is_same = found.abs_diff(expected) < 50;
        ensure!(is_same, "{} sends {found} series instead of {expected}", server.name);
    }
    Ok(())
}

fn series(page: &str) -> usize {
    page.lines().filter(|line| !line.starts_with('#')).count()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
