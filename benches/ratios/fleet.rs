//! The instances that the API of the benches knows, and what it answers of them.

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;

/// Tasks on a page.
pub(crate) const PAGE: usize = 100;

const FULL: [&str; 5] = ["FullExporting", "Success", "FullImporting", "Failed", "NotStart"];
const INCREMENTAL: [&str; 2] = ["IncrementalImporting", "IncrementalWaiting"];

/// How an instance's answers follow one another.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Life {
    /// All are the same, `Date` included.
    Still,
    /// Incremental tasks, which are every second one, have come further.
    Moving,
    /// Every task has another status, and incremental ones have come further.
    Changing,
    /// All are the same, and all tasks have ended.
    Final,
}

impl Life {
    /// How many different answers take turns.
    pub(crate) fn variants(self) -> usize {
        match self {
            Self::Still | Self::Final => 1,
            Self::Moving | Self::Changing => 2,
        }
    }

    pub(crate) fn as_argument(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Moving => "moving",
            Self::Changing => "changing",
            Self::Final => "final",
        }
    }
}

/// ID of the instance `number`.
pub(crate) fn id(number: usize) -> String {
    format!("rm-bench{number:07}")
}

/// Number of the instance that a signed query asks for.
pub(crate) fn number(query: &str) -> Option<usize> {
    let (_, rest) = query.split_once("DBInstanceId=rm-bench")?;
    rest.get(..7)?.parse().ok()
}

/// One of the answers of an instance with `tasks` tasks: all its pages.
pub(crate) fn pages(
    instance: usize,
    tasks: usize,
    life: Life,
    variant: usize,
    now: DateTime<Utc>,
) -> Vec<String> {
    let items: Vec<String> =
        (0..tasks).map(|task| item(instance * tasks + task, life, variant, now)).collect();
    let page = |(index, items): (usize, &[String])| {
        format!(
            r#"{{"PageNumber":{},"PageRecordCount":{},"TotalRecordCount":{tasks},"RequestId":"1AD222E9-E606-4A42-BF6D-8A4442913CEF","Items":{{"ImportResultFromDB":[{}]}}}}"#,
            index + 1,
            items.len(),
            items.join(",")
        )
    };
    items.chunks(PAGE).enumerate().map(page).collect()
}

fn item(number: usize, life: Life, variant: usize, now: DateTime<Utc>) -> String {
    let import_id = 1_000_000 + number;
    let turn = number / 2 + if life == Life::Changing { variant } else { 0 };
    let (kind, status) = match number % 2 {
        0 => ("Full", FULL[turn % FULL.len()]),
        _ => ("Incremental", INCREMENTAL[turn % INCREMENTAL.len()]),
    };
    let status = if life == Life::Final { "Success" } else { status };
    let behind = number * 7_919 % 900 + variant * 7;
    let position = now - TimeDelta::seconds(behind as i64);
    let position = position.format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        r#"{{"ImportId":{import_id},"ImportDataType":"{kind}","ImportDataStatus":"{status}","ImportDataStatusDescription":"the migration task of a database","IncrementalImportingTime":"{position}"}}"#
    )
}
