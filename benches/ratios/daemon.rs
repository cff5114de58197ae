//! The real binary, polling the mock.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::ensure;
use tempfile::TempDir;

use crate::fleet;
use crate::http::{self, Scraper};
use crate::process::Process;

/// The daemon's default for walks in flight, of each account.
pub(crate) const CONCURRENCY: usize = 16;
/// The largest budget that an account can have, in calls a second.
const LARGEST_BUDGET: u64 = 10_000;

const BINARY: &str = env!("CARGO_BIN_EXE_aliyun-rds-import-exporter");

/// Builds the binary as users build it: the one that Cargo has made for the bench has features of
/// dependencies in it that only tests need.
pub(crate) fn build() -> anyhow::Result<()> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(built.success(), "the exporter cannot be built");
    Ok(())
}

/// What is polled.
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) instances: usize,
    /// Tasks of each instance.
    pub(crate) tasks: usize,
}

/// How often it is polled.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) idle_interval: Duration,
}

/// The daemon's process.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _configuration: Configuration,
}

/// A directory with a configuration.
pub(crate) struct Configuration(TempDir);

impl Pace {
    /// The same for active and idle instances.
    pub(crate) fn every(seconds: u64) -> Self {
        let interval = Duration::from_secs(seconds);
        Self { interval, idle_interval: interval }
    }

    /// How many accounts it takes to poll `fleet` like this: each has a budget of its own.
    pub(crate) fn accounts(self, fleet: Fleet) -> usize {
        let budget = LARGEST_BUDGET * self.interval.as_secs();
        fleet.instances.div_ceil(budget as usize)
    }
}

impl Configuration {
    /// A configuration that polls `fleet` at the API `url`, with the largest budgets there are.
    pub(crate) fn new(fleet: Fleet, pace: Pace, url: &str) -> anyhow::Result<Self> {
        let (interval, idle) = (pace.interval.as_secs(), pace.idle_interval.as_secs());
        let accounts = pace.accounts(fleet);
        let mut text = "accounts:\n".to_owned();
        let name = |account| match account {
            0 => "default".to_owned(),
            _ => format!("other{account}"),
        };
        for account in 0..accounts {
            let name = name(account);
            writeln!(
                text,
                "  {name}: {{requests_per_second: {LARGEST_BUDGET}, endpoints: {{rds: '{url}'}}}}"
            )?;
        }
        writeln!(
            text,
            "polling: {{interval: {interval}s, idle_interval: {idle}s, request_timeout: 1h, \
             stale_after: 1d, concurrency: {CONCURRENCY}}}\ninstances:"
        )?;
        for number in 0..fleet.instances {
            let (id, account) = (fleet::id(number), name(number % accounts));
            writeln!(
                text,
                "  - {{id: {id}, region: cn-hangzhou, engine: MySQL, account: {account}}}"
            )?;
        }
        let directory = TempDir::new()?;
        std::fs::write(directory.path().join("config.yaml"), text)?;
        Ok(Self(directory))
    }

    /// The command that runs the daemon with it.
    pub(crate) fn command(&self, address: SocketAddr) -> Command {
        let mut command = Command::new(BINARY);
        command
            .arg(format!("--config.file={}", self.0.path().join("config.yaml").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "bench")
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "bench")
            .env("NO_PROXY", "127.0.0.1");
        command
    }
}

impl Daemon {
    /// Starts the daemon.
    pub(crate) fn start(fleet: Fleet, pace: Pace, url: &str) -> anyhow::Result<Self> {
        let configuration = Configuration::new(fleet, pace, url)?;
        let address = http::free_address()?;
        let process = Process::start("the exporter", &mut configuration.command(address))?;
        http::wait_for(address, &process)?;
        Ok(Self { process, address, _configuration: configuration })
    }

    /// Waits until every instance of `fleet` was polled with success.
    pub(crate) fn wait_until_polled(&self, fleet: Fleet, patience: Duration) -> anyhow::Result<()> {
        let clock = Clock::system();
        let mut scraper = Scraper::plain(self.address);
        loop {
            let page = scraper.text("/metrics")?;
            let up = samples(&page, "aliyun_rds_import_instance_up{");
            if up.filter(|value| *value == 1.0).count() == fleet.instances {
                return Ok(());
            }
            ensure!(clock.monotonic() < patience, "not all instances were polled in time");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Values of the samples of `page` that begin with `start`.
pub(crate) fn samples<'a>(page: &'a str, start: &'a str) -> impl Iterator<Item = f64> + 'a {
    let lines = page.lines().filter(move |line| line.starts_with(start));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
}
