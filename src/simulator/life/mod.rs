//! What lives: instances, and tasks that pass through their statuses with the clock.

pub(crate) mod task;
pub(crate) mod world;
