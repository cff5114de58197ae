//! What the exporter does, seen from outside: one binary, one module a concern.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod cli;
mod config;
mod credentials;
mod deploy;
mod exposition;
mod faults;
mod fuzz;
mod golden;
mod panics;
mod pipeline;
mod process;
mod simulator;
mod supply_chain;
mod web;
