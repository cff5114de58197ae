//! What the exporter does, seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod exposition;
mod golden;
mod simulator;
mod web;
