//! The daemon's binary: arguments, logging, command, exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::check::check;
use aliyun_rds_import_exporter::cli::{Cli, Command, Simulate};
use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::config::load::{self, LoadError};
use aliyun_rds_import_exporter::config::{Config, Environment};
use aliyun_rds_import_exporter::demo::Demo;
use aliyun_rds_import_exporter::logging;
use aliyun_rds_import_exporter::simulator::{self, Scenario, ScenarioError, Simulator};
use aliyun_rds_import_exporter::tasks::{Ended, NoSuchInstance, tasks};
use anyhow::Context as _;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Something failed.
const FAILED: u8 = 1;
/// A task that `tasks --exit-status` printed has failed.
const TASK_FAILED: u8 = 3;
/// Bad usage or configuration; `clap` exits with it, too.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    logging::init(cli.options.log_level, cli.options.log_format)?;
    let environment = Environment::of_process();
    let serving = Serving {
        listen: cli.listen_addresses(),
        telemetry_path: cli.options.web_telemetry_path.clone(),
    };
    match cli.command() {
        Command::Run => {
            let config = load(&cli.options.config_file, &environment)?;
            until_stopped(async |stop| daemon(&config, serving, &environment, stop).await)?;
        }
        Command::Demo => until_stopped(async |stop| demo(serving, stop).await)?,
        Command::Simulate(what) => {
            let scenario = scenario(&what)?;
            until_stopped(async |stop| simulate(scenario, &what, stop).await)?;
        }
        Command::Check => {
            let ok = check(&cli.options.config_file, &environment, &mut io::stdout().lock())?;
            return Ok(ExitCode::from(if ok { 0 } else { FAILED }));
        }
        Command::Tasks(wanted) => {
            let config = load(&cli.options.config_file, &environment)?;
            let clock = Clock::system();
            let list = async |stop| tasks(config, &wanted, &environment, &clock, &stop).await;
            return Ok(ExitCode::from(match until_stopped(list)? {
                Ended::Complete => 0,
                Ended::Incomplete => FAILED,
                Ended::TaskFailed => TASK_FAILED,
            }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(file: &Path, environment: &Environment) -> anyhow::Result<Config> {
    let loaded = load::from_file(file, environment)?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %file.display(), "{warning}");
    }
    Ok(loaded.config)
}

fn scenario(what: &Simulate) -> anyhow::Result<Scenario> {
    let Some(file) = &what.scenario else { return Ok(Scenario::demo()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the scenario {}", file.display()))?;
    Scenario::from_yaml(&text).with_context(|| format!("the scenario {}", file.display()))
}

/// Runs `work` on a runtime of its own; SIGTERM and SIGINT tell it to stop.
fn until_stopped<T>(
    work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let asked = stop.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "stopping");
            asked.cancel();
        });
        work(stop).await
    })
}

async fn daemon(
    config: &Config,
    serving: Serving,
    environment: &Environment,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let path = serving.telemetry_path.clone();
    let app = App::bind(config, serving, environment, Clock::system()).await?;
    for address in app.local_addrs() {
        tracing::info!(
            %address,
            telemetry_path = path.as_str(),
            accounts = config.accounts.len(),
            instances = config.instances.len(),
            "listening"
        );
    }
    app.run(stop).await?;
    tracing::info!("stopped");
    Ok(())
}

async fn demo(serving: Serving, stop: CancellationToken) -> anyhow::Result<()> {
    let path = serving.telemetry_path.clone();
    let demo = Demo::bind(serving, Clock::system()).await?;
    let mut text = format!("simulated Alibaba Cloud: {}\n", demo.simulator_url());
    for address in demo.local_addrs() {
        text += &format!("overview:    http://{address}/\n");
        text += &format!("metrics:     http://{address}{}\n", path.as_str());
    }
    say(&text)?;
    demo.run(stop).await
}

async fn simulate(
    scenario: Scenario,
    what: &Simulate,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let simulator = Simulator::bind(scenario, Clock::system(), what.listen).await?;
    let mut text = format!("endpoint: {}\n", simulator.base_url());
    for key in simulator.accounts() {
        text += &format!("account: {}\n", key.account);
        text += &format!("access key id: {}\n", key.id);
        text += &format!("access key secret: {}\n", key.secret);
    }
    for instance in simulator.instances() {
        let simulator::KnownInstance { id, region, account, .. } = instance;
        text += &format!("instance: {id} region {region} account {account}\n");
    }
    say(&text)?;
    simulator.serve(stop).await;
    Ok(())
}

/// Writes results for people and scripts, at once.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Tells why the command ended, to people: a log's line has no room for a list of problems.
fn report(error: &anyhow::Error) -> ExitCode {
    let (code, message) = if let Some(problems) = error.downcast_ref::<LoadError>() {
        (BAD_CONFIGURATION, problems.to_string())
    } else {
        let is_usage = error.is::<ScenarioError>() || error.is::<NoSuchInstance>();
        let code = if is_usage { BAD_CONFIGURATION } else { FAILED };
        (code, format!("error: {error:#}"))
    };
    // Without stderr the exit code alone has to do.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
