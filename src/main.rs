//! The daemon's binary: arguments, logging, command, exit code.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use aliyun_rds_import_exporter::app::{App, Serving};
use aliyun_rds_import_exporter::check::{check, check_online, check_web};
use aliyun_rds_import_exporter::cli::{Cli, Command, Simulate};
use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::config::load::{self, LoadError};
use aliyun_rds_import_exporter::config::shard::ShardError;
use aliyun_rds_import_exporter::config::{Config, Environment, Shard};
use aliyun_rds_import_exporter::demo::Demo;
use aliyun_rds_import_exporter::logging;
use aliyun_rds_import_exporter::policy::{Policy, PolicyError};
use aliyun_rds_import_exporter::reload::Reload;
use aliyun_rds_import_exporter::simulator::{self, Scenario, ScenarioError, Simulator};
use aliyun_rds_import_exporter::systemd;
use aliyun_rds_import_exporter::tasks::{Ended, NoSuchInstance, tasks};
use aliyun_rds_import_exporter::web::WebConfigError;
use anyhow::Context as _;
use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Something failed.
const FAILED: u8 = 1;
/// A task that `tasks --exit-status` printed has failed.
const TASK_FAILED: u8 = 3;
/// Bad usage or configuration; `clap` exits with it, too.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = run(&cli);
    logging::flush();
    match ended {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    logging::init(cli.log_level(), cli.options.log_format)?;
    logging::end_on_panic();
    let environment = Environment::of_process();
    let serving = || -> anyhow::Result<Serving> {
        raise_file_limit();
        Ok(Serving {
            listen: cli.listen_addresses(),
            sockets: systemd::sockets(cli.options.web_systemd_socket)?,
            web_config: cli.options.web_config_file.clone(),
            telemetry_path: cli.options.web_telemetry_path.clone(),
        })
    };
    match cli.command() {
        Command::Run => {
            let shard = shard(cli, &environment)?;
            let config = load(&cli.options.config_file, &environment, shard)?;
            let serving = serving()?;
            let again = {
                let (file, environment) = (cli.options.config_file.clone(), environment.clone());
                move || load(&file, &environment, shard)
            };
            until_stopped(async |stop| daemon(config, again, serving, &environment, stop).await)?;
        }
        Command::Demo => {
            let serving = serving()?;
            until_stopped(async |stop| demo(serving, stop).await)?;
        }
        Command::Simulate(what) => {
            let scenario = scenario(&what)?;
            until_stopped(async |stop| simulate(scenario, &what, stop).await)?;
        }
        Command::Check(what) => {
            let file = &cli.options.config_file;
            let mut out = io::stdout().lock();
            let mut ok = if what.online {
                check_online_of(file, &environment, &mut out)?
            } else {
                check(file, &environment, &mut out)?
            };
            if let Some(file) = &cli.options.web_config_file {
                ok &= check_web(file, &mut out)?;
            }
            return Ok(ExitCode::from(if ok { 0 } else { FAILED }));
        }
        Command::Tasks(wanted) => {
            let config = load(&cli.options.config_file, &environment, Shard::default())?;
            let clock = Clock::system();
            let list = async |stop| tasks(config, &wanted, &environment, &clock, &stop).await;
            return Ok(ExitCode::from(match until_stopped(list)? {
                Ended::Complete => 0,
                Ended::Incomplete => FAILED,
                Ended::TaskFailed => TASK_FAILED,
            }));
        }
        Command::Policy(what) => {
            let config = load(&cli.options.config_file, &environment, Shard::default())?;
            let policy = Policy::new(&config, what.account.as_deref())?;
            say(&format!("{policy}\n"))?;
            for note in &policy.notes {
                // Without stderr the policy alone has to do.
                let _ = writeln!(io::stderr(), "note: {note}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells how far it is to those who look: not in a log file.
fn check_online_of(
    file: &Path,
    environment: &Environment,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    raise_file_limit();
    let mut stderr = io::stderr();
    let is_terminal = stderr.is_terminal();
    let terminal = is_terminal.then_some(&mut stderr as &mut dyn Write);
    let runtime = runtime()?;
    let clock = Clock::system();
    let outcome = runtime.block_on(check_online(file, environment, &clock, out, terminal));
    // A metadata service or a process that does not answer must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The shard that the flags ask for. A container's host name stands in a variable, too, even where
/// it shares the network and so the name of its node.
fn shard(cli: &Cli, environment: &Environment) -> Result<Shard, ShardError> {
    let host_name = || match environment.get("HOSTNAME") {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => gethostname::gethostname().to_string_lossy().into_owned(),
    };
    cli.shard(host_name)
}

fn load(file: &Path, environment: &Environment, shard: Shard) -> Result<Config, LoadError> {
    let loaded = load::from_file(file, environment)?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %file.display(), "{warning}");
    }
    Ok(Config { shard, ..loaded.config })
}

fn scenario(what: &Simulate) -> anyhow::Result<Scenario> {
    let Some(file) = &what.scenario else { return Ok(Scenario::demo()) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the scenario {}", file.display()))?;
    Scenario::from_yaml(&text).with_context(|| format!("the scenario {}", file.display()))
}

/// One thread for polls and scrapes: what they do between two waits takes less than waking another
/// thread. What takes longer, or waits for a file, has threads of its own.
fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs `work` on a runtime of its own; SIGTERM and SIGINT tell it to stop.
fn until_stopped<T>(
    work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
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
            systemd::stopping();
            asked.cancel();
        });
        work(stop).await
    });
    // Everything that matters has ended; a password that is being checked, or a file system that
    // does not answer, must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn daemon(
    config: Config,
    again: impl Fn() -> Result<Config, LoadError> + Send + Sync + 'static,
    serving: Serving,
    environment: &Environment,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // From here on SIGHUP does not end the process: it may come at any time.
    let hangup = signal(SignalKind::hangup())?;
    let path = serving.telemetry_path.clone();
    let app = App::bind(&config, serving, environment, Clock::system()).await?.reload_by(again);
    let scheme = app.scheme();
    for address in app.local_addrs() {
        tracing::info!(
            %address,
            scheme,
            telemetry_path = path.as_str(),
            accounts = config.accounts.len(),
            instances = config.instances.len(),
            discovery = config.discovery.len(),
            "listening"
        );
    }
    drop(config);
    tokio::spawn(reload_on(hangup, app.reload(), stop.clone()));
    alive(app.run(stop)).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Reloads at each signal, until told to stop. How it went is in the log.
async fn reload_on(mut signal: Signal, reload: Reload, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = signal.recv() => {
                systemd::reloading();
                drop(reload.now().await);
                systemd::ready();
            }
        }
    }
}

async fn demo(serving: Serving, stop: CancellationToken) -> anyhow::Result<()> {
    let path = serving.telemetry_path.clone();
    let demo = Demo::bind(serving, Clock::system()).await?;
    let mut text = format!("simulated Alibaba Cloud: {}\n", demo.simulator_url());
    for address in demo.local_addrs() {
        let base = format!("{}://{address}", demo.scheme());
        text += &format!("overview:    {base}/\n");
        text += &format!("metrics:     {base}{}\n", path.as_str());
    }
    say(&text)?;
    alive(demo.run(stop)).await
}

/// Runs `daemon`, which listens already, and keeps systemd told that it lives.
async fn alive(daemon: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    systemd::ready();
    let watchdog = async {
        match systemd::watchdog_interval() {
            Some(interval) => systemd::watchdog(interval, Clock::system()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = daemon => ended,
        () = watchdog => Ok(()),
    }
}

/// Connections are file descriptors, and the limit that a process starts with is made for programs
/// that still use `select`.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "file descriptors that may be open"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
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
    } else if let Some(problems) = error.downcast_ref::<WebConfigError>() {
        (BAD_CONFIGURATION, problems.to_string())
    } else {
        let is_bad = error.is::<ScenarioError>()
            || error.is::<ShardError>()
            || error.is::<NoSuchInstance>()
            || error.is::<PolicyError>();
        let code = if is_bad { BAD_CONFIGURATION } else { FAILED };
        (code, format!("error: {error:#}"))
    };
    // Without stderr the exit code alone has to do.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
