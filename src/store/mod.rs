//! The last known state of every instance, as immutable snapshots.
//!
//! The poller publishes, scrapes and pages read. A reader gets whole snapshots and never waits for
//! a poll: publishing swaps one pointer.

pub mod history;
mod revision;
mod tasks;
mod transitions;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::domain::{Engine, InstanceKey};

pub use history::History;
pub use revision::{Revised, Revision};
pub use tasks::TaskList;
pub use transitions::Transitions;

/// What is known of one instance.
#[derive(Clone, Debug)]
pub struct InstanceSnapshot {
    /// Which instance.
    pub identity: Revised<Identity>,
    /// How it is being polled.
    pub state: PollState,
    /// Whether the last walk succeeded; `None` until the first one ended.
    pub up: Option<bool>,
    /// When the next poll is due; `None` until it is scheduled.
    pub next_poll: Option<DateTime<Utc>>,
    /// The last good walk and the tasks it showed; `None` until there was one.
    pub last_good: Option<GoodWalk>,
    /// How often a task was seen to enter each status, after the first good walk.
    pub transitions: Revised<Transitions>,
    /// Age of the last good walk at which an unreachable instance's tasks are withdrawn.
    pub stale_after: Duration,
}

/// What does not change about an instance while it is configured.
#[derive(Debug)]
pub struct Identity {
    /// Its labels.
    pub key: InstanceKey,
    /// Its engine.
    pub engine: Engine,
    /// Its name for people; may be empty.
    pub name: Arc<str>,
}

/// No transition yet: what most instances share.
static NO_TRANSITIONS: LazyLock<Revised<Transitions>> =
    LazyLock::new(|| Revised::new(Transitions::default()));

/// Every documented status, entered 0 times.
pub fn no_transitions() -> Revised<Transitions> {
    NO_TRANSITIONS.clone()
}

/// A walk that succeeded.
#[derive(Clone, Debug)]
pub struct GoodWalk {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How long it took.
    pub duration: Duration,
    /// How many pages it read.
    pub pages: u32,
    /// The tasks known since.
    pub tasks: TaskList,
}

/// How an instance is being polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PollState {
    /// It has a task that is not final.
    Active,
    /// It has none.
    Idle,
    /// Its last walk failed.
    Failing,
    /// It was not walked yet.
    Pending,
}

impl PollState {
    /// Every state, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Active, Self::Failing, Self::Idle, Self::Pending];

    /// The state as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Failing => "failing",
            Self::Pending => "pending",
        }
    }
}

impl InstanceSnapshot {
    /// The state of an instance before anything was asked.
    pub fn pending(
        key: InstanceKey,
        engine: Engine,
        name: Arc<str>,
        stale_after: Duration,
    ) -> Self {
        Self {
            identity: Revised::new(Identity { key, engine, name }),
            state: PollState::Pending,
            up: None,
            next_poll: None,
            last_good: None,
            transitions: no_transitions(),
            stale_after,
        }
    }

    /// Takes over what the configuration says of the instance. Whether that changed anything.
    pub fn describe(&mut self, engine: Engine, name: &Arc<str>) -> bool {
        if (self.identity.engine, &self.identity.name) == (engine, name) {
            return false;
        }
        let (key, name) = (self.key().clone(), Arc::clone(name));
        self.identity = Revised::new(Identity { key, engine, name });
        true
    }

    /// Its labels.
    pub fn key(&self) -> &InstanceKey {
        &self.identity.key
    }

    /// The tasks to show at `now`: `None` before the first good walk, and when the instance cannot
    /// be reached and its last good walk is older than `stale_after`.
    pub fn tasks_shown(&self, now: DateTime<Utc>) -> Option<&TaskList> {
        let good = self.last_good.as_ref()?;
        let withdrawn = self.withdrawn_after().is_some_and(|until| now > until);
        (!withdrawn).then_some(&good.tasks)
    }

    /// Until when the tasks of an instance that cannot be reached are shown; `None` if they are
    /// shown for good, or if there are none.
    pub fn withdrawn_after(&self) -> Option<DateTime<Utc>> {
        let good = self.last_good.as_ref().filter(|_| self.up == Some(false))?;
        good.ended_at.checked_add_signed(TimeDelta::from_std(self.stale_after).ok()?)
    }
}

/// Every instance's last published snapshot. Cheap to clone; clones share the same content.
#[derive(Clone, Debug, Default)]
pub struct Store {
    instances: Arc<RwLock<BTreeMap<InstanceKey, Arc<InstanceSnapshot>>>>,
    revision: Arc<watch::Sender<u64>>,
    history: Arc<RwLock<History>>,
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `snapshot` the one that readers see of its instance.
    pub fn publish(&self, snapshot: impl Into<Arc<InstanceSnapshot>>) {
        let snapshot = snapshot.into();
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        match instances.get_mut(snapshot.key()) {
            Some(place) => *place = snapshot,
            None => drop(instances.insert(snapshot.key().clone(), snapshot)),
        }
        drop(instances);
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// Takes note of something beside the snapshots.
    pub fn record<T>(&self, write: impl FnOnce(&mut History) -> T) -> T {
        write(&mut self.history.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was noted beside the snapshots. Polls wait until it is given back.
    pub fn history(&self) -> RwLockReadGuard<'_, History> {
        self.history.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an instance that is no longer configured.
    pub fn remove(&self, key: &InstanceKey) {
        self.instances.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.record(|history| history.remove(key));
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// The last published snapshot of one instance.
    pub fn get(&self, key: &InstanceKey) -> Option<Arc<InstanceSnapshot>> {
        self.instances.read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    /// The last published snapshot of every instance, in the order of their keys.
    pub fn snapshots(&self) -> Vec<Arc<InstanceSnapshot>> {
        let instances = self.instances.read().unwrap_or_else(PoisonError::into_inner);
        instances.values().map(Arc::clone).collect()
    }

    /// The number of publications so far.
    pub fn current_revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Counts publications: a reader that waits for a state watches this.
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(up: bool, walked_at: i64) -> InstanceSnapshot {
        let key = InstanceKey {
            account: "default".into(),
            region_id: "cn-hangzhou".into(),
            db_instance_id: "rm-1".into(),
        };
        let stale_after = Duration::from_secs(900);
        let mut snapshot = InstanceSnapshot::pending(key, Engine::MySQL, "".into(), stale_after);
        snapshot.up = Some(up);
        snapshot.last_good = Some(GoodWalk {
            ended_at: at(walked_at),
            duration: Duration::from_secs(1),
            pages: 1,
            tasks: TaskList::default(),
        });
        snapshot
    }

    fn at(unix_seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(unix_seconds, 0).unwrap()
    }

    #[test]
    fn withdraws_the_tasks_of_an_unreachable_instance_once_they_are_stale() {
        assert!(snapshot(false, 0).tasks_shown(at(900)).is_some());
        assert!(snapshot(false, 0).tasks_shown(at(901)).is_none());
    }

    #[test]
    fn keeps_the_tasks_of_a_reachable_instance_however_old() {
        assert!(snapshot(true, 0).tasks_shown(at(86_400)).is_some());
    }

    #[test]
    fn a_wall_clock_that_went_back_withdraws_nothing() {
        assert!(snapshot(false, 1_000).tasks_shown(at(0)).is_some());
    }
}
