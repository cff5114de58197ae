//! The hand on a running simulator: looks at its requests and changes its world.

use std::fmt;
use std::sync::{Arc, PoisonError};

use super::endpoint::Endpoint;
use super::faults::Fault;
use super::gate::keys::AccessKey;
use super::life::task::Task;
use super::record::RecordedRequest;
use super::scenario::{Instance, Key, OidcToken, State};

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

    /// Takes an instance in, in place of one with the same ID.
    pub fn put_instance(&self, instance: Instance) {
        self.0.world.put(instance);
    }

    /// Releases an instance; false if there is none.
    pub fn remove_instance(&self, instance: &str) -> bool {
        self.0.world.remove(instance)
    }

    /// Enables or disables the first key of an account; false if there is no such account.
    pub fn set_key_active(&self, account: &str, active: bool) -> bool {
        let mut members = self.0.gate.members().iter();
        let member = members.find(|member| member.name == account);
        member.is_some_and(|member| self.0.gate.keys.set_active(&member.access_key_id, active))
    }

    /// Enables or disables a key by its ID; false if there is none.
    pub fn set_access_key_active(&self, access_key_id: &str, active: bool) -> bool {
        self.0.gate.keys.set_active(access_key_id, active)
    }

    /// Gives an account another key, or replaces the one with its ID; false if there is no such
    /// account. The key's times count from now.
    pub fn put_key(&self, account: &str, key: &Key) -> bool {
        let moment = self.0.world.moment();
        let inactive_from = key.inactive_from.map(|from| from.saturating_add(moment.elapsed));
        let key = Key { inactive_from, ..key.clone() };
        let put =
            |place| self.0.gate.keys.put(AccessKey::listed(&key, place, moment.now), moment.now);
        self.0.gate.place(account).map(put).is_some()
    }

    /// Deletes a key; false if there is none.
    pub fn remove_key(&self, access_key_id: &str) -> bool {
        self.0.gate.keys.remove(access_key_id)
    }

    /// Ends every temporary key of a role at once, whatever its `Expiration` says; tells how many.
    pub fn end_sessions(&self) -> usize {
        self.0.gate.keys.end_sessions(self.0.world.moment().now)
    }

    /// Replaces what an account's own keys are denied, by patterns of actions such as
    /// `rds:Describe*`, and allows the rest; false if there is no such account.
    pub fn deny(&self, account: &str, actions: &[&str]) -> bool {
        let actions: Vec<_> = actions.iter().map(|action| (*action).to_owned()).collect();
        self.0.gate.set_denied(account, &actions)
    }

    /// Replaces the tokens that let a role be assumed through its identity provider; false if no role
    /// with this ARN has one.
    pub fn set_oidc_tokens(&self, role_arn: &str, tokens: Vec<OidcToken>) -> bool {
        self.0.roles.set_tokens(role_arn, tokens)
    }

    /// Has the ECS instance wear the role with this name, or none.
    pub fn set_ecs_role(&self, role: Option<&str>) {
        self.0.services.wear(role.map(str::to_owned));
    }

    /// Has `hook` called for every request when its answer is decided and before it is sent: what
    /// it changes shows in the next answer. So a list can move between two pages.
    pub fn on_request(&self, hook: impl Fn(&RecordedRequest, &Control) + Send + Sync + 'static) {
        *self.0.hook.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }
}
