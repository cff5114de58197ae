//! The view as JSON: `/api/v1/tasks`, `/api/v1/instances` and `tasks --output json`.
//!
//! docs/api.md describes it. Fields may be added; none changes or goes.

use serde::Serialize;

use super::filter::Slice;
use super::fleet::Fleet;
use super::instance::Instance;
use super::query::{InstanceQuery, TaskQuery};
use super::task::Task;
use super::unix_time;

/// What both answers begin with.
#[derive(Serialize)]
struct Head {
    /// When it was read.
    timestamp_seconds: f64,
    /// How many there are in all that the filters show.
    total: usize,
    /// How many of them are left out before the first.
    offset: usize,
}

#[derive(Serialize)]
struct Tasks<'a> {
    #[serde(flatten)]
    head: Head,
    tasks: Vec<Task<'a>>,
}

#[derive(Serialize)]
struct Instances<'a> {
    #[serde(flatten)]
    head: Head,
    instances: Vec<Instance<'a>>,
}

/// The tasks that are asked for, as one JSON object.
///
/// # Errors
///
/// When it cannot be written, which only a mistake in this program can cause.
pub(crate) fn tasks_json(fleet: &Fleet<'_>, query: &TaskQuery) -> serde_json::Result<String> {
    let part = fleet.tasks(&query.filter, query.slice);
    let head = head(fleet, part.total, query.slice);
    serde_json::to_string(&Tasks { head, tasks: part.items })
}

/// The instances that are asked for, as one JSON object.
///
/// # Errors
///
/// When it cannot be written, which only a mistake in this program can cause.
pub(crate) fn instances_json(
    fleet: &Fleet<'_>,
    query: &InstanceQuery,
) -> serde_json::Result<String> {
    let part = fleet.instances(&query.filter, query.slice);
    let head = head(fleet, part.total, query.slice);
    serde_json::to_string(&Instances { head, instances: part.items })
}

fn head(fleet: &Fleet<'_>, total: usize, slice: Slice) -> Head {
    Head { timestamp_seconds: unix_time(fleet.now()), total, offset: slice.offset }
}
