//! A simulated Alibaba Cloud: speaks the RDS endpoint's wire protocol over plain HTTP, well enough
//! that the official SDKs work against it unchanged.
//!
//! It is an independent reading of the API and shares no code with the rooms that call it, so that a
//! mistake on one side shows on the other. It simulates what clients can see, not how RDS migrates
//! data, and it is no place for secrets: its keys are made up.
//!
//! Time is a given [`Clock`](crate::clock::Clock)'s: tasks, signing times, nonces, rates and the
//! spans of faults follow it and stand still with it. Latency and dripping bodies are real timers, and
//! a hanging answer ends with its connection.

mod call;
mod control;
mod damage;
mod delivery;
mod encode;
mod endpoint;
mod fault;
mod gate;
mod imports;
mod record;
mod refusal;
mod scenario;
mod server;
mod signature;
mod task;
mod world;

pub use control::Control;
pub use fault::{ApiError, Drift, Drip, Effect, Endless, Fault, Field, Hint, When};
pub use record::{REMEMBERED_REQUESTS, RecordedRequest};
pub use scenario::{
    Account, Engine, Instance, Order, Problem, Scenario, ScenarioError, State, Throttle,
};
pub use server::{AccessKey, KnownInstance, Simulator, StartError};
pub use task::{Generator, Kind, Lag, Life, Precision, Status, Step, Task};
