//! The part of the page that instances contribute, planned once and kept until one of them changes.
//!
//! The samples of one instance in one family are a cell. Cells stand in the order of the page, and
//! runs of them are kept deflated. A plan that follows another one takes over every run in which no
//! cell has changed; no text is kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::CompressError;

use crate::store::InstanceSnapshot;

use super::format::{Format, has_common_header};
use super::gzip::{Fragment, Press, Sum};
use super::instances::{CONTRIBUTIONS, Contribution, Row};
use super::states;
use super::text::Text;

/// Text that a run has at least, if there is as much: less of it compresses badly.
const RUN: u64 = 64 * 1024;
/// Text at which a run ends even where no run has started before.
const LONG_RUN: u64 = 80 * 1024;

/// What all instances contribute, at one time.
pub(super) struct Plan {
    fleet: Fleet,
    /// When the first of them changes by its age alone.
    until: Option<DateTime<Utc>>,
    /// How many instances are in each state: the text of the family, and the same deflated.
    pub(super) states: (Vec<u8>, Fragment),
    pub(super) sections: Vec<Section>,
}

/// All instances at one time. They tell themselves which cells have changed: marks of all cells
/// would take as much memory as the instances.
struct Fleet {
    /// In the order of their keys.
    snapshots: Vec<Arc<InstanceSnapshot>>,
    /// When they were looked at.
    at: DateTime<Utc>,
}

/// Families that stand together and whose text is the same in every format, but for the header of
/// the first one. The cells of a family are its header and one for each instance.
pub(super) struct Section {
    families: Range<usize>,
    /// Whether any instance contributes to each family.
    shown: Vec<bool>,
    /// Cells of a family.
    width: usize,
    /// The header that is not the same, for each of [`Format::ALL`].
    openings: [Fragment; 2],
    runs: Vec<Run>,
    /// The runs, one behind the other: a page of many small pieces would be slow to send.
    deflated: Bytes,
    sum: Sum,
}

/// Cells that are deflated together.
#[derive(Clone, Copy)]
struct Run {
    cells: usize,
    /// Bytes of the deflated text.
    deflated: usize,
    sum: Sum,
}

/// A run of an earlier plan.
struct Earlier {
    run: Run,
    /// Its first cell.
    cell: usize,
    /// Where it begins among the section's deflated bytes.
    start: usize,
}

/// Tells whether a cell has changed: two that have the same stamp have the same text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Revision of the instance's labels; 0 for the header of a family, which is a cell too.
    identity: u64,
    /// 0 if the cell is empty.
    content: u64,
}

/// Where an earlier run began: the family's place and the instance.
type Start = (usize, u64);

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
    ///
    /// # Errors
    ///
    /// When a run cannot be deflated.
    pub(super) fn new(
        snapshots: Vec<Arc<InstanceSnapshot>>,
        at: DateTime<Utc>,
        before: Option<&Self>,
        press: &mut Press,
    ) -> Result<Self, CompressError> {
        let fleet = Fleet { snapshots, at };
        let mut sections = Vec::with_capacity(SECTIONS.len());
        for (place, families) in SECTIONS.iter().enumerate() {
            let before = before.map(|plan| (&plan.sections[place], &plan.fleet));
            sections.push(Section::new(families.clone(), &fleet, before, press)?);
        }
        let withdrawals = fleet.snapshots.iter().filter_map(|snapshot| snapshot.withdrawn_after());
        let until = withdrawals.filter(|until| *until >= at).min();
        let states = states::text(&fleet.snapshots);
        let deflated = press.fragment(|text| text.bytes(&states))?;
        let states = (states, deflated);
        Ok(Self { fleet, until, states, sections })
    }

    /// Whether the same snapshots would give the same plan at `now`.
    pub(super) fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.fleet.at <= now && self.until.is_none_or(|until| now <= until)
    }

    /// Writes a cell of `section`, which is one of its own.
    pub(super) fn write_cell(&self, section: &Section, cell: usize, text: &mut Text<'_>) {
        section.write_cell(&self.fleet, cell, text);
    }
}

impl Fleet {
    fn row(&self, instance: usize) -> Row<'_> {
        Row::new(&self.snapshots[instance], self.at)
    }
}

impl Section {
    fn new(
        families: Range<usize>,
        fleet: &Fleet,
        before: Option<(&Self, &Fleet)>,
        press: &mut Press,
    ) -> Result<Self, CompressError> {
        let instances = 0..fleet.snapshots.len();
        let shown = CONTRIBUTIONS[families.clone()].iter().map(|contribution| {
            instances.clone().any(|instance| (contribution.stamp)(&fleet.row(instance)).is_some())
        });
        let mut section = Self {
            shown: shown.collect(),
            width: fleet.snapshots.len() + 1,
            families,
            openings: Default::default(),
            runs: Vec::new(),
            deflated: Bytes::new(),
            sum: Sum::default(),
        };
        section.openings = section.deflated_openings(press)?;
        let starts = before.map(|(before, of)| before.starts(of)).unwrap_or_default();
        // As much as before, and a little more: growing would copy all of it.
        let room = before.map_or(0, |(before, _)| before.deflated.len());
        let mut deflated = Vec::with_capacity(room + room / 16);
        let mut cell = 0;
        while cell < section.cells() {
            let kept = before.zip(starts.get(&section.start(fleet, cell)));
            let kept =
                kept.filter(|(before, earlier)| section.keeps(fleet, cell, *before, earlier));
            let run = match kept {
                Some(((before, _), Earlier { run, start, .. })) => {
                    deflated.extend_from_slice(&before.deflated[*start..start + run.deflated]);
                    *run
                }
                None => section.press(fleet, cell, &starts, &mut deflated, press)?,
            };
            cell += run.cells;
            section.sum = section.sum.followed_by(run.sum);
            section.runs.push(run);
        }
        section.runs.shrink_to_fit();
        deflated.shrink_to_fit();
        section.deflated = deflated.into();
        Ok(section)
    }

    /// Number of cells.
    pub(super) fn cells(&self) -> usize {
        self.families.len() * self.width
    }

    /// The header that differs between formats, then all the rest.
    pub(super) fn fragments(&self, format: Format) -> [Fragment; 2] {
        let rest = Fragment { deflated: self.deflated.clone(), sum: self.sum };
        [self.openings[format as usize].clone(), rest]
    }

    /// Writes the header that differs between formats.
    pub(super) fn write_opening(&self, format: Format, text: &mut Text<'_>) {
        let family = &CONTRIBUTIONS[self.families.start].family;
        if self.shown[0] && !has_common_header(family.kind) {
            text.header(family.name, family.kind, family.help, format);
        }
    }

    fn deflated_openings(&self, press: &mut Press) -> Result<[Fragment; 2], CompressError> {
        let mut openings = [Fragment::default(), Fragment::default()];
        for (opening, format) in openings.iter_mut().zip(Format::ALL) {
            *opening = press.fragment(|text| self.write_opening(format, text))?;
        }
        Ok(openings)
    }

    fn write_cell(&self, fleet: &Fleet, cell: usize, text: &mut Text<'_>) {
        let place = cell / self.width;
        let contribution = &CONTRIBUTIONS[self.families.start + place];
        match (cell % self.width).checked_sub(1) {
            Some(instance) => contribution.write(&fleet.row(instance), text),
            None if self.shown[place] => write_header(contribution, text),
            None => {}
        }
    }

    /// Deflates a run that begins at `cell`. It ends where an earlier one began, so that what comes
    /// behind a change can be kept.
    fn press(
        &self,
        fleet: &Fleet,
        cell: usize,
        starts: &HashMap<Start, Earlier>,
        deflated: &mut Vec<u8>,
        press: &mut Press,
    ) -> Result<Run, CompressError> {
        let (mut next, before) = (cell, deflated.len());
        let sum = press.append(deflated, |text| {
            while next < self.cells() {
                let size = text.size();
                let may_end = size >= RUN;
                if size >= LONG_RUN || may_end && starts.contains_key(&self.start(fleet, next)) {
                    break;
                }
                self.write_cell(fleet, next, text);
                next += 1;
            }
        })?;
        Ok(Run { cells: next - cell, deflated: deflated.len() - before, sum })
    }

    /// Whether an earlier run says what the cells from `cell` on would.
    fn keeps(
        &self,
        fleet: &Fleet,
        cell: usize,
        (before, of): (&Self, &Fleet),
        earlier: &Earlier,
    ) -> bool {
        let cells = earlier.run.cells;
        cell + cells <= self.cells()
            && (0..cells).all(|next| {
                let (now, then) = (cell + next, earlier.cell + next);
                is_untouched(self.snapshot(fleet, now), before.snapshot(of, then))
                    || self.stamp(fleet, now) == before.stamp(of, then)
            })
    }

    /// The instance of a cell; `None` for a header.
    fn snapshot<'a>(&self, fleet: &'a Fleet, cell: usize) -> Option<&'a Arc<InstanceSnapshot>> {
        let instance = (cell % self.width).checked_sub(1)?;
        fleet.snapshots.get(instance)
    }

    fn stamp(&self, fleet: &Fleet, cell: usize) -> Stamp {
        let place = cell / self.width;
        match (cell % self.width).checked_sub(1).map(|instance| fleet.row(instance)) {
            Some(row) => {
                let content = (CONTRIBUTIONS[self.families.start + place].stamp)(&row);
                let content = content.map_or(0, |stamp| stamp.wrapping_add(1));
                Stamp { identity: row.identity().get(), content }
            }
            None => Stamp { identity: 0, content: self.shown[place].into() },
        }
    }

    /// Where its runs begin.
    fn starts(&self, fleet: &Fleet) -> HashMap<Start, Earlier> {
        let (mut cell, mut start) = (0, 0);
        let starts = self.runs.iter().map(|run| {
            let earlier = Earlier { run: *run, cell, start };
            (cell, start) = (cell + run.cells, start + run.deflated);
            (self.start(fleet, earlier.cell), earlier)
        });
        starts.collect()
    }

    fn start(&self, fleet: &Fleet, cell: usize) -> Start {
        let snapshot = self.snapshot(fleet, cell);
        (cell / self.width, snapshot.map_or(0, |snapshot| snapshot.identity.revision().get()))
    }
}

/// Whether two cells of a family are those of the same snapshot, which looks the same at any time.
fn is_untouched(now: Option<&Arc<InstanceSnapshot>>, then: Option<&Arc<InstanceSnapshot>>) -> bool {
    now.zip(then)
        .is_some_and(|(now, then)| Arc::ptr_eq(now, then) && now.withdrawn_after().is_none())
}

fn write_header(contribution: &Contribution, text: &mut Text<'_>) {
    let family = &contribution.family;
    if has_common_header(family.kind) {
        text.header(family.name, family.kind, family.help, Format::Text);
    }
}
