//! What is simulated: accounts, instances, tasks, roles, faults. Plain data, from code or from YAML.
//!
//! `docs/simulator.md` is the format's reference.

mod account;
mod check;
mod demo;
pub(crate) mod duration;
mod instance;
mod read;
mod roles;
mod secret;

use serde::Deserialize;

use super::faults::Fault;

pub use account::{Account, Key, Throttle};
pub use instance::{Engine, Instance, InstanceType, Region, State};
pub use read::{Problem, ScenarioError};
pub use roles::{CredentialsUri, Metadata, OidcToken, OidcTrust, Role, TokenMode};

/// A simulated world.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// How much faster than real time the world lives.
    pub speed: f64,
    /// Order of the tasks in a list.
    pub order: Order,
    /// Accounts; at least one.
    pub accounts: Vec<Account>,
    /// Regions; a few well-known ones, and those of the instances, if there are none.
    pub regions: Vec<Region>,
    /// Instances.
    pub instances: Vec<Instance>,
    /// Roles.
    pub roles: Vec<Role>,
    /// The ECS metadata service.
    pub metadata: Metadata,
    /// Paths that hand out keys.
    pub credentials_uris: Vec<CredentialsUri>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// Order of a list of tasks. The API's reference names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// A task that is created during a walk moves every page, which is the harder case.
    #[default]
    NewestFirst,
    /// A task that is created during a walk appears at the end.
    OldestFirst,
}

impl Scenario {
    /// A world with one account, named `default`, and these instances.
    pub fn of(instances: Vec<Instance>) -> Self {
        Self { instances, ..Self::default() }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            speed: 1.0,
            order: Order::default(),
            accounts: vec![Account::new("default")],
            regions: Vec::new(),
            instances: Vec::new(),
            roles: Vec::new(),
            metadata: Metadata::default(),
            credentials_uris: Vec::new(),
            faults: Vec::new(),
        }
    }
}
