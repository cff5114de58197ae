//! Decides what to ask and when, and what the answers mean for the tasks that are shown.

pub(crate) mod backoff;
pub(crate) mod budget;
pub(crate) mod journal;
pub(crate) mod roster;
pub(crate) mod schedule;
pub(crate) mod visit;
pub(crate) mod walk;
pub(crate) mod window;
