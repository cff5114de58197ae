//! What people and programs see of the migrations: the status page, the same as JSON, and the rows
//! that the `tasks` command prints.
//!
//! All three show one view: a [`Fleet`] is read from the store at one moment, filtered, put in the
//! order in which things matter, and written down. Nothing here polls or serves.

mod account;
mod catch_up;
mod filter;
mod fleet;
mod instance;
mod json;
mod page;
mod query;
mod task;
mod verdict;

pub(crate) use filter::{Slice, TaskFilter};
pub(crate) use fleet::Fleet;
pub(crate) use json::{instances_json, tasks_json};
pub(crate) use page::{Link, STYLE_HASH, about, page, span};
pub(crate) use query::{InstanceQuery, PageQuery, QueryError, TaskQuery};
pub(crate) use task::{Concern, Task};

use chrono::{DateTime, Utc};

/// A task that is at least this far behind lags, in seconds.
pub(crate) const LAGGING: u32 = 300;

/// Unix seconds, to the millisecond, as the metrics have them.
fn unix_time(time: DateTime<Utc>) -> f64 {
    // Exact: the milliseconds of any year that has four digits are below 2^53.
    time.timestamp_millis() as f64 / 1e3
}
