//! How many instances are in each state: the one family that is made from all of them together.

use std::sync::Arc;

use crate::instruments::catalog::INSTANCES;
use crate::store::{InstanceSnapshot, PollState};

use super::format::Format;
use super::text::{Text, Value, labels, written};

/// The text of the family: a sample for each state, for every account and region that has an
/// instance. `snapshots` are in the order of their keys.
pub(super) fn text(snapshots: &[Arc<InstanceSnapshot>]) -> Vec<u8> {
    written(|text| write(snapshots, text))
}

fn write(snapshots: &[Arc<InstanceSnapshot>], text: &mut Text<'_>) {
    if !snapshots.is_empty() {
        text.header(INSTANCES.name, INSTANCES.kind, INSTANCES.help, Format::Text);
    }
    let scope = |snapshot: &InstanceSnapshot| {
        let key = snapshot.key();
        (Arc::clone(&key.account), Arc::clone(&key.region_id))
    };
    for group in snapshots.chunk_by(|a, b| scope(a) == scope(b)) {
        let (account, region_id) = scope(&group[0]);
        let head = labels(INSTANCES.labels, &[&account, &region_id]);
        for state in PollState::ALL {
            let count = group.iter().filter(|snapshot| snapshot.state == state).count();
            text.samples(&INSTANCES, &head).write(&[state.as_str()], Value::Integer(count as u64));
        }
    }
}
