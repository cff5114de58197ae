//! Families that are made from the snapshots of the instances.
//!
//! All but the states are written one instance after another, each from its own snapshot alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::{Position, Task, TaskStatus, TaskType};
use crate::instruments::catalog::{
    Family, INSTANCE_INFO, INSTANCE_LAST_SUCCESS, INSTANCE_NEXT_POLL, INSTANCE_UP,
    INSTANCE_WALK_DURATION, INSTANCE_WALK_PAGES, INSTANCES, TASK_LAG, TASK_POSITION, TASK_STATUS,
    TASK_TRANSITIONS, TASKS,
};
use crate::store::{GoodWalk, InstanceSnapshot, PollState};

use super::text::{Samples, Text, Value, labels};

/// Writes what one instance contributes to a family, in the order of its label values.
pub(super) type Write = fn(&Row<'_>, &mut Samples<'_>);

/// Every family that each instance contributes to by itself.
pub(super) const FAMILIES: [(Family, Write); 11] = [
    (INSTANCE_INFO, info),
    (INSTANCE_LAST_SUCCESS, last_success),
    (INSTANCE_NEXT_POLL, next_poll),
    (INSTANCE_UP, up),
    (INSTANCE_WALK_DURATION, walk_duration),
    (INSTANCE_WALK_PAGES, walk_pages),
    (TASK_LAG, lag),
    (TASK_POSITION, position),
    (TASK_STATUS, status),
    (TASK_TRANSITIONS, transitions),
    (TASKS, tasks),
];

/// An instance, made ready for all its families.
pub(super) struct Row<'a> {
    snapshot: &'a InstanceSnapshot,
    /// The labels that every series of the instance begins with.
    head: Vec<u8>,
    tasks: Option<&'a [Task]>,
}

impl<'a> Row<'a> {
    pub(super) fn new(snapshot: &'a InstanceSnapshot, now: DateTime<Utc>) -> Self {
        let key = &snapshot.key;
        let values = [&*key.account, &*key.region_id, &*key.db_instance_id];
        Self {
            snapshot,
            head: labels(INSTANCE_UP.labels, &values),
            tasks: snapshot.tasks_shown(now),
        }
    }

    fn last_good(&self) -> Option<&'a GoodWalk> {
        self.snapshot.last_good.as_ref()
    }
}

/// Writes how many instances are in each state, for every account and region that has one.
pub(super) fn write_states(snapshots: &[Arc<InstanceSnapshot>], text: &mut Text) {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for snapshot in snapshots {
        let scope = (&*snapshot.key.account, &*snapshot.key.region_id);
        for state in PollState::ALL {
            let count = counts.entry((scope.0, scope.1, state.as_str())).or_default();
            *count += u64::from(state == snapshot.state);
        }
    }
    let mut samples = text.samples(&INSTANCES);
    for ((account, region_id, state), count) in counts {
        samples.write(&[], &[account, region_id, state], Value::Integer(count));
    }
}

fn info(row: &Row<'_>, samples: &mut Samples<'_>) {
    let InstanceSnapshot { engine, name, .. } = row.snapshot;
    samples.write(&row.head, &[engine.as_str(), name], Value::Integer(1));
}

fn last_success(row: &Row<'_>, samples: &mut Samples<'_>) {
    if let Some(good) = row.last_good() {
        samples.write(&row.head, &[], unix_time(good.ended_at));
    }
}

fn next_poll(row: &Row<'_>, samples: &mut Samples<'_>) {
    if let Some(next_poll) = row.snapshot.next_poll {
        samples.write(&row.head, &[], unix_time(next_poll));
    }
}

fn up(row: &Row<'_>, samples: &mut Samples<'_>) {
    if let Some(up) = row.snapshot.up {
        samples.write(&row.head, &[], Value::Integer(u64::from(up)));
    }
}

fn walk_duration(row: &Row<'_>, samples: &mut Samples<'_>) {
    if let Some(good) = row.last_good() {
        samples.write(&row.head, &[], Value::Float(good.duration.as_secs_f64()));
    }
}

fn walk_pages(row: &Row<'_>, samples: &mut Samples<'_>) {
    if let Some(good) = row.last_good() {
        samples.write(&row.head, &[], Value::Integer(u64::from(good.pages)));
    }
}

fn lag(row: &Row<'_>, samples: &mut Samples<'_>) {
    each_position(row, samples, |position| position.lag_seconds);
}

fn position(row: &Row<'_>, samples: &mut Samples<'_>) {
    each_position(row, samples, |position| position.unix_seconds);
}

fn each_position(row: &Row<'_>, samples: &mut Samples<'_>, value: fn(Position) -> u32) {
    let mut number = itoa::Buffer::new();
    for task in row.tasks.unwrap_or_default() {
        if let Some(position) = task.position {
            let import_id = number.format(task.import_id.0);
            samples.write(&row.head, &[import_id], Value::Integer(value(position).into()));
        }
    }
}

fn status(row: &Row<'_>, samples: &mut Samples<'_>) {
    let mut number = itoa::Buffer::new();
    for task in row.tasks.unwrap_or_default() {
        let import_id = number.format(task.import_id.0);
        let rest = [import_id, task.kind.as_str(), task.status.as_str()];
        samples.write(&row.head, &rest, Value::Integer(1));
    }
}

fn transitions(row: &Row<'_>, samples: &mut Samples<'_>) {
    let mut counts = BTreeMap::from(TaskStatus::DOCUMENTED.map(|status| (status, 0)));
    counts.extend(row.snapshot.transitions.iter());
    for (status, count) in counts {
        samples.write(&row.head, &[status.as_str()], Value::Integer(count));
    }
}

fn tasks(row: &Row<'_>, samples: &mut Samples<'_>) {
    let Some(tasks) = row.tasks else { return };
    let documented = TaskType::DOCUMENTED
        .into_iter()
        .flat_map(|kind| TaskStatus::DOCUMENTED.map(|status| ((kind, status), 0)));
    let mut counts: BTreeMap<_, u64> = documented.collect();
    for task in tasks {
        *counts.entry((task.kind, task.status)).or_default() += 1;
    }
    for ((kind, status), count) in counts {
        samples.write(&row.head, &[kind.as_str(), status.as_str()], Value::Integer(count));
    }
}

/// Seconds since the Unix epoch, to the millisecond.
fn unix_time(time: DateTime<Utc>) -> Value {
    // Exact: the milliseconds of any year that has four digits are below 2^53.
    Value::Float(time.timestamp_millis() as f64 / 1e3)
}
