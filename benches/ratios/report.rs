//! The tables: measured ratios against their targets, and the single figures behind them.

use std::fmt::Write as _;
use std::path::Path;

use aliyun_rds_import_exporter::clock::Clock;
use anyhow::Context as _;

use crate::machine::{self, Machine};

const BEGIN: &str = "<!-- results -->\n";
const END: &str = "<!-- end of results -->\n";

/// What was measured so far.
pub(crate) struct Report {
    is_quick: bool,
    machine: Machine,
    load_before: String,
    rows: Vec<Row>,
    figures: Vec<Figure>,
}

/// A measured value and what it has to be.
pub(crate) struct Row {
    pub(crate) what: String,
    /// What the value is: a ratio to something, or its unit.
    pub(crate) of: &'static str,
    pub(crate) measured: f64,
    pub(crate) goal: Option<Goal>,
}

/// What a value has to be, and what would be better still.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost { target: f64, stretch: Option<f64> },
    AtLeast { target: f64, stretch: Option<f64> },
}

/// Something behind the ratios.
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) values: String,
}

impl Goal {
    fn symbol(self) -> &'static str {
        match self {
            Self::AtMost { .. } => "≤",
            Self::AtLeast { .. } => "≥",
        }
    }

    fn bounds(self) -> (f64, Option<f64>) {
        match self {
            Self::AtMost { target, stretch } | Self::AtLeast { target, stretch } => {
                (target, stretch)
            }
        }
    }

    fn is_met(self, value: f64, bound: f64) -> bool {
        match self {
            Self::AtMost { .. } => value <= bound,
            Self::AtLeast { .. } => value >= bound,
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let (mut target, mut stretch, mut verdict) = (String::new(), String::new(), "");
        if let Some(goal) = self.goal {
            let (required, better) = goal.bounds();
            target = format!("{} {}", goal.symbol(), number(required));
            stretch = better
                .map(|better| format!("{} {}", goal.symbol(), number(better)))
                .unwrap_or_default();
            verdict = match better {
                _ if !goal.is_met(self.measured, required) => "**missed**",
                Some(better) if goal.is_met(self.measured, better) => "met, stretch too",
                _ => "met",
            };
        }
        [
            self.what.clone(),
            self.of.to_owned(),
            number(self.measured),
            target,
            stretch,
            verdict.to_owned(),
        ]
    }
}

impl Report {
    pub(crate) fn new(is_quick: bool) -> anyhow::Result<Self> {
        let (machine, load_before) = (Machine::read()?, machine::load()?);
        Ok(Self { is_quick, machine, load_before, rows: Vec::new(), figures: Vec::new() })
    }

    /// Adds a value that has to be something.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        of: &'static str,
        measured: f64,
        goal: impl Into<Option<Goal>>,
    ) {
        let row = Row { what: what.into(), of, measured, goal: goal.into() };
        progress(&row.cells().join(" | "));
        self.rows.push(row);
    }

    /// Adds something that stands behind the ratios.
    pub(crate) fn figure(&mut self, what: impl Into<String>, values: String) {
        let figure = Figure { what: what.into(), values };
        progress(&format!("{}: {}", figure.what, figure.values));
        self.figures.push(figure);
    }

    /// Prints all of it.
    #[expect(clippy::print_stdout, reason = "the result of the program")]
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        println!("{}", self.text()?);
        Ok(())
    }

    /// Replaces what stands between the marks of `file`.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file)?;
        let marks = || format!("{} needs the lines {BEGIN}{END}", file.display());
        let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
        let (_, after) = rest.split_once(END).with_context(marks)?;
        let text = format!("{before}{BEGIN}\n{}\n{END}{after}", self.text()?);
        Ok(std::fs::write(file, text)?)
    }

    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let date = Clock::system().now().format("%Y-%m-%d");
        writeln!(text, "Measured {date} on {}.", self.machine)?;
        writeln!(
            text,
            "Load of the machine: {} before, {} after.",
            self.load_before,
            machine::load()?
        )?;
        if self.is_quick {
            writeln!(text, "A quick run, with a small fleet: these numbers prove nothing.")?;
        }
        if cfg!(debug_assertions) {
            writeln!(text, "Built without optimisation: these numbers prove nothing.")?;
        }
        let header = ["what", "in", "measured", "target", "stretch", ""].map(str::to_owned);
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        writeln!(text, "\n{}", table(&header, &rows))?;
        let missed = rows.iter().filter(|row| row[5] == "**missed**").count();
        let judged = self.rows.iter().filter(|row| row.goal.is_some()).count();
        writeln!(text, "{} of {judged} targets met.", judged - missed)?;
        let header = ["what stands behind it", "medians"].map(str::to_owned);
        let figures: Vec<_> =
            self.figures.iter().map(|it| [it.what.clone(), it.values.clone()]).collect();
        write!(text, "\n{}", table(&header, &figures))?;
        Ok(text)
    }
}

/// Tells people that something was measured: the whole takes minutes.
#[expect(clippy::print_stderr, reason = "for people who wait")]
fn progress(text: &str) {
    eprintln!("{text}");
}

fn table<const N: usize>(header: &[String; N], rows: &[[String; N]]) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().chain([header]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let body: String = rows.iter().map(line).collect();
    format!("{}|{rule}\n{body}", line(header))
}

/// Three digits, or all in front of the point.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The value in the middle; sorts the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
