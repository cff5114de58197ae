//! What the exporter does, seen from outside: one binary, one module a concern.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
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
mod memory;
mod online;
mod panics;
mod pipeline;
mod policy;
mod process;
mod simulator;
mod status;
mod supply_chain;
mod tasks;
mod web;
