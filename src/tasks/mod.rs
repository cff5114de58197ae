//! The `tasks` command: walks every instance once and prints its tasks, for people or as JSON.
//!
//! It asks the API itself and needs no daemon. What it could not ask it says on stderr, and the
//! exit code tells.

mod table;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::{Output, Tasks};
use crate::clock::Clock;
use crate::config::{Config, Environment, Instance};
use crate::domain::InstanceKey;
use crate::domain::text::printable;
use crate::instruments::Instruments;
use crate::poll::{Reach, Sweep, Unreachable};
use crate::progress::{Progress, shown};
use crate::status::{Concern, Fleet, Slice, TaskFilter, TaskQuery, tasks_json};
use crate::store::Store;

/// What the command writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns of the table; as many as it needs if `None`.
    pub(crate) width: Option<u16>,
    /// Whether the table has colours.
    pub(crate) colours: bool,
    /// Whether the screen can be cleared.
    pub(crate) clears: bool,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every instance was asked.
    Complete,
    /// Some instances could not be asked: the list lacks their tasks.
    Incomplete,
    /// A task that was shown has failed, and whoever asked wants to know by the exit code.
    TaskFailed,
}

/// A wish that the configuration cannot meet.
#[derive(Debug, thiserror::Error)]
#[error("--instance {wanted}: no instance has this ID or name, listed or discovered")]
pub struct NoSuchInstance {
    wanted: String,
}

impl Terminal {
    /// What stdout is. Colours are wanted unless `NO_COLOR` is set to something; `COLUMNS` counts
    /// where the terminal does not tell its width.
    fn of_stdout(environment: &Environment) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let told = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let told = told.filter(|width| *width > 0);
        let columns = || environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
        let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: told.or_else(columns),
            colours: is_terminal && !no_color,
            clears: is_terminal,
        }
    }
}

/// Walks the instances of `config` that are wanted and prints their tasks on stdout, what failed on
/// stderr; with `--watch` again and again until `stop`.
///
/// # Errors
///
/// When an instance is wanted that is not in the configuration, an account cannot be set up, stdout
/// cannot be written, or it was stopped before every instance was asked.
pub async fn tasks(
    config: Config,
    wanted: &Tasks,
    environment: &Environment,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let (instruments, store) = (Instruments::new()?, Store::new());
    let finding = Reach::find(&config, environment, clock, &instruments);
    let mut reach = tokio::select! {
        found = finding => found?,
        () = stop.cancelled() => return stopped(wanted),
    };
    keep_wanted(&mut reach.targets, &wanted.instance)?;
    let interval = reach.targets.iter().map(|instance| instance.interval).min();
    let interval = interval.context("there is no instance to ask")?;
    let mut sweep = Sweep::new(reach, &config, &store);
    let terminal = Terminal::of_stdout(environment);
    let printer = Printer { wanted, terminal };
    loop {
        let started = clock.monotonic();
        let (sender, progress) = watch::channel(Progress::default());
        sender.send_replace(Progress { asked: 0, instances: sweep.size() });
        let polled = move || sender.send_modify(|progress| progress.asked += 1);
        let mut stderr = io::stderr();
        let is_terminal = stderr.is_terminal();
        let looking = is_terminal.then_some(&mut stderr as &mut dyn Write);
        let swept = shown(sweep.run(polled, stop), progress, clock, looking).await?;
        let Some(unreachable) = swept else { return stopped(wanted) };
        let fleet = Fleet::read(&store, &instruments, clock.now());
        let ended = printer.print(&fleet, &unreachable)?;
        drop(fleet);
        if !wanted.watch {
            return Ok(ended);
        }
        let next = started.saturating_add(interval);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = stop.cancelled() => return Ok(ended),
        }
    }
}

/// A watch is ended by stopping it; anything else that is stopped has not done what it should.
fn stopped(wanted: &Tasks) -> anyhow::Result<Ended> {
    anyhow::ensure!(wanted.watch, "stopped before every instance was asked");
    Ok(Ended::Complete)
}

/// Leaves out the instances that nobody asked for.
fn keep_wanted(
    instances: &mut Vec<Arc<Instance>>,
    wanted: &[String],
) -> Result<(), NoSuchInstance> {
    if wanted.is_empty() {
        return Ok(());
    }
    let is =
        |instance: &Instance, wanted: &str| *instance.id == *wanted || *instance.name == *wanted;
    for wanted in wanted {
        if !instances.iter().any(|instance| is(instance, wanted)) {
            return Err(NoSuchInstance { wanted: wanted.clone() });
        }
    }
    instances.retain(|instance| wanted.iter().any(|wanted| is(instance, wanted)));
    Ok(())
}

/// Writes down what a sweep found.
struct Printer<'a> {
    wanted: &'a Tasks,
    terminal: Terminal,
}

impl Printer<'_> {
    fn print(&self, fleet: &Fleet<'_>, unreachable: &[Unreachable]) -> anyhow::Result<Ended> {
        let status = self.wanted.status.clone();
        let filter = TaskFilter { status, ..TaskFilter::default() };
        let query = TaskQuery { filter, slice: Slice::ALL };
        let tasks = fleet.tasks(&query.filter, query.slice).items;
        let text = match self.wanted.output {
            Output::Json => format!("{}\n", tasks_json(fleet, &query)?),
            Output::Table => table::table(&tasks, self.terminal),
        };
        let clear =
            if self.wanted.watch && self.terminal.clears { "\x1b[H\x1b[2J\x1b[3J" } else { "" };
        let mut out = io::stdout().lock();
        let written = write!(out, "{clear}{text}").and_then(|()| out.flush());
        written.context("cannot write to stdout")?;
        // Without stderr the exit code alone has to do.
        let _ = tell(unreachable, self.wanted.watch, &mut io::stderr().lock());
        let has_failed = tasks.iter().any(|task| task.concern == Concern::Failed);
        Ok(match (self.wanted.exit_status && has_failed, unreachable.is_empty()) {
            (true, _) => Ended::TaskFailed,
            (false, true) => Ended::Complete,
            (false, false) => Ended::Incomplete,
        })
    }
}

/// Says what is missing in the list, and what to do about it.
fn tell(unreachable: &[Unreachable], again: bool, log: &mut impl Write) -> io::Result<()> {
    for Unreachable { key, error } in unreachable {
        let InstanceKey { account, region_id, db_instance_id } = key;
        writeln!(
            log,
            "{} ({}, account {}): {}",
            printable(db_instance_id),
            printable(region_id),
            printable(account),
            printable(&error.to_string())
        )?;
    }
    let hints: BTreeSet<_> = unreachable.iter().map(|one| one.error.kind().hint()).collect();
    for hint in hints {
        writeln!(log, "  hint: {hint}")?;
    }
    if !unreachable.is_empty() {
        let noun = if unreachable.len() == 1 { "instance" } else { "instances" };
        let what = if again { "lacks or has old" } else { "lacks the" };
        writeln!(log, "error: the list {what} tasks of {} {noun}", unreachable.len())?;
    }
    Ok(())
}
