//! What a scrape, a poll and a start cost, against what people would otherwise use and against the
//! floor: a table of ratios, from one run in which all take turns.
//!
//! `make bench` runs this after building the peers. Servers and clients are processes of their own:
//! the real binary, the peers, and this program again in another [`Role`]. It fails when something
//! cannot be measured, never because a target is missed: a busy machine misses some.

mod crowd;
mod daemon;
mod fleet;
mod floor;
mod http;
mod machine;
mod memory;
mod mock;
mod peers;
mod poll;
mod process;
mod publish;
mod report;
mod scrape;
mod start;
mod static_page;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

use report::Report;

#[derive(Parser)]
struct Arguments {
    /// Cargo sends it when it benches, and not when it tests.
    #[arg(long, hide = true)]
    bench: bool,
    /// A short run with a small fleet: shows that everything works, and no numbers to rely on.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Writes the results into this file, between its marks.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// A part of the run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Scrape,
    Crowd,
    Publish,
    Memory,
    Poll,
    Start,
}

/// What this program is when it is started by itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Role {
    /// A server that sends a finished body.
    Static(static_page::Options),
    /// An API that answers at once.
    Mock(mock::Options),
    /// A client that signs its requests and drops the answers.
    Floor(floor::Options),
}

/// How large and how long a run is.
#[derive(Clone, Copy)]
struct Scale {
    /// Instances of the large fleet.
    instances: usize,
    /// Rounds in which all servers or clients take their turn.
    rounds: usize,
    /// Seconds of each measurement that takes a time.
    seconds: u64,
}

impl Scale {
    const FULL: Self = Self { instances: 1_000, rounds: 15, seconds: 6 };
    const QUICK: Self = Self { instances: 50, rounds: 2, seconds: 2 };
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Static(options)) => static_page::serve(&options),
        Some(Role::Mock(options)) => mock::serve(&options),
        Some(Role::Floor(options)) => floor::run(&options),
        None if arguments.bench => bench(&arguments),
        None => Ok(()),
    }
}

fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    let scale = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let all = [Part::Start, Part::Publish, Part::Scrape, Part::Crowd, Part::Memory, Part::Poll];
    let is_wanted = |part: &Part| arguments.only.is_empty() || arguments.only.contains(part);
    let parts: Vec<Part> = all.into_iter().filter(is_wanted).collect();
    // Publishing is measured in this process.
    if parts.iter().any(|part| *part != Part::Publish) {
        daemon::build()?;
    }
    let mut report = Report::new(arguments.quick)?;
    for part in parts {
        match part {
            Part::Start => start::measure(scale, &mut report).context("start"),
            Part::Publish => publish::measure(scale, &mut report).context("publish"),
            Part::Scrape => scrape::measure(scale, &mut report).context("scrape"),
            Part::Crowd => crowd::measure(scale, &mut report).context("crowd"),
            Part::Memory => memory::measure(scale, &mut report).context("memory"),
            Part::Poll => poll::measure(scale, &mut report).context("poll"),
        }?;
    }
    report.print()?;
    if let Some(file) = &arguments.write {
        report.write(file)?;
    }
    Ok(())
}
