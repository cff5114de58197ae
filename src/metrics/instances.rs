//! Families that each instance contributes to by itself: what it writes, and what tells whether
//! that has changed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use crate::domain::{Position, Task, TaskStatus, TaskType};
use crate::instruments::catalog::{
    Family, INSTANCE_INFO, INSTANCE_LAST_SUCCESS, INSTANCE_NEXT_POLL, INSTANCE_UP,
    INSTANCE_WALK_DURATION, INSTANCE_WALK_PAGES, TASK_LAG, TASK_POSITION, TASK_STATUS,
    TASK_TRANSITIONS, TASKS,
};
use crate::store::{GoodWalk, InstanceSnapshot, Revision, TaskList};

use super::text::{Samples, Text, behind_number, further_labels};
use super::value::{Value, write_integer};

/// A family and what each instance contributes to it.
pub(super) struct Contribution {
    pub(super) family: Family,
    /// A number that is another one whenever the samples are, apart from the instance's labels;
    /// `None` if there is no sample.
    pub(super) stamp: fn(&Row<'_>) -> Option<u64>,
    /// Writes the samples, in the order of their label values.
    write: fn(&Row<'_>, Samples<'_, '_>),
}

/// Every such family, in the order of their names.
pub(super) static CONTRIBUTIONS: [Contribution; 11] = [
    Contribution { family: INSTANCE_INFO, stamp: |_| Some(0), write: info },
    Contribution { family: INSTANCE_LAST_SUCCESS, stamp: last_success, write: write_last_success },
    Contribution { family: INSTANCE_NEXT_POLL, stamp: next_poll, write: write_next_poll },
    Contribution { family: INSTANCE_UP, stamp: up, write: write_up },
    Contribution { family: INSTANCE_WALK_DURATION, stamp: duration, write: write_duration },
    Contribution { family: INSTANCE_WALK_PAGES, stamp: pages, write: write_pages },
    Contribution { family: TASK_LAG, stamp: positions, write: write_lag },
    Contribution { family: TASK_POSITION, stamp: positions, write: write_position },
    Contribution { family: TASK_STATUS, stamp: statuses, write: write_status },
    Contribution { family: TASK_TRANSITIONS, stamp: transitions, write: write_transitions },
    Contribution { family: TASKS, stamp: counts, write: write_counts },
];

impl Contribution {
    /// Writes the samples of an instance.
    pub(super) fn write(&'static self, row: &Row<'_>, text: &mut Text<'_>) {
        (self.write)(row, text.samples(&self.family, row.head));
    }
}

/// An instance at the time of a page.
pub(super) struct Row<'a> {
    snapshot: &'a InstanceSnapshot,
    /// The labels that every series of the instance begins with.
    head: &'a [u8],
    tasks: Option<&'a TaskList>,
}

impl<'a> Row<'a> {
    /// `head` is the text of the labels.
    pub(super) fn new(snapshot: &'a InstanceSnapshot, head: &'a [u8], now: DateTime<Utc>) -> Self {
        Self { snapshot, head, tasks: snapshot.tasks_shown(now) }
    }

    /// Changes with what does not come from polls: labels, engine and name.
    pub(super) fn identity(&self) -> Revision {
        self.snapshot.identity.revision()
    }

    fn last_good(&self) -> Option<&'a GoodWalk> {
        self.snapshot.last_good.as_ref()
    }
}

fn info(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    let identity = &row.snapshot.identity;
    samples.write(&[identity.engine.as_str(), &identity.name], Value::Integer(1));
}

fn last_success(row: &Row<'_>) -> Option<u64> {
    row.last_good().map(|good| milliseconds(good.ended_at))
}

fn write_last_success(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    if let Some(good) = row.last_good() {
        samples.write(&[], unix_time(good.ended_at));
    }
}

fn next_poll(row: &Row<'_>) -> Option<u64> {
    row.snapshot.next_poll.map(milliseconds)
}

fn write_next_poll(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    if let Some(next_poll) = row.snapshot.next_poll {
        samples.write(&[], unix_time(next_poll));
    }
}

fn up(row: &Row<'_>) -> Option<u64> {
    row.snapshot.up.map(u64::from)
}

fn write_up(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    if let Some(up) = up(row) {
        samples.write(&[], Value::Integer(up));
    }
}

fn duration(row: &Row<'_>) -> Option<u64> {
    // A walk takes minutes at most: nanoseconds of 584 years fit.
    row.last_good().map(|good| u64::try_from(good.duration.as_nanos()).unwrap_or(u64::MAX))
}

fn write_duration(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    if let Some(good) = row.last_good() {
        samples.write(&[], Value::Float(good.duration.as_secs_f64()));
    }
}

fn pages(row: &Row<'_>) -> Option<u64> {
    row.last_good().map(|good| u64::from(good.pages))
}

fn write_pages(row: &Row<'_>, mut samples: Samples<'_, '_>) {
    if let Some(pages) = pages(row) {
        samples.write(&[], Value::Integer(pages));
    }
}

fn positions(row: &Row<'_>) -> Option<u64> {
    let tasks = row.tasks.filter(|tasks| tasks.has_positions())?;
    Some(tasks.positions().get())
}

fn write_lag(row: &Row<'_>, samples: Samples<'_, '_>) {
    each_position(row, samples, |position| position.lag_seconds);
}

fn write_position(row: &Row<'_>, samples: Samples<'_, '_>) {
    each_position(row, samples, |position| position.unix_seconds);
}

fn each_position(row: &Row<'_>, samples: Samples<'_, '_>, value: fn(Position) -> u32) {
    let positions =
        tasks(row).iter().filter_map(|task| Some((task.import_id.0, value(task.position?))));
    samples.numbered("import_id").write_each(positions, |(import_id, value), text| {
        write_integer(import_id, text);
        text.extend_from_slice(b"\"} ");
        write_integer(value.into(), text);
    });
}

fn statuses(row: &Row<'_>) -> Option<u64> {
    let tasks = row.tasks.filter(|tasks| !tasks.is_empty())?;
    Some(tasks.statuses().get())
}

fn write_status(row: &Row<'_>, samples: Samples<'_, '_>) {
    samples.numbered("import_id").write_each(tasks(row).iter(), |task, text| {
        write_integer(task.import_id.0, text);
        match documented(task.kind, task.status) {
            Some((kind, status)) => text.extend_from_slice(&PAIRS[kind][status].one),
            None => text.extend_from_slice(&Pair::new(task.kind, task.status).one),
        }
    });
}

/// The places of a type and a status among the documented ones.
fn documented(kind: TaskType, status: TaskStatus) -> Option<(usize, usize)> {
    kind.documented_place().zip(status.documented_place())
}

/// A type and a status as text.
struct Pair {
    labels: Box<[u8]>,
    /// What follows the ID of a task that has them.
    one: Box<[u8]>,
}

impl Pair {
    fn new(kind: TaskType, status: TaskStatus) -> Self {
        let labels = further_labels(&["type", "status"], &[kind.as_str(), status.as_str()]);
        Self { one: behind_number(&labels, 1), labels }
    }
}

/// Documented types and statuses, by their places.
static PAIRS: LazyLock<[[Pair; TaskStatus::DOCUMENTED.len()]; TaskType::DOCUMENTED.len()]> =
    LazyLock::new(|| {
        let of = |kind| TaskStatus::DOCUMENTED.map(|status| Pair::new(kind, status));
        TaskType::DOCUMENTED.map(of)
    });

/// The labels of documented statuses, by their places.
static STATUSES: LazyLock<[Box<[u8]>; TaskStatus::DOCUMENTED.len()]> =
    LazyLock::new(|| TaskStatus::DOCUMENTED.map(further_status));

fn further_status(status: TaskStatus) -> Box<[u8]> {
    further_labels(&["status"], &[status.as_str()])
}

fn transitions(row: &Row<'_>) -> Option<u64> {
    Some(row.snapshot.transitions.revision().get())
}

fn write_transitions(row: &Row<'_>, samples: Samples<'_, '_>) {
    samples.write_each(row.snapshot.transitions.iter(), |(status, count), text| {
        match status.documented_place() {
            Some(place) => write_count(&STATUSES[place], count.into(), text),
            None => write_count(&further_status(status), count.into(), text),
        }
    });
}

fn write_count(labels: &[u8], count: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(labels);
    write_integer(count, text);
}

fn counts(row: &Row<'_>) -> Option<u64> {
    row.tasks.map(|tasks| tasks.statuses().get())
}

fn write_counts(row: &Row<'_>, samples: Samples<'_, '_>) {
    if row.tasks.is_none() {
        return;
    }
    let mut counts = [[0_u64; TaskStatus::DOCUMENTED.len()]; TaskType::DOCUMENTED.len()];
    let mut others: BTreeMap<(TaskType, TaskStatus), u64> = BTreeMap::new();
    for task in tasks(row) {
        match documented(task.kind, task.status) {
            Some((kind, status)) => counts[kind][status] += 1,
            None => *others.entry((task.kind, task.status)).or_default() += 1,
        }
    }
    if others.is_empty() {
        let counts = PAIRS.as_flattened().iter().zip(counts.as_flattened());
        samples.write_each(counts, |(pair, count), text| write_count(&pair.labels, *count, text));
        return;
    }
    for (kind, counts) in TaskType::DOCUMENTED.into_iter().zip(counts) {
        let counts = TaskStatus::DOCUMENTED.into_iter().zip(counts);
        others.extend(counts.map(|(status, count)| ((kind, status), count)));
    }
    samples.write_each(others.into_iter(), |((kind, status), count), text| {
        write_count(&Pair::new(kind, status).labels, count, text);
    });
}

fn tasks<'a>(row: &Row<'a>) -> &'a [Task] {
    row.tasks.map_or(&[], |tasks| tasks)
}

fn milliseconds(time: DateTime<Utc>) -> u64 {
    time.timestamp_millis().unsigned_abs()
}

/// Seconds since the Unix epoch, to the millisecond.
fn unix_time(time: DateTime<Utc>) -> Value {
    // Exact: the milliseconds of any year that has four digits are below 2^53.
    Value::Float(time.timestamp_millis() as f64 / 1e3)
}
