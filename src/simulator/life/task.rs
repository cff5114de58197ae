//! Migration tasks and the lives they lead: pure functions of a task's age.
//!
//! Ages and steps are in the world's time, which the scenario's speed scales; lag is in real seconds,
//! because clients compare it with the clock.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::simulator::scenario::duration;

/// Status of a task, in the ten words of the operation's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[expect(missing_docs, reason = "the reference's words; Status::description says what they mean")]
pub enum Status {
    NotStart,
    FullExporting,
    FullImporting,
    IncrementalWaiting,
    IncrementalImporting,
    StopSyncing,
    Canceling,
    Canceled,
    Success,
    Failed,
}

/// Type of a task (`ImportDataType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Kind {
    /// Migrates what is there, once.
    #[default]
    Full,
    /// Goes on to follow changes.
    Incremental,
}

/// A migration task of an instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a task: a mapping with `import_id`")]
pub struct Task {
    /// `ImportId`, unique within its instance.
    pub import_id: u32,
    /// When it was created, counted from the simulator's start; negative is before it.
    #[serde(default, deserialize_with = "duration::signed")]
    pub created: TimeDelta,
    /// What becomes of it.
    #[serde(default)]
    pub life: Life,
}

/// A script of statuses, and what the API tells of a task that follows it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a life: a mapping with `steps`")]
pub struct Life {
    /// Full or incremental.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// Statuses in their order; at least one.
    pub steps: Vec<Step>,
    /// Starts again after the last step. Without it the last status stays.
    #[serde(default)]
    pub repeat: bool,
    /// How far an incremental task is behind; without it the API tells no time.
    #[serde(default)]
    pub lag: Option<Lag>,
    /// How `IncrementalImportingTime` is written.
    #[serde(default)]
    pub importing_time: Precision,
    /// `ImportDataStatusDescription`; the meaning of the status if there is none.
    #[serde(default)]
    pub description: Option<String>,
}

/// One status of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a step: a mapping with `status`")]
pub struct Step {
    /// The status.
    pub status: Status,
    /// How long it lasts. Only the last step of a life that does not repeat goes without.
    #[serde(default, rename = "for", deserialize_with = "duration::optional")]
    pub lasts: Option<Duration>,
}

/// Lag of an incremental task: it grows evenly from `low` to `high` for half of `period`, then
/// shrinks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `low`, `high` and `period`")]
pub struct Lag {
    /// The least, in real time.
    #[serde(deserialize_with = "duration::plain")]
    pub low: Duration,
    /// The most, in real time.
    #[serde(deserialize_with = "duration::plain")]
    pub high: Duration,
    /// From low to low, in the world's time.
    #[serde(deserialize_with = "duration::plain")]
    pub period: Duration,
}

/// How `IncrementalImportingTime` is written: the reference says with seconds, its sample has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// `2011-06-11T15:00:00Z`
    #[default]
    Seconds,
    /// `2011-06-11T15:00Z`
    Minutes,
}

/// Tasks made by rule. Nothing is stored for them, so a long list costs no memory and a list that
/// moves for weeks stays bounded.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with `count`")]
pub struct Generator {
    /// How many tasks the list holds, at any time; it may be up to `batch` more.
    pub count: u32,
    /// How often a new task is created. Without it the list stands.
    #[serde(default, deserialize_with = "duration::optional")]
    pub every: Option<Duration>,
    /// The oldest tasks leave the list when so many new ones have come.
    #[serde(default = "one")]
    pub batch: u32,
    /// Distance between the creation times of a list that stands; `every` sets it otherwise.
    #[serde(default = "one_minute", deserialize_with = "duration::plain")]
    pub spacing: Duration,
    /// `ImportId` of the oldest task at the start.
    #[serde(default = "one")]
    pub first_id: u32,
    /// Lives that the tasks lead in turn.
    #[serde(default = "Life::every_kind")]
    pub lives: Vec<Life>,
}

/// How far a task had synchronised: at `age`, it was `lag` behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Synchronised {
    pub(crate) age: Duration,
    pub(crate) lag: Duration,
}

impl Status {
    /// Every status, in the order of the reference's life of a task.
    pub const ALL: [Self; 10] = [
        Self::NotStart,
        Self::FullExporting,
        Self::FullImporting,
        Self::IncrementalWaiting,
        Self::IncrementalImporting,
        Self::StopSyncing,
        Self::Canceling,
        Self::Canceled,
        Self::Success,
        Self::Failed,
    ];

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStart => "NotStart",
            Self::FullExporting => "FullExporting",
            Self::FullImporting => "FullImporting",
            Self::IncrementalWaiting => "IncrementalWaiting",
            Self::IncrementalImporting => "IncrementalImporting",
            Self::StopSyncing => "StopSyncing",
            Self::Canceling => "Canceling",
            Self::Canceled => "Canceled",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }

    /// What it means, in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::NotStart => "not started yet",
            Self::FullExporting => "full data is being exported",
            Self::FullImporting => "full data is being imported",
            Self::IncrementalWaiting => "waiting for incremental data",
            Self::IncrementalImporting => "incremental data is being synchronized",
            Self::StopSyncing => "synchronization was stopped",
            Self::Canceling => "being canceled",
            Self::Canceled => "canceled",
            Self::Success => "finished",
            Self::Failed => "failed: the source refused the connection",
        }
    }

    fn is_incremental(self) -> bool {
        matches!(self, Self::IncrementalWaiting | Self::IncrementalImporting)
    }
}

impl Kind {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Incremental => "Incremental",
        }
    }
}

impl Task {
    /// A task that was created with the simulator's start and leads `life`.
    pub fn new(import_id: u32, life: Life) -> Self {
        Self { import_id, created: TimeDelta::zero(), life }
    }

    /// A task that stays in `status`.
    pub fn steady(import_id: u32, kind: Kind, status: Status) -> Self {
        Self::new(import_id, Life::steady(kind, status))
    }
}

impl Step {
    /// A status that lasts for `seconds`.
    pub fn lasting(status: Status, seconds: u64) -> Self {
        Self { status, lasts: Some(Duration::from_secs(seconds)) }
    }

    /// A status that stays.
    pub fn last(status: Status) -> Self {
        Self { status, lasts: None }
    }
}

impl Lag {
    /// Always the same, in seconds.
    pub fn steady(seconds: u64) -> Self {
        let lag = Duration::from_secs(seconds);
        Self { low: lag, high: lag, period: Duration::from_secs(60) }
    }

    fn at(self, age: Duration) -> Duration {
        let half = (self.period / 2).as_nanos().max(1);
        let phase = age.as_nanos() % (2 * half);
        let height = phase.min(2 * half - phase);
        let rise = self.high.saturating_sub(self.low).as_nanos() * height / half;
        self.low + Duration::from_nanos(u64::try_from(rise).unwrap_or(u64::MAX))
    }
}

impl Default for Life {
    /// Not started, and stays so.
    fn default() -> Self {
        Self::steady(Kind::Full, Status::NotStart)
    }
}

impl Life {
    /// Stays in `status`. An incremental one is 5 seconds behind.
    pub fn steady(kind: Kind, status: Status) -> Self {
        Self::new(kind, vec![Step::last(status)])
    }

    /// Follows `steps` once. An incremental one is 5 seconds behind.
    pub fn new(kind: Kind, steps: Vec<Step>) -> Self {
        let lag = (kind == Kind::Incremental).then(|| Lag::steady(5));
        Self {
            kind,
            steps,
            repeat: false,
            lag,
            importing_time: Precision::default(),
            description: None,
        }
    }

    /// Lives that together pass through every status: a full migration, one that fails, one that is
    /// cancelled, and an incremental one that is stopped after two minutes of synchronisation.
    pub fn every_kind() -> Vec<Self> {
        use Status::{
            Canceled, Canceling, Failed, FullExporting, FullImporting, IncrementalImporting,
            IncrementalWaiting, NotStart, StopSyncing, Success,
        };
        let lasting = |steps: &[(Status, u64)], end| {
            let steps = steps.iter().map(|&(status, seconds)| Step::lasting(status, seconds));
            steps.chain([Step::last(end)]).collect::<Vec<_>>()
        };
        let start = [(NotStart, 10), (FullExporting, 20), (FullImporting, 30)];
        let mut canceled = start.to_vec();
        canceled.push((Canceling, 10));
        let mut stopped = start.to_vec();
        stopped.extend([(IncrementalWaiting, 20), (IncrementalImporting, 100)]);
        let mut incremental = Self::new(Kind::Incremental, lasting(&stopped, StopSyncing));
        incremental.lag = Some(Lag {
            low: Duration::from_secs(3),
            high: Duration::from_secs(43),
            period: Duration::from_secs(80),
        });
        vec![
            Self::new(Kind::Full, lasting(&start, Success)),
            Self::new(Kind::Full, lasting(&start[..2], Failed)),
            incremental,
            Self::new(Kind::Full, lasting(&canceled, Canceled)),
        ]
    }

    /// The status at an age; the same for the same age, always.
    pub fn status_at(&self, age: Duration) -> Status {
        let (_, into) = self.cycle_at(age);
        let mut end = Duration::ZERO;
        let current = self.steps.iter().find(|step| {
            end = step.lasts.map_or(Duration::MAX, |lasts| end.saturating_add(lasts));
            into < end
        });
        current.or(self.steps.last()).map_or(Status::NotStart, |step| step.status)
    }

    /// How far synchronisation had come at an age: up to now while incremental, up to the end of
    /// the incremental steps after them, nowhere before.
    pub(crate) fn synchronised_at(&self, age: Duration) -> Option<Synchronised> {
        let lag = self.lag.filter(|_| self.kind == Kind::Incremental)?;
        let (cycle_start, into) = self.cycle_at(age);
        let mut begin = Duration::ZERO;
        let mut reached = None;
        for step in &self.steps {
            if begin > into {
                break;
            }
            let end = step.lasts.map_or(Duration::MAX, |lasts| begin.saturating_add(lasts));
            if step.status.is_incremental() {
                reached = Some(end.min(into));
            }
            begin = end;
        }
        let age = cycle_start + reached?;
        Some(Synchronised { age, lag: lag.at(age) })
    }

    /// When the cycle that an age falls into began, and how far into it the age is.
    fn cycle_at(&self, age: Duration) -> (Duration, Duration) {
        let cycle: Duration = self.steps.iter().filter_map(|step| step.lasts).sum();
        if !self.repeat || cycle.is_zero() {
            return (Duration::ZERO, age);
        }
        let into = age.as_nanos() % cycle.as_nanos();
        let into = Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX));
        (age - into, into)
    }
}

impl Generator {
    /// `count` tasks, a minute apart, that lead lives of every kind.
    pub fn standing(count: u32) -> Self {
        let (spacing, lives) = (one_minute(), Life::every_kind());
        Self { count, every: None, batch: 1, spacing, first_id: 1, lives }
    }

    /// The same list, with a new task `every` so often.
    #[must_use]
    pub fn moving(mut self, every: Duration) -> Self {
        self.every = Some(every);
        self
    }

    fn distance(&self) -> Duration {
        self.every.unwrap_or(self.spacing)
    }

    /// Places of the tasks that the list holds when the world is `elapsed` old. A place never
    /// changes: 0 is the oldest task at the start.
    pub(crate) fn places(&self, elapsed: Duration) -> std::ops::Range<u64> {
        let started = self.every.map_or(0, |every| elapsed.as_nanos() / every.as_nanos().max(1));
        let started = u64::try_from(started).unwrap_or(u64::MAX / 2);
        let left = started - started % u64::from(self.batch.max(1));
        left..started + u64::from(self.count)
    }

    /// When the task at a place is created. The newest one at the start is created with it.
    pub(crate) fn created(&self, place: u64) -> TimeDelta {
        let distance = i64::try_from(self.distance().as_millis()).unwrap_or(i64::MAX);
        let steps = i64::try_from(place).unwrap_or(i64::MAX) - i64::from(self.count) + 1;
        TimeDelta::milliseconds(distance.saturating_mul(steps).max(-i64::MAX))
    }

    pub(crate) fn import_id(&self, place: u64) -> u64 {
        u64::from(self.first_id) + place
    }

    pub(crate) fn life(&self, place: u64) -> Option<&Life> {
        let turn = place.checked_rem(self.lives.len() as u64)?;
        self.lives.get(usize::try_from(turn).ok()?)
    }
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests;
