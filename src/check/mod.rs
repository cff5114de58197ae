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

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Environment;
use crate::config::cost::discovery_calls_per_day;
use crate::config::load::{self, LoadError, Loaded};
use crate::poll::trial::Trial;
use crate::progress::{Progress, shown};
use crate::web::Guard;

use settings::{accounts, discovery, instance, instances_header, write_cost, write_cost_of_found};
use table::write_table;

/// The trap that most who set this up fall into.
const READ_ONLY_ACCESS: &str = "note: the keys need the RAM action rds:DescibeImportsFromDatabase, \
    spelled so; the system policy AliyunRDSReadOnlyAccess does not cover it, because its \
    rds:Describe* does not match; the command policy prints one that does";

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
    let (sender, progress) = watch::channel(Progress::default());
    let trial = Trial::run(&loaded.config, environment, clock, &sender);
    let trial = shown(trial, progress, clock, terminal).await?;
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
