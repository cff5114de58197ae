//! How many instances are in each state: the one family that is made from all of them together.

use std::sync::Arc;

use crate::domain::InstanceKey;
use crate::instruments::catalog::INSTANCES;
use crate::store::{InstanceSnapshot, PollState};

use super::format::Format;
use super::text::{Text, labels, written};
use super::value::Value;

/// The text of the family: a sample for each state, for every account and region that has an
/// instance. `snapshots` are in the order of their keys.
pub(super) fn text(snapshots: &[Arc<InstanceSnapshot>]) -> Vec<u8> {
    written(|text| write(snapshots, text))
}

fn write(snapshots: &[Arc<InstanceSnapshot>], text: &mut Text<'_>) {
    if !snapshots.is_empty() {
        text.header(INSTANCES.name, INSTANCES.kind, INSTANCES.help, Format::Text);
    }
    for group in snapshots.chunk_by(|a, b| is_same_scope(a.key(), b.key())) {
        let key = group[0].key();
        let head = labels(INSTANCES.labels, &[&key.account, &key.region_id]);
        let mut counts = [0; PollState::ALL.len()];
        for snapshot in group {
            counts[snapshot.state as usize] += 1;
        }
        for state in PollState::ALL {
            let count = Value::Integer(counts[state as usize]);
            text.samples(&INSTANCES, &head).write(&[state.as_str()], count);
        }
    }
}

fn is_same_scope(a: &InstanceKey, b: &InstanceKey) -> bool {
    is_same(&a.account, &b.account) && is_same(&a.region_id, &b.region_id)
}

/// Most texts are shared: then they need not be read.
fn is_same(a: &Arc<str>, b: &Arc<str>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
