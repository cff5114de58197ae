//! What the exporter talks about: instances and their migration tasks, in the API's own words.

pub(crate) mod text;
mod vocabulary;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use vocabulary::Vocabulary;

/// The API's operation for migration tasks, in the spelling of its reference.
pub const LIST_IMPORTS: &str = "DescibeImportsFromDatabase";
/// The API's operation for instances.
pub const LIST_INSTANCES: &str = "DescribeDBInstances";
/// The API's operation for regions.
pub const LIST_REGIONS: &str = "DescribeRegions";

/// Identifies an instance: the labels every per-instance series carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    /// Name of the account in the configuration.
    pub account: Arc<str>,
    /// Region ID, such as `cn-hangzhou`.
    pub region_id: Arc<str>,
    /// Instance ID, such as `rm-bp1xxxxxxxxxxxxx`.
    pub db_instance_id: Arc<str>,
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.region_id, self.db_instance_id)
    }
}

/// Database engines that the operation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// MySQL.
    MySQL,
    /// SQL Server.
    SQLServer,
}

impl Engine {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MySQL => "MySQL",
            Self::SQLServer => "SQLServer",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Number of a migration task. The reference says 32 bits; nothing here depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportId(pub u64);

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

static STATUSES: Vocabulary = Vocabulary::new(&[
    "Canceled",
    "Canceling",
    "Failed",
    "FullExporting",
    "FullImporting",
    "IncrementalImporting",
    "IncrementalWaiting",
    "NotStart",
    "StopSyncing",
    "Success",
]);

/// Status of a migration task (`ImportDataStatus`). An undocumented one keeps its spelling.
/// Statuses are ordered by their names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskStatus(u8);

impl TaskStatus {
    /// The migration task has not started.
    pub const NOT_START: Self = Self(7);
    /// Full data is being exported.
    pub const FULL_EXPORTING: Self = Self(3);
    /// Full data is being imported.
    pub const FULL_IMPORTING: Self = Self(4);
    /// The task waits to synchronise incremental data.
    pub const INCREMENTAL_WAITING: Self = Self(6);
    /// Incremental data is being synchronised.
    pub const INCREMENTAL_IMPORTING: Self = Self(5);
    /// Synchronisation has been stopped.
    pub const STOP_SYNCING: Self = Self(8);
    /// The task is being cancelled.
    pub const CANCELING: Self = Self(1);
    /// The task was cancelled.
    pub const CANCELED: Self = Self(0);
    /// The task succeeded.
    pub const SUCCESS: Self = Self(9);
    /// The task failed.
    pub const FAILED: Self = Self(2);

    /// Every documented status, in the order of their names.
    pub const DOCUMENTED: [Self; 10] = [
        Self::CANCELED,
        Self::CANCELING,
        Self::FAILED,
        Self::FULL_EXPORTING,
        Self::FULL_IMPORTING,
        Self::INCREMENTAL_IMPORTING,
        Self::INCREMENTAL_WAITING,
        Self::NOT_START,
        Self::STOP_SYNCING,
        Self::SUCCESS,
    ];

    /// The status that the API spells `word`; `None` for a word that cannot be a label.
    pub fn parse(word: &str) -> Option<Self> {
        STATUSES.number(word).map(Self)
    }

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        STATUSES.word(self.0)
    }

    /// Its place in [`DOCUMENTED`](Self::DOCUMENTED).
    pub fn documented_place(self) -> Option<usize> {
        let place = usize::from(self.0);
        (place < Self::DOCUMENTED.len()).then_some(place)
    }

    /// Whether the reference knows it.
    pub fn is_documented(self) -> bool {
        self.documented_place().is_some()
    }

    /// Whether nothing more will happen to the task. An undocumented status is not final: it is
    /// watched until the API says a word that we know.
    pub fn is_final(self) -> bool {
        [Self::SUCCESS, Self::FAILED, Self::CANCELED, Self::STOP_SYNCING].contains(&self)
    }

    /// Whether `IncrementalImportingTime` is the task's position while it is in this status.
    pub fn is_incremental(self) -> bool {
        [Self::INCREMENTAL_WAITING, Self::INCREMENTAL_IMPORTING].contains(&self)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Ord for TaskStatus {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for TaskStatus {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

static TYPES: Vocabulary = Vocabulary::new(&["Full", "Incremental"]);

/// Type of a migration task (`ImportDataType`). An undocumented one keeps its spelling.
/// Types are ordered by their names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskType(u8);

impl TaskType {
    /// Migrates what is there, once.
    pub const FULL: Self = Self(0);
    /// Goes on to follow changes.
    pub const INCREMENTAL: Self = Self(1);

    /// Every documented type, in the order of their names.
    pub const DOCUMENTED: [Self; 2] = [Self::FULL, Self::INCREMENTAL];

    /// The type that the API spells `word`; `None` for a word that cannot be a label.
    pub fn parse(word: &str) -> Option<Self> {
        TYPES.number(word).map(Self)
    }

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        TYPES.word(self.0)
    }

    /// Its place in [`DOCUMENTED`](Self::DOCUMENTED).
    pub fn documented_place(self) -> Option<usize> {
        let place = usize::from(self.0);
        (place < Self::DOCUMENTED.len()).then_some(place)
    }

    /// Whether the reference knows it.
    pub fn is_documented(self) -> bool {
        self.documented_place().is_some()
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Ord for TaskType {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for TaskType {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What the API says of a task. Tasks of which it says the same share the text.
pub type Description = (ImportId, Arc<str>);

/// What one answer said of one migration task: 24 bytes, since a process may hold a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task's number, unique within its instance.
    pub import_id: ImportId,
    /// Full or incremental.
    pub kind: TaskType,
    /// Where it stood.
    pub status: TaskStatus,
    /// How far incremental synchronisation had come. `None` unless the task is incremental, in a
    /// status that has a position, and the API gave a time that makes sense.
    pub position: Option<Position>,
}

/// How far an incremental task had come, and how far behind it was when the API said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// `IncrementalImportingTime` in Unix seconds.
    pub unix_seconds: u32,
    /// Seconds between the position and the answer's time; 0 when the position is ahead of it.
    pub lag_seconds: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undocumented_word_passes_through_as_it_is() {
        let status = TaskStatus::parse("PausedByOperator").unwrap();

        assert_eq!(status.as_str(), "PausedByOperator");
        assert_eq!(status, TaskStatus::parse("PausedByOperator").unwrap());
        assert!(!status.is_documented());
        assert!(!status.is_final());
    }

    #[test]
    fn a_word_that_cannot_be_a_label_is_refused() {
        assert_eq!(TaskStatus::parse(""), None);
        assert_eq!(TaskType::parse(&"x".repeat(vocabulary::MAX_WORD_LENGTH + 1)), None);
    }

    #[test]
    fn documented_words_stand_in_the_order_of_their_names() {
        assert!(TaskStatus::DOCUMENTED.is_sorted());
        assert!(TaskType::DOCUMENTED.is_sorted());
        assert_eq!(TaskStatus::INCREMENTAL_WAITING.as_str(), "IncrementalWaiting");
        assert_eq!(TaskStatus::SUCCESS.as_str(), "Success");
        assert_eq!(TaskType::INCREMENTAL.as_str(), "Incremental");
    }

    #[test]
    fn a_task_is_small() {
        assert_eq!(size_of::<Task>(), 24);
    }

    #[test]
    fn exactly_four_documented_statuses_are_final() {
        let of_final = TaskStatus::DOCUMENTED.into_iter().filter(|status| status.is_final());
        let names: Vec<_> = of_final.map(TaskStatus::as_str).collect();
        assert_eq!(names, ["Canceled", "Failed", "StopSyncing", "Success"]);
    }
}
