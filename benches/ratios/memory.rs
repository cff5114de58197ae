//! The most memory that the daemon takes while it polls tasks that all change, and is scraped.

use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;

use crate::Scale;
use crate::daemon::{Daemon, Fleet, Pace};
use crate::fleet::Life;
use crate::http::Scraper;
use crate::mock::Mock;
use crate::report::{Goal, Report};

/// Six times as often as the default: a busy fleet, and a short measurement.
const INTERVAL: u64 = 10;
const BETWEEN_SCRAPES: Duration = Duration::from_secs(1);

pub(crate) fn measure(scale: Scale, report: &mut Report) -> anyhow::Result<()> {
    let instances = scale.instances;
    for (fleet, target, stretch) in [
        (Fleet { instances, tasks: 100 }, 24.0, Some(16.0)),
        (Fleet { instances: instances * 10, tasks: 10 }, 48.0, None),
    ] {
        let peak = peak(fleet, scale)? / 1024.0 / 1024.0;
        let Fleet { instances, tasks } = fleet;
        let what = format!("peak memory, {instances} instances of {tasks} tasks");
        report.row(what, "MiB", peak, Goal::AtMost { target, stretch });
    }
    Ok(())
}

fn peak(fleet: Fleet, scale: Scale) -> anyhow::Result<f64> {
    let mock = Mock::start(fleet, Life::Changing)?;
    let daemon = Daemon::start(fleet, Pace::every(INTERVAL), &mock.url)?;
    daemon.wait_until_polled(fleet, Duration::from_secs(300))?;
    let clock = Clock::system();
    let mut scrapers = [Scraper::gzip(daemon.address), Scraper::plain(daemon.address)];
    while clock.monotonic() < Duration::from_secs(scale.seconds * 5) {
        for scraper in &mut scrapers {
            scraper.scrape()?;
            std::thread::sleep(BETWEEN_SCRAPES);
        }
    }
    Ok(daemon.process.memory()?.peak as f64)
}
