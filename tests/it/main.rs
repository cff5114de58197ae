//! Integration tests, as one binary with one module a concern.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy allows them in tests, but not in the helpers of tests"
)]

mod cli;
mod config;
mod golden;
