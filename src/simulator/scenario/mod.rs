//! What is simulated: accounts, instances, tasks, faults. Plain data, from code or from YAML.
//!
//! `docs/simulator.md` is the format's reference.

mod check;
mod demo;
pub(crate) mod duration;
mod read;

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use super::fault::Fault;
use super::task::{Generator, Task};

pub use read::{Problem, ScenarioError};

/// A simulated world.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// How much faster than real time the world lives.
    pub speed: f64,
    /// Order of the tasks in a list.
    pub order: Order,
    /// Accounts; at least one.
    pub accounts: Vec<Account>,
    /// Instances.
    pub instances: Vec<Instance>,
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

/// An account with one access key.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an account: a mapping with `name`")]
pub struct Account {
    /// Name, for the rest of the scenario.
    pub name: String,
    /// Access key ID; made up at the start if there is none.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Access key secret; made up at the start if there is none.
    #[serde(default, deserialize_with = "secret")]
    pub access_key_secret: Option<String>,
    /// Whether the key is disabled.
    #[serde(default)]
    pub inactive: bool,
    /// Limit of its requests; none without it.
    #[serde(default)]
    pub throttle: Option<Throttle>,
}

/// Limit of an account's requests. Requests above it get `Throttling.User`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a throttle: a mapping with `rate`")]
pub struct Throttle {
    /// Requests a second, in the long run and in real time.
    pub rate: f64,
    /// Requests at once.
    #[serde(default = "one")]
    pub burst: u32,
    /// Whether the answer says how long to wait (`x-acs-retry-after`).
    #[serde(default)]
    pub hint: bool,
}

/// An RDS instance.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an instance: a mapping with `id`")]
pub struct Instance {
    /// `DBInstanceId`.
    pub id: String,
    /// Name of the account that owns it; the first one if there is none.
    #[serde(default)]
    pub account: Option<String>,
    /// Region ID.
    #[serde(default = "hangzhou")]
    pub region: String,
    /// Database engine.
    #[serde(default)]
    pub engine: Engine,
    /// `DBInstanceDescription`, for people.
    #[serde(default)]
    pub name: String,
    /// How it answers.
    #[serde(default)]
    pub state: State,
    /// Tasks, one by one.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Tasks by rule.
    #[serde(default)]
    pub generate: Option<Generator>,
    /// Makes so many instances of it: `-1` to `-N` is appended to the ID.
    #[serde(default)]
    pub copies: Option<u32>,
}

/// Database engines that the operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the API's words")]
pub enum Engine {
    #[default]
    MySQL,
    SQLServer,
}

/// How an instance answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// With its tasks.
    #[default]
    Normal,
    /// `InvalidDBInstanceId.NotFound`, as if it were released.
    Missing,
    /// `OperationDenied.DBInstanceType`, as a read-only instance does.
    UnsupportedType,
    /// `Forbidden.RAM`, as if no policy allowed it.
    Denied,
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
            instances: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Account {
    /// An account without a limit, whose key is made up at the start.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// Shows everything but the secret.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("access_key_id", &self.access_key_id)
            .field("inactive", &self.inactive)
            .field("throttle", &self.throttle)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// A MySQL instance in `cn-hangzhou`, of the first account, with these tasks.
    pub fn new(id: impl Into<String>, tasks: Vec<Task>) -> Self {
        Self { id: id.into(), region: hangzhou(), tasks, ..Self::default() }
    }

    /// A MySQL instance in `cn-hangzhou`, of the first account, with tasks made by rule.
    pub fn generated(id: impl Into<String>, generate: Generator) -> Self {
        Self { generate: Some(generate), ..Self::new(id, Vec::new()) }
    }
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

impl Throttle {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }
}

/// Text, whose refusal does not repeat what it refuses.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(secret) => Ok(Some(secret)),
        _ => Err(D::Error::custom("must be text; put it in quotes")),
    }
}

fn one() -> u32 {
    1
}

fn hangzhou() -> String {
    "cn-hangzhou".to_owned()
}
