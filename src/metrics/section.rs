//! Families whose samples are kept deflated.
//!
//! The samples of one instance in one family are a cell, and so is a family's header. Cells stand
//! in the order of the page. Runs of them are deflated together, and blocks of runs are sent
//! together. A section that follows an earlier one takes over every block and every run in which no
//! cell has changed, and of a run in which few have, all but the parts they stand in; no text is
//! kept.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::fleet::{Changes, Fleet};
use super::format::{Format, has_common_header};
use super::gzip::{Fragment, Press, Sum};
use super::instances::{CONTRIBUTIONS, Contribution};
use super::run::Run;
use super::text::Text;

/// Text that a run has at least, if there is as much: less of it compresses badly.
const RUN: u64 = 64 * 1024;
/// Text at which a run ends even where no run has started before: what exceeds [`RUN`] is what its
/// text may lose until its end moves.
const LONG_RUN: u64 = 68 * 1024;
/// Deflated bytes that a block has at least, if there are as many: a page of many small pieces would
/// be slow to send.
const BLOCK: usize = 32 * 1024;
/// Deflated bytes at which a block ends even where no block has started before: with its last run,
/// about what a connection takes at once.
const LONG_BLOCK: usize = 60 * 1024;
/// Room for a block with its last run: to make some later would be to copy it once more.
const BLOCK_ROOM: usize = LONG_BLOCK + 8 * 1024;

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
    blocks: Vec<Arc<Block>>,
    /// Of all blocks.
    sum: Sum,
}

/// Runs one behind the other.
struct Block {
    runs: Box<[Arc<Run>]>,
    cells: usize,
    deflated: Bytes,
    sum: Sum,
}

/// A section as it was, with what has changed since.
struct Earlier<'a> {
    section: &'a Section,
    fleet: &'a Fleet,
    changes: &'a Changes,
    /// Whether the same families are shown.
    has_same_headers: bool,
    /// The first cell of each block.
    starts: Vec<usize>,
}

/// Tells whether a cell has changed: two that have the same stamp have the same text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Revision of the instance's labels; 0 for the header of a family.
    identity: u64,
    /// 0 if the cell is empty.
    content: u64,
}

impl Section {
    /// The section of these families, which takes over what it can of an earlier one.
    pub(super) fn new(
        families: Range<usize>,
        fleet: &Fleet,
        before: Option<(&Self, &Fleet, &Changes)>,
        press: &mut Press,
    ) -> Self {
        let instances = 0..fleet.snapshots.len();
        let shown = CONTRIBUTIONS[families.clone()].iter().map(|contribution| {
            instances.clone().any(|instance| (contribution.stamp)(&fleet.row(instance)).is_some())
        });
        let mut section = Self {
            shown: shown.collect(),
            width: fleet.width(),
            families,
            openings: Default::default(),
            blocks: Vec::new(),
            sum: Sum::default(),
        };
        section.openings = match before {
            Some((before, ..)) if before.shown[0] == section.shown[0] => before.openings.clone(),
            _ => {
                Format::ALL.map(|format| press.fragment(|text| section.write_opening(format, text)))
            }
        };
        let earlier =
            before.map(|(before, fleet, changes)| Earlier::new(&section, before, fleet, changes));
        let earlier = earlier.as_ref();
        let mut cell = 0;
        while cell < section.cells() {
            let kept = earlier.and_then(|earlier| earlier.untouched_block(&section, cell));
            let block = kept.unwrap_or_else(|| section.block(fleet, cell, earlier, press).into());
            cell += block.cells;
            section.sum = section.sum.followed_by(block.sum);
            section.blocks.push(block);
        }
        section
    }

    /// Number of cells.
    pub(super) fn cells(&self) -> usize {
        self.families.len() * self.width
    }

    /// The sum of the text.
    pub(super) fn sum(&self, format: Format) -> Sum {
        self.openings[format as usize].sum.followed_by(self.sum)
    }

    /// The text deflated.
    pub(super) fn deflated(&self, format: Format) -> impl Iterator<Item = &Bytes> {
        let opening = &self.openings[format as usize].deflated;
        std::iter::once(opening).chain(self.blocks.iter().map(|block| &block.deflated))
    }

    /// Writes the header that differs between formats.
    pub(super) fn write_opening(&self, format: Format, text: &mut Text<'_>) {
        let family = &CONTRIBUTIONS[self.families.start].family;
        if self.shown[0] && !has_common_header(family.kind) {
            text.header(family.name, family.kind, family.help, format);
        }
    }

    pub(super) fn write_cell(&self, fleet: &Fleet, cell: usize, text: &mut Text<'_>) {
        let place = cell / self.width;
        let contribution = &CONTRIBUTIONS[self.families.start + place];
        match (cell % self.width).checked_sub(1) {
            Some(instance) => contribution.write(&fleet.row(instance), text),
            None if self.shown[place] => write_header(contribution, text),
            None => {}
        }
    }

    /// Makes a block that begins at `cell`. It ends where an earlier one began, so that what comes
    /// behind a change can be kept.
    fn block(
        &self,
        fleet: &Fleet,
        cell: usize,
        earlier: Option<&Earlier<'_>>,
        press: &mut Press,
    ) -> Block {
        let mut next = cell;
        let (mut runs, mut sum) = (Vec::new(), Sum::default());
        let mut deflated = Vec::with_capacity(BLOCK_ROOM);
        while next < self.cells() && deflated.len() < LONG_BLOCK {
            let may_end = deflated.len() >= BLOCK;
            if may_end && earlier.is_some_and(|earlier| earlier.has_block_at(next)) {
                break;
            }
            let kept =
                earlier.and_then(|earlier| earlier.run(self, fleet, next, &mut deflated, press));
            let run =
                kept.unwrap_or_else(|| self.run(fleet, next, earlier, &mut deflated, press).into());
            next += run.cells;
            sum = sum.followed_by(run.sum);
            runs.push(run);
        }
        deflated.shrink_to_fit();
        Block { runs: runs.into(), cells: next - cell, deflated: deflated.into(), sum }
    }

    /// Deflates a run that begins at `cell`, behind what stands in `deflated`. It ends where an
    /// earlier one began.
    fn run(
        &self,
        fleet: &Fleet,
        cell: usize,
        earlier: Option<&Earlier<'_>>,
        deflated: &mut Vec<u8>,
        press: &mut Press,
    ) -> Run {
        Run::new(press, deflated, |text| {
            let (mut next, mut ends) = (cell, Vec::new());
            while next < self.cells() && text.size() < LONG_RUN {
                let may_end = text.size() >= RUN;
                if may_end && earlier.is_some_and(|earlier| earlier.run_at(next).is_some()) {
                    break;
                }
                self.write_cell(fleet, next, text);
                next += 1;
                ends.push(text.size() as usize);
            }
            ends
        })
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
}

impl<'a> Earlier<'a> {
    /// `changes` are those from `fleet`, to which `section` belongs, to the fleet of `now`.
    fn new(now: &Section, section: &'a Section, fleet: &'a Fleet, changes: &'a Changes) -> Self {
        let mut next = 0;
        let starts = section.blocks.iter().map(|block| {
            let start = next;
            next += block.cells;
            start
        });
        let has_same_headers = now.shown == section.shown;
        Self { starts: starts.collect(), has_same_headers, section, fleet, changes }
    }

    /// The block that began at this cell of `now`, if nothing of it may have changed.
    fn untouched_block(&self, now: &Section, cell: usize) -> Option<Arc<Block>> {
        let block = &self.section.blocks[self.block_at(cell)?];
        self.is_untouched(now, cell, block.cells).then(|| Arc::clone(block))
    }

    fn has_block_at(&self, cell: usize) -> bool {
        self.block_at(cell).is_some()
    }

    /// The place of the block that began at this cell.
    fn block_at(&self, cell: usize) -> Option<usize> {
        self.starts.binary_search(&self.changes.then(cell)?).ok()
    }

    /// Puts the run that began at this cell of `now` behind what stands in `deflated`, with what has
    /// changed of it. `None` if none began there, or if another one has to be made.
    fn run(
        &self,
        now: &Section,
        fleet: &Fleet,
        cell: usize,
        deflated: &mut Vec<u8>,
        press: &mut Press,
    ) -> Option<Arc<Run>> {
        let (run, bytes) = self.run_at(cell)?;
        let changed = self.changed(now, fleet, cell, run.cells)?;
        if changed.is_empty() {
            deflated.extend_from_slice(bytes);
            return Some(Arc::clone(run));
        }
        let write = |place: usize, text: &mut Text<'_>| now.write_cell(fleet, cell + place, text);
        let before = deflated.len();
        let run = run.rewritten(bytes, &changed, press, deflated, write)?;
        let is_long = run.sum.size >= RUN || cell + run.cells == now.cells();
        if !is_long || run.sum.size > 2 * RUN {
            deflated.truncate(before);
            return None;
        }
        Some(run.into())
    }

    /// The run that began at this cell, with its bytes.
    fn run_at(&self, cell: usize) -> Option<(&'a Arc<Run>, &'a [u8])> {
        let cell = self.changes.then(cell)?;
        let block = self.starts.partition_point(|start| *start <= cell).checked_sub(1)?;
        let (mut next, mut bytes) = (self.starts[block], 0);
        let block = &self.section.blocks[block];
        for run in &block.runs {
            if next == cell {
                return Some((run, &block.deflated[bytes..bytes + run.deflated]));
            }
            (next, bytes) = (next + run.cells, bytes + run.deflated);
        }
        None
    }

    /// Whether these cells of `now` are those of the same snapshots.
    fn is_untouched(&self, now: &Section, cell: usize, cells: usize) -> bool {
        let end = cell + cells;
        end <= now.cells() && self.has_same_headers && !self.changes.may_touch(cell..end)
    }

    /// Which of these cells of `now` have another text than they had, counted from the first. `None`
    /// if they did not stand one behind the other.
    fn changed(
        &self,
        now: &Section,
        fleet: &Fleet,
        cell: usize,
        cells: usize,
    ) -> Option<Vec<usize>> {
        let (then, end) = (self.changes.then(cell)?, cell + cells);
        if end > now.cells() {
            return None;
        }
        let has_changed =
            |at: &usize| now.stamp(fleet, *at) != self.section.stamp(self.fleet, then + at - cell);
        if !self.has_same_headers {
            return Some((cell..end).filter(has_changed).map(|at| at - cell).collect());
        }
        let touched = std::iter::once(cell).chain(self.changes.touched(cell + 1..end));
        let changed: Vec<usize> = touched.filter(has_changed).map(|at| at - cell).collect();
        // What stands behind a cell that follows another one was not looked at.
        let is_in_place = |place: &usize| self.changes.then(cell + place) == Some(then + place);
        changed.iter().all(is_in_place).then_some(changed)
    }
}

fn write_header(contribution: &Contribution, text: &mut Text<'_>) {
    let family = &contribution.family;
    if has_common_header(family.kind) {
        text.header(family.name, family.kind, family.help, Format::Text);
    }
}
