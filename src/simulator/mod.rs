//! A simulated Alibaba Cloud: speaks the wire protocol of RDS, STS and the ECS metadata service over
//! plain HTTP on one port, well enough that the official SDKs work against it unchanged.
//!
//! It is an independent reading of the API and shares no code with the rooms that call it, so that a
//! mistake on one side shows on the other. It simulates what clients can see, not how RDS migrates
//! data, and it is no place for secrets: its keys are made up.
//!
//! Time is a given [`Clock`](crate::clock::Clock)'s: tasks, signing times, nonces, rates, keys and
//! the spans of faults follow it and stand still with it. Latency and dripping bodies are real timers,
//! and a hanging answer ends with its connection.
//!
//! `endpoint` takes a request through `wire` (what came), `gate` (who may), `rds`, `sts` or
//! `metadata` (what is answered from `life`), and `faults` (what goes wrong); `scenario` describes
//! it all, `control` changes it while it serves, `record` remembers what was asked.

mod control;
mod endpoint;
mod faults;
mod gate;
mod life;
mod metadata;
mod rds;
mod record;
mod scenario;
mod server;
mod sts;
mod wire;

pub use control::Control;
pub use faults::{ACTIONS, ApiError, Drift, Drip, Effect, Endless, Fault, Field, Hint, When};
pub use life::task::{Generator, Kind, Lag, Life, Precision, Status, Step, Task};
pub use record::{REMEMBERED_REQUESTS, RecordedRequest};
pub use scenario::{
    Account, CredentialsUri, Engine, Instance, InstanceType, Key, Metadata, OidcToken, OidcTrust,
    Order, Problem, Region, Role, Scenario, ScenarioError, State, Throttle, TokenMode,
};
pub use server::{AccessKey, KnownInstance, Simulator, StartError};
