//! What the snapshots leave out and people ask for: since when a task is as it is, the API's words
//! about it, how its lag went, how polls ended and what the last error was.
//!
//! The poller writes it beside the snapshots; the status page and the JSON read it. Metrics need
//! none of it, and it ends with the process. All of it is bounded: by the tasks that are shown, by
//! [`MAX_TRACKED`] tasks with lag readings, and by a fixed number of polls.

mod descriptions;
mod instance;
mod polls;
mod readings;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::api::Error;
use crate::domain::text::shortened;
use crate::domain::{Description, ImportId, InstanceKey};

use super::TaskList;

pub use instance::{InstanceHistory, LastPoll, Since};
pub use polls::{Poll, Walked};
pub use readings::{MAX_TRACKED, Reading, Readings};

use descriptions::Words;
use polls::Polls;
use readings::Quota;

/// Longest error text that is kept, in characters.
const MAX_MESSAGE: usize = 500;

/// The past of every instance and account.
#[derive(Debug, Default)]
pub struct History {
    /// In boxes: half of the places in a map of this kind may be free.
    instances: BTreeMap<InstanceKey, Box<InstanceHistory>>,
    accounts: BTreeMap<Arc<str>, AccountHistory>,
    polls: Polls,
    quota: Quota,
    words: Words,
    last_failure: Option<Arc<Failure>>,
}

/// How calls of an account go.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountHistory {
    /// `requests_per_second` of the configuration.
    pub requests_per_second: f64,
    /// Since when none of its instances is polled, and why; `None` if they are.
    pub backing_off: Option<(DateTime<Utc>, Arc<Failure>)>,
}

/// Why a call failed, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The metrics' label `code`.
    pub code: String,
    /// What the API or the network said.
    pub message: String,
    /// The ID that the API gave the request, for a support ticket.
    pub request_id: Option<String>,
    /// What the operator can do.
    pub hint: &'static str,
}

/// What a walk showed that the snapshot does not keep.
#[derive(Debug, Default)]
pub struct Observed<'a> {
    /// The tasks known since.
    pub tasks: TaskList,
    /// Those that were seen to enter a status, in the order of their numbers.
    pub entered: &'a [ImportId],
    /// `ImportDataStatusDescription` where the API gave one, in the order of the tasks' numbers.
    pub descriptions: &'a [Description],
    /// Whether the positions of the tasks are new.
    pub has_new_positions: bool,
}

impl History {
    /// Takes note of what a walk showed that ended at `at`.
    pub fn observe(&mut self, key: &InstanceKey, at: DateTime<Utc>, observed: Observed<'_>) {
        let Self { instances, quota, words, .. } = self;
        // Not by the entry API: it would need a new key for every poll.
        if let Some(instance) = instances.get_mut(key) {
            return instance.observe(at, observed, quota, words);
        }
        instances.entry(key.clone()).or_default().observe(at, observed, quota, words);
    }

    /// Takes note of how a poll ended.
    pub fn poll_ended(&mut self, poll: Poll) {
        let instance = self.instances.entry(poll.key.clone()).or_default();
        instance.poll_ended(&poll);
        // Without a call it is none: it failed with its account.
        if poll.calls > 0 {
            self.polls.add(poll);
        }
    }

    /// Takes note of an account's budget and whether it can call.
    pub fn account_changed(&mut self, name: &Arc<str>, account: AccountHistory) {
        self.accounts.insert(Arc::clone(name), account);
    }

    /// Forgets an instance.
    pub(super) fn remove(&mut self, key: &InstanceKey) {
        if let Some(mut instance) = self.instances.remove(key) {
            instance.release(&mut self.quota);
        }
    }

    /// What to keep of an error. Those that repeat share their memory.
    pub fn failure(&mut self, error: &Error) -> Arc<Failure> {
        let failure = Failure::from(error);
        match &self.last_failure {
            Some(last) if **last == failure => Arc::clone(last),
            _ => Arc::clone(self.last_failure.insert(Arc::new(failure))),
        }
    }

    /// The past of one instance.
    pub fn instance(&self, key: &InstanceKey) -> Option<&InstanceHistory> {
        self.instances.get(key).map(Box::as_ref)
    }

    /// Every account, by name.
    pub fn accounts(&self) -> impl Iterator<Item = (&Arc<str>, &AccountHistory)> {
        self.accounts.iter()
    }

    /// The last polls that made calls, the newest first; failures go back further than successes.
    pub fn polls(&self) -> Vec<&Poll> {
        self.polls.newest_first()
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().to_string(),
            message: shortened(error.message(), MAX_MESSAGE).into_owned(),
            request_id: error.request_id().map(|id| shortened(id, MAX_MESSAGE).into_owned()),
            hint: error.kind().hint(),
        }
    }
}

#[cfg(test)]
mod tests;
