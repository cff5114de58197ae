//! The hand on a running simulator: looks at its requests and changes its world.

use std::fmt;
use std::sync::{Arc, PoisonError};

use super::endpoint::Endpoint;
use super::fault::Fault;
use super::record::RecordedRequest;
use super::scenario::{Instance, State};
use super::task::Task;

/// Controls a [`Simulator`](super::Simulator), before, while and after it serves. Clones control
/// the same one.
#[derive(Clone)]
pub struct Control(Arc<Endpoint>);

/// Called for every request when its answer is decided and before it is sent.
pub(crate) type Hook = Arc<dyn Fn(&RecordedRequest, &Control) + Send + Sync>;

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self(endpoint)
    }

    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.0)
    }

    /// The last requests, at most [`REMEMBERED_REQUESTS`](super::REMEMBERED_REQUESTS), the oldest
    /// first.
    pub fn requests(&self) -> Vec<Arc<RecordedRequest>> {
        self.0.record.all()
    }

    /// Forgets the requests; [`request_count`](Self::request_count) goes on.
    pub fn clear_requests(&self) {
        self.0.record.clear();
    }

    /// How many requests there have been since the start.
    pub fn request_count(&self) -> u64 {
        self.0.record.count()
    }

    /// Waits until [`request_count`](Self::request_count) has reached `count`.
    pub async fn wait_for_requests(&self, count: u64) {
        self.0.record.reaches(count).await;
    }

    /// Replaces the tasks of an instance, generated ones too; false if there is no such instance.
    pub fn set_tasks(&self, instance: &str, tasks: Vec<Task>) -> bool {
        let change = |instance: &mut Instance| {
            instance.tasks = tasks;
            instance.generate = None;
        };
        self.0.world.change(instance, change).is_some()
    }

    /// Adds a task to an instance's listed ones, or replaces the one with its number; false if
    /// there is no such instance.
    pub fn put_task(&self, instance: &str, task: Task) -> bool {
        let change = |instance: &mut Instance| {
            instance.tasks.retain(|known| known.import_id != task.import_id);
            instance.tasks.push(task);
        };
        self.0.world.change(instance, change).is_some()
    }

    /// Removes a listed task; false if there is none.
    pub fn remove_task(&self, instance: &str, import_id: u32) -> bool {
        let change = |instance: &mut Instance| {
            let before = instance.tasks.len();
            instance.tasks.retain(|task| task.import_id != import_id);
            instance.tasks.len() < before
        };
        self.0.world.change(instance, change).unwrap_or(false)
    }

    /// Changes how an instance answers; false if there is no such instance.
    pub fn set_state(&self, instance: &str, state: State) -> bool {
        self.0.world.change(instance, |instance| instance.state = state).is_some()
    }

    /// Replaces all faults; their counts start anew.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.0.set_faults(faults);
    }

    /// Enables or disables the key of an account; false if there is no such account.
    pub fn set_key_active(&self, account: &str, active: bool) -> bool {
        self.0.gate.set_active(account, active)
    }

    /// Has `hook` called for every request when its answer is decided and before it is sent: what
    /// it changes shows in the next answer. So a list can move between two pages.
    pub fn on_request(&self, hook: impl Fn(&RecordedRequest, &Control) + Send + Sync + 'static) {
        *self.0.hook.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }
}
