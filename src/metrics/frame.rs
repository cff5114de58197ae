//! What stands around the metrics of HTTP requests on a compressed page.
//!
//! Each scrape changes these metrics, and from one scrape to the next hardly anything else has to:
//! all else is joined when it has changed, and kept beside the plan that most of it comes from.

use std::sync::{Arc, Mutex, PoisonError};

use super::format::Format;
use super::gzip::Joined;
use super::own::{Changes, Groups};
use super::plan::Plan;

/// What stands around them, as it was when the exporter's own groups had changed this often.
pub(super) struct Frame {
    changes: Changes,
    pub(super) before: Joined,
    pub(super) after: Joined,
}

/// The last frame of a plan in each of [`Format::ALL`].
#[derive(Default)]
pub(super) struct Frames([Mutex<Option<Arc<Frame>>>; Format::ALL.len()]);

impl Frame {
    /// The frame of `plan` and these groups: the last one, if none of them has changed since.
    pub(super) fn of(plan: &Plan, own: &mut Groups<'_>) -> Arc<Self> {
        let format = own.format();
        let last = &plan.frames.0[format as usize];
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(frame) if frame.changes == own.changes() => Arc::clone(frame),
            _ => Arc::clone(last.insert(Self::new(plan, own).into())),
        }
    }

    fn new(plan: &Plan, own: &mut Groups<'_>) -> Self {
        let changes = own.changes();
        let [accounts, polls, process] = own.fragments();
        let (mut before, mut after) = (Joined::default(), Joined::default());
        before.push(&accounts);
        after.push(&plan.states.1);
        after.push(&polls);
        let (sum, pieces) = plan.deflated(own.format());
        after.push_joined(sum, pieces);
        after.push(&process);
        after.push(&own.end());
        Self { changes, before, after }
    }
}
