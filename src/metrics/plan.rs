//! The part of the page that instances contribute, planned once and kept until one of them changes.

use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::store::InstanceSnapshot;

use super::fleet::{Changes, Fleet};
use super::format::{Format, has_common_header};
use super::frame::Frames;
use super::gzip::{Fragment, Press, Sum};
use super::instances::CONTRIBUTIONS;
use super::section::Section;
use super::states;
use super::text::Text;

/// What all instances contribute, at one time.
pub(super) struct Plan {
    fleet: Fleet,
    /// When the first of them changes by its age alone.
    until: Option<DateTime<Utc>>,
    /// How many instances are in each state: the text of the family, and the same deflated.
    pub(super) states: (Vec<u8>, Fragment),
    pub(super) sections: Vec<Section>,
    /// Of the text of all sections, in each of [`Format::ALL`].
    sums: [Sum; Format::ALL.len()],
    /// The text of the sections in each of [`Format::ALL`], if [`Page`](super::Page) keeps it.
    pub(super) texts: [OnceLock<Vec<Bytes>>; Format::ALL.len()],
    pub(super) frames: Frames,
}

/// The sections of a page: one begins at each family whose header differs between formats.
static SECTIONS: LazyLock<Vec<Range<usize>>> = LazyLock::new(|| {
    let begins =
        |place: &usize| *place == 0 || !has_common_header(CONTRIBUTIONS[*place].family.kind);
    let starts: Vec<usize> = (0..CONTRIBUTIONS.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([CONTRIBUTIONS.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
});

impl Plan {
    /// Plans the page of `snapshots`, which are in the order of their keys, at the time `at`.
    pub(super) fn new(
        snapshots: Vec<Arc<InstanceSnapshot>>,
        at: DateTime<Utc>,
        before: Option<&Self>,
        press: &mut Press,
    ) -> Self {
        let fleet = Fleet::new(snapshots, at, before.map(|before| &before.fleet));
        let before = before.map(|before| (before, Changes::between(&before.fleet, &fleet)));
        let mut sections = Vec::with_capacity(SECTIONS.len());
        for (place, families) in SECTIONS.iter().enumerate() {
            let before = before.as_ref();
            let before =
                before.map(|(before, changes)| (&before.sections[place], &before.fleet, changes));
            sections.push(Section::new(families.clone(), &fleet, before, press));
        }
        let withdrawals = fleet.snapshots.iter().filter_map(|snapshot| snapshot.withdrawn_after());
        let until = withdrawals.filter(|until| *until >= at).min();
        let states = states::text(&fleet.snapshots);
        let states = match before {
            Some((before, _)) if before.states.0 == states => before.states.clone(),
            _ => {
                let deflated = press.fragment(|text| text.bytes(&states));
                (states, deflated)
            }
        };
        let sums = Format::ALL.map(|format| {
            let sums = sections.iter().map(|section| section.sum(format));
            sums.fold(Sum::default(), Sum::followed_by)
        });
        Self {
            fleet,
            until,
            states,
            sections,
            sums,
            texts: Default::default(),
            frames: Frames::default(),
        }
    }

    /// Whether the same snapshots would give the same plan at `now`.
    pub(super) fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.fleet.at <= now && self.until.is_none_or(|until| now <= until)
    }

    /// Size of the text of all sections in bytes.
    pub(super) fn size(&self, format: Format) -> u64 {
        self.sums[format as usize].size
    }

    /// The sections deflated, and the sum of their text.
    pub(super) fn deflated(&self, format: Format) -> (Sum, impl Iterator<Item = &Bytes>) {
        let pieces = self.sections.iter().flat_map(move |section| section.deflated(format));
        (self.sums[format as usize], pieces)
    }

    /// Writes a cell of `section`, which is one of its own.
    pub(super) fn write_cell(&self, section: &Section, cell: usize, text: &mut Text<'_>) {
        section.write_cell(&self.fleet, cell, text);
    }
}
