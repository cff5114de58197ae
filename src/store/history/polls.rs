//! The last polls of all instances together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::InstanceKey;

use super::Failure;

/// Polls without failure that are kept.
const MAX_GOOD: usize = 30;
/// Failed polls that are kept. They are apart, so that many good ones do not push them out.
const MAX_FAILED: usize = 100;

/// A poll that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// Of which instance.
    pub key: InstanceKey,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// The API calls it made, retries included; 0 if its account could not call.
    pub calls: u32,
    /// What its walk found; `None` if the walk failed.
    pub walked: Option<Walked>,
    /// What failed: the walk, or something after a walk that stands.
    pub failure: Option<Arc<Failure>>,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Pages read, restarts included.
    pub pages: u32,
    /// Tasks known since.
    pub tasks: usize,
}

impl Poll {
    /// Whether its walk failed.
    pub fn walk_failed(&self) -> bool {
        self.walked.is_none()
    }
}

/// The last polls.
#[derive(Debug, Default)]
pub(super) struct Polls {
    good: VecDeque<Poll>,
    failed: VecDeque<Poll>,
}

impl Polls {
    pub(super) fn add(&mut self, poll: Poll) {
        let (kind, limit) = match poll.failure {
            Some(_) => (&mut self.failed, MAX_FAILED),
            None => (&mut self.good, MAX_GOOD),
        };
        if kind.len() == limit {
            kind.pop_front();
        }
        kind.push_back(poll);
    }

    pub(super) fn newest_first(&self) -> Vec<&Poll> {
        let mut polls: Vec<&Poll> = self.good.iter().chain(&self.failed).collect();
        polls.sort_by_key(|poll| std::cmp::Reverse(poll.ended_at));
        polls
    }
}
