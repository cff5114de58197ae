//! Asks the API and understands its answers.
//!
//! [`Client`] makes one attempt at a call: it signs, sends, reads within limits, parses and sorts
//! errors. Whether and when to try again, and what a list of pages means, is the poller's business.

mod client;
pub mod endpoint;
pub mod error;
mod error_body;
mod inventory;
mod request;
mod response;
mod skew;
pub mod time;

pub use client::Client;
pub use error::{Error, Kind};
pub use inventory::{InstancesPage, ListedInstance};
pub use request::{ListImports, ListInstances};
pub use response::Page;
pub(crate) use skew::TOLERANCE as SKEW_TOLERANCE;

pub use crate::transport::SetupError;
