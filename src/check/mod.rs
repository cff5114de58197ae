//! The `check` command: what the configuration says, or everything that is wrong with it, and with
//! `--online` what of it works.
//!
//! Without `--online` it opens no connection.

mod advice;
mod online;
mod settings;
mod table;

use std::io::{self, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::cost::discovery_calls_per_day;
use crate::config::load::{self, LoadError, Loaded};
use crate::config::{Config, Environment};
use crate::poll::trial::{Progress, Trial};
use crate::web::Guard;

use settings::{accounts, discovery, instance, instances_header, write_cost, write_cost_of_found};
use table::write_table;

/// The trap that most who set this up fall into.
const READ_ONLY_ACCESS: &str = "note: the keys need the RAM action rds:DescibeImportsFromDatabase, \
    spelled so; the system policy AliyunRDSReadOnlyAccess does not cover it, because its \
    rds:Describe* does not match; the command policy prints one that does";

/// Shortest time between two looks of progress.
const REDRAW: Duration = Duration::from_millis(100);

/// Checks the configuration and writes the result for people to `out`. Returns whether it is free
/// of problems; warnings are none.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn check(file: &Path, environment: &Environment, out: &mut impl Write) -> io::Result<bool> {
    match load::from_file(file, environment) {
        Ok(loaded) => {
            writeln!(out, "{}: ok", file.display())?;
            write_loaded(&loaded, out)?;
            Ok(true)
        }
        Err(error) => write_refused(file, &error, out),
    }
}

/// Checks the configuration as [`check`] does, and then tries everything that the daemon would do:
/// the keys and the searches of every account, and a call for each instance. How far it is, it tells
/// on `terminal`, if there is one.
///
/// # Errors
///
/// When `out` cannot be written, and by accident.
pub async fn check_online(
    file: &Path,
    environment: &Environment,
    clock: &Clock,
    out: &mut impl Write,
    terminal: Option<&mut dyn Write>,
) -> anyhow::Result<bool> {
    let loaded = match load::from_file(file, environment) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(write_refused(file, &error, out)?),
    };
    writeln!(out, "{}: ok", file.display())?;
    out.flush()?;
    let trial = tried(&loaded.config, environment, clock, terminal).await?;
    let problems = online::write(&loaded, &trial, out)?;
    match problems {
        0 => writeln!(out, "{}: everything works", file.display())?,
        _ => writeln!(out, "{}", count(file, problems))?,
    }
    Ok(problems == 0)
}

/// Checks the web configuration and what it names, as [`check`] does.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn check_web(file: &Path, out: &mut impl Write) -> io::Result<bool> {
    match Guard::load(file, Clock::system()) {
        Ok(guard) => {
            let transport = if guard.serves_tls() { "TLS" } else { "plain HTTP" };
            writeln!(out, "{}: ok, {transport}", file.display())?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "{error}\n{}", count(file, error.problems().len()))?;
            Ok(false)
        }
    }
}

fn write_refused(file: &Path, error: &LoadError, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "{error}\n{}", count(file, error.problems().len()))?;
    Ok(false)
}

fn count(file: &Path, problems: usize) -> String {
    let noun = if problems == 1 { "problem" } else { "problems" };
    format!("{}: {problems} {noun}", file.display())
}

fn write_loaded(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let Loaded { config, warnings } = loaded;
    write_table(&accounts(config), out)?;
    if !config.instances.is_empty() {
        let rows = config.instances.iter().map(instance);
        write_table(&[instances_header()].into_iter().chain(rows).collect::<Vec<_>>(), out)?;
    }
    if !config.discovery.is_empty() {
        write_table(&discovery(config), out)?;
    }
    write_cost(config, discovery_calls_per_day(&config.discovery), out)?;
    if !config.discovery.is_empty() {
        write_cost_of_found(config, out)?;
    }
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "{READ_ONLY_ACCESS}")
}

/// Tries everything, and redraws a line of progress meanwhile. Who looks at a terminal that cannot
/// be written misses nothing.
async fn tried(
    config: &Config,
    environment: &Environment,
    clock: &Clock,
    mut terminal: Option<&mut dyn Write>,
) -> anyhow::Result<Trial> {
    let (sender, mut progress) = watch::channel(Progress::default());
    let mut trial = pin!(Trial::run(config, environment, clock, &sender));
    let mut drawn: Option<Duration> = None;
    loop {
        tokio::select! {
            trial = &mut trial => {
                if let (Some(terminal), Some(_)) = (&mut terminal, drawn) {
                    // Back to the line's beginning, and clear it.
                    let _ = write!(terminal, "\r\x1b[K").and_then(|()| terminal.flush());
                }
                return Ok(trial?);
            }
            Ok(()) = progress.changed(), if terminal.is_some() => {
                let now = clock.monotonic();
                let Progress { asked, instances } = *progress.borrow_and_update();
                if drawn.is_some_and(|drawn| now < drawn.saturating_add(REDRAW)) {
                    continue;
                }
                drawn = Some(now);
                if let Some(terminal) = &mut terminal {
                    let line = format!("\rasked {asked} of {instances} instances");
                    let _ = terminal.write_all(line.as_bytes()).and_then(|()| terminal.flush());
                }
            }
        }
    }
}
