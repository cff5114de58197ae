//! The part of the page that instances contribute, planned once and kept until one of them changes.
//!
//! The samples of one instance in one family are a cell. Cells stand in the order of the page, and
//! runs of them are kept deflated. A plan that follows another one takes over every run in which no
//! cell has changed; no text is kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
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
    snapshots: Vec<Arc<InstanceSnapshot>>,
    /// When the instances were looked at.
    at: DateTime<Utc>,
    /// When the first of them changes by its age alone.
    until: Option<DateTime<Utc>>,
    /// How many instances are in each state: the text of the family, and the same deflated.
    pub(super) states: (Vec<u8>, Fragment),
    pub(super) sections: Vec<Section>,
}

/// Families that stand together and whose text is the same in every format, but for the header of
/// the first one.
pub(super) struct Section {
    families: Range<usize>,
    /// The header that is not the same, for each of [`Format::ALL`].
    openings: [Fragment; 2],
    stamps: Vec<Stamp>,
    runs: Vec<Run>,
    /// The runs, joined.
    deflated: Bytes,
    sum: Sum,
}

/// Cells that are deflated together.
#[derive(Clone)]
struct Run {
    cells: usize,
    fragment: Fragment,
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
        let rows: Vec<Row<'_>> = snapshots.iter().map(|snapshot| Row::new(snapshot, at)).collect();
        let mut sections = Vec::with_capacity(SECTIONS.len());
        for (place, families) in SECTIONS.iter().enumerate() {
            let before = before.map(|plan| &plan.sections[place]);
            sections.push(Section::new(families.clone(), &rows, before, press)?);
        }
        let withdrawals = snapshots.iter().filter_map(|snapshot| snapshot.withdrawn_after());
        let until = withdrawals.filter(|until| *until >= at).min();
        let states = states::text(&snapshots);
        let deflated = press.fragment(|text| text.bytes(&states))?;
        let states = (states, deflated);
        Ok(Self { snapshots, at, until, states, sections })
    }

    /// Whether the same snapshots would give the same plan at `now`.
    pub(super) fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.at <= now && self.until.is_none_or(|until| now <= until)
    }

    /// How many cells each section has, and how to write one.
    pub(super) fn write_cell(&self, section: &Section, cell: usize, text: &mut Text<'_>) {
        let width = self.snapshots.len() + 1;
        let contribution = &CONTRIBUTIONS[section.families.start + cell / width];
        match (cell % width).checked_sub(1).map(|instance| &self.snapshots[instance]) {
            Some(snapshot) => contribution.write(&Row::new(snapshot, self.at), text),
            None => write_header(contribution, section.stamps[cell], text),
        }
    }
}

impl Section {
    fn new(
        families: Range<usize>,
        rows: &[Row<'_>],
        before: Option<&Self>,
        press: &mut Press,
    ) -> Result<Self, CompressError> {
        let stamps = stamps(&families, rows);
        let mut section = Self {
            openings: openings(&families, &stamps, press)?,
            families,
            stamps,
            runs: Vec::new(),
            deflated: Bytes::new(),
            sum: Sum::default(),
        };
        let starts = before.map(Self::starts).unwrap_or_default();
        let width = rows.len() + 1;
        let mut cell = 0;
        while cell < section.stamps.len() {
            let kept = starts.get(&section.start(cell, width)).filter(|(place, run)| {
                let after = section.stamps.get(cell..cell + run.cells);
                let before = before.map(|before| &before.stamps[*place..place + run.cells]);
                after == before
            });
            let run = match kept {
                Some((_, run)) => Run::clone(run),
                None => section.press(cell, rows, &starts, press)?,
            };
            cell += run.cells;
            section.runs.push(run);
        }
        section.join();
        Ok(section)
    }

    /// Number of cells.
    pub(super) fn cells(&self) -> usize {
        self.stamps.len()
    }

    /// The header that differs between formats, then all the rest.
    pub(super) fn fragments(&self, format: Format) -> [Fragment; 2] {
        let rest = Fragment { deflated: self.deflated.clone(), sum: self.sum };
        [self.openings[format as usize].clone(), rest]
    }

    /// Writes the header that differs between formats.
    pub(super) fn write_opening(&self, format: Format, text: &mut Text<'_>) {
        write_opening(&self.families, &self.stamps, format, text);
    }

    /// Deflates a run that begins at `cell`. It ends where an earlier one began, so that what comes
    /// behind a change can be kept.
    fn press(
        &self,
        cell: usize,
        rows: &[Row<'_>],
        starts: &HashMap<Start, (usize, &Run)>,
        press: &mut Press,
    ) -> Result<Run, CompressError> {
        let width = rows.len() + 1;
        let mut next = cell;
        let fragment = press.fragment(|text| {
            while next < self.stamps.len() {
                let size = text.size();
                if size >= LONG_RUN || size >= RUN && starts.contains_key(&self.start(next, width))
                {
                    break;
                }
                let contribution = &CONTRIBUTIONS[self.families.start + next / width];
                match (next % width).checked_sub(1) {
                    Some(instance) => contribution.write(&rows[instance], text),
                    None => write_header(contribution, self.stamps[next], text),
                }
                next += 1;
            }
        })?;
        Ok(Run { cells: next - cell, fragment })
    }

    /// Where its runs begin.
    fn starts(&self) -> HashMap<Start, (usize, &Run)> {
        let width = self.stamps.len() / self.families.len();
        let mut cell = 0;
        let starts = self.runs.iter().map(|run| {
            let place = cell;
            cell += run.cells;
            (self.start(place, width), (place, run))
        });
        starts.collect()
    }

    fn start(&self, cell: usize, width: usize) -> Start {
        (cell / width, self.stamps[cell].identity)
    }

    /// Lays the runs into one piece of memory: a page of many small ones would be slow to send.
    fn join(&mut self) {
        let size = self.runs.iter().map(|run| run.fragment.deflated.len()).sum();
        let mut joined = BytesMut::with_capacity(size);
        for run in &self.runs {
            joined.extend_from_slice(&run.fragment.deflated);
        }
        self.deflated = joined.freeze();
        let mut start = 0;
        for run in &mut self.runs {
            let end = start + run.fragment.deflated.len();
            run.fragment.deflated = self.deflated.slice(start..end);
            start = end;
            self.sum = self.sum.followed_by(run.fragment.sum);
        }
    }
}

fn stamps(families: &Range<usize>, rows: &[Row<'_>]) -> Vec<Stamp> {
    let mut stamps = Vec::with_capacity(families.len() * (rows.len() + 1));
    for contribution in &CONTRIBUTIONS[families.clone()] {
        let header = stamps.len();
        stamps.push(Stamp { identity: 0, content: 0 });
        stamps.extend(rows.iter().map(|row| Stamp {
            identity: row.identity().get(),
            content: (contribution.stamp)(row).map_or(0, |stamp| stamp.wrapping_add(1)),
        }));
        let any = stamps[header..].iter().any(|stamp| stamp.content != 0);
        stamps[header].content = u64::from(any);
    }
    stamps
}

fn write_header(contribution: &Contribution, stamp: Stamp, text: &mut Text<'_>) {
    let family = &contribution.family;
    if stamp.content != 0 && has_common_header(family.kind) {
        text.header(family.name, family.kind, family.help, Format::Text);
    }
}

fn write_opening(families: &Range<usize>, stamps: &[Stamp], format: Format, text: &mut Text<'_>) {
    let family = &CONTRIBUTIONS[families.start].family;
    let any = stamps.first().is_some_and(|header| header.content != 0);
    if any && !has_common_header(family.kind) {
        text.header(family.name, family.kind, family.help, format);
    }
}

fn openings(
    families: &Range<usize>,
    stamps: &[Stamp],
    press: &mut Press,
) -> Result<[Fragment; 2], CompressError> {
    let mut openings = [Fragment::default(), Fragment::default()];
    for (opening, format) in openings.iter_mut().zip(Format::ALL) {
        *opening = press.fragment(|text| write_opening(families, stamps, format, text))?;
    }
    Ok(openings)
}
