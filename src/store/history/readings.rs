//! How the lag of a task went: its last readings.

/// Readings kept of a task.
const MAX_READINGS: usize = 60;
/// Room is made for this many at a time.
const STEP: usize = 12;
/// Tasks of the whole process that readings are kept of: 2 MB.
pub const MAX_TRACKED: usize = 4_096;
/// This share of them is kept for tasks that are behind, so that thousands which follow closely do
/// not use up the room for the few that matter.
const RESERVED: usize = MAX_TRACKED / 2;
/// From this lag on a task is behind, in seconds.
const BEHIND: u32 = 60;

/// A lag at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When the walk ended that showed it, in Unix seconds.
    pub unix_seconds: u32,
    /// The lag.
    pub lag_seconds: u32,
}

/// The last readings of a task, the oldest first.
#[derive(Debug, Default)]
pub struct Readings(Vec<Reading>);

/// Counts the tasks that readings are kept of.
#[derive(Debug, Default)]
pub(super) struct Quota {
    pub(super) tracked: usize,
}

impl Readings {
    /// Adds a reading; the oldest goes if there are too many. One that is not newer than the last
    /// takes its place: a wall clock that went back must not bend the line.
    pub(super) fn add(&mut self, reading: Reading) {
        let Self(readings) = self;
        while readings.last().is_some_and(|last| last.unix_seconds >= reading.unix_seconds) {
            readings.pop();
        }
        if readings.len() == MAX_READINGS {
            readings.remove(0);
        }
        if readings.len() == readings.capacity() {
            readings.reserve_exact(STEP);
        }
        readings.push(reading);
    }

    /// The readings, the oldest first.
    pub fn as_slice(&self) -> &[Reading] {
        &self.0
    }
}

impl Quota {
    /// Whether one more task can be tracked, which now has this lag.
    pub(super) fn take(&mut self, lag_seconds: u32) -> bool {
        let limit = if lag_seconds >= BEHIND { MAX_TRACKED } else { MAX_TRACKED - RESERVED };
        let free = self.tracked < limit;
        self.tracked += usize::from(free);
        free
    }

    /// Gives back the room of `tasks` tasks.
    pub(super) fn give_back(&mut self, tasks: usize) {
        self.tracked = self.tracked.saturating_sub(tasks);
    }
}
