//! Pages that are kept: what the exporter says of itself, put together with a plan.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::instruments::GROUPS;

use super::format::Format;
use super::gzip::Member;
use super::own::{Groups, Own};
use super::plan::Plan;

/// What is put together from a plan and the exporter's own groups, in one format. It is made when it
/// is first asked for.
pub(super) struct Frame {
    /// How often each group had changed.
    changes: [u64; GROUPS],
    /// What stands before and behind the plan's own text.
    text: OnceLock<[Bytes; 2]>,
    /// The whole page.
    gzip: OnceLock<Vec<Bytes>>,
}

/// The last frame of a plan in each of [`Format::ALL`].
#[derive(Default)]
pub(super) struct Frames([Mutex<Option<Arc<Frame>>>; Format::ALL.len()]);

impl Frames {
    /// The frame with these groups: the last one, if none of them has changed since.
    pub(super) fn with(&self, groups: Groups<'_>, format: Format) -> Arc<Frame> {
        let changes = groups.map(|group| group.changes());
        let mut last = self.0[format as usize].lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(frame) if frame.changes == changes => Arc::clone(frame),
            _ => {
                let frame = Frame { changes, text: OnceLock::new(), gzip: OnceLock::new() };
                Arc::clone(last.insert(frame.into()))
            }
        }
    }
}

impl Frame {
    /// What stands before and behind the text of `plan`.
    pub(super) fn text(
        &self,
        plan: &Plan,
        own: &Own,
        groups: Groups<'_>,
        format: Format,
    ) -> [Bytes; 2] {
        let made = self.text.get_or_init(|| {
            // The order of the page is that of the families' names.
            let [accounts, http, polls, process] = own.texts(groups, format);
            let before = [&*accounts, &http, &plan.states.0, &polls].concat();
            let after = [&*process, format.end().as_bytes()].concat();
            [before.into(), after.into()]
        });
        made.clone()
    }

    /// The compressed page of `plan`.
    pub(super) fn gzip(
        &self,
        plan: &Plan,
        own: &Own,
        groups: Groups<'_>,
        format: Format,
    ) -> Vec<Bytes> {
        let made = self.gzip.get_or_init(|| {
            let [accounts, http, polls, process] = own.fragments(groups, format);
            let mut member = Member::new();
            for fragment in [&accounts, &http, &plan.states.1, &polls] {
                member.push(fragment);
            }
            let (sum, pieces) = plan.deflated(format);
            member.push_joined(sum, pieces);
            member.push(&process);
            member.finish(format.end())
        });
        made.clone()
    }
}
