//! Decides what to ask and when, and what the answers mean for the tasks that are shown.

pub(crate) mod roster;
pub(crate) mod visit;
pub(crate) mod walk;
pub(crate) mod window;
