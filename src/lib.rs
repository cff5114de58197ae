//! Prometheus exporter for the migration (import) tasks of ApsaraDB RDS instances.
//!
//! Data flows one way:
//!
//! ```text
//! config -> auth (credentials, sign) -> api (call, parse, classify) -> poll (schedule, budget, walk) -> store
//!                                                                                                        |
//!                        Prometheus, people <- web <- metrics (exposition), status (page, JSON) <--------+
//! ```
//!
//! A module imports only from its left; [`clock`], [`domain`], [`secret`], [`instruments`],
//! `progress` and `yaml` are leaves that all may use. [`transport`] is the HTTP that `auth` and
//! `api` speak; it knows `config`.

pub mod api;
pub mod app;
pub mod auth;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
#[doc(hidden)]
pub mod fuzzing;
pub mod instruments;
pub mod logging;
pub mod metrics;
pub mod policy;
pub mod poll;
mod progress;
pub mod readiness;
pub mod reload;
pub mod secret;
pub mod simulator;
mod status;
pub mod store;
pub mod systemd;
pub mod tasks;
pub mod transport;
pub mod web;
mod yaml;
