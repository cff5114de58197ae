//! Cells that are deflated together, and the parts of them that are written anew when some change.

use memchr::memchr;

use super::deflate::{Outline, REACH, Rewriting};
use super::gzip::{PIECE, Press, Pressed, Sum};
use super::text::Text;

/// Text that a part has at least, if there is as much: what is written anew when a cell changes are
/// two parts, and each of them takes some bytes.
const PART: usize = 4 * 1024;

/// Cells that are deflated together.
pub(super) struct Run {
    pub(super) cells: usize,
    /// Bytes of the deflated text.
    pub(super) deflated: usize,
    pub(super) sum: Sum,
    parts: Option<Parts>,
}

/// What it takes to write a part of a run anew.
struct Parts {
    list: Box<[Part]>,
    outline: Outline,
    /// Bytes of the deflated text when its codes were made.
    deflated_first: usize,
}

/// Cells that are written anew together.
#[derive(Clone, Copy)]
struct Part {
    cells: usize,
    sum: Sum,
}

impl Run {
    /// Deflates what `write` writes, behind what stands in `deflated`. It says where each cell ends.
    pub(super) fn new(
        press: &mut Press,
        deflated: &mut Vec<u8>,
        write: impl FnOnce(&mut Text<'_>) -> Vec<usize>,
    ) -> Self {
        let (before, mut cells, mut counts) = (deflated.len(), 0, Vec::new());
        let Pressed { sum, parts } = press.append(deflated, |text| {
            let cell_ends = write(text);
            cells = cell_ends.len();
            let ends;
            (counts, ends) = divided(&cell_ends);
            ends
        });
        let deflated = deflated.len() - before;
        let parts = parts.map(|(sums, outline)| {
            let list = counts.into_iter().zip(sums).map(|(cells, sum)| Part { cells, sum });
            Parts { list: list.collect(), outline, deflated_first: deflated }
        });
        Self { cells, deflated, sum, parts }
    }

    /// The run after some of its cells have `changed`, behind what stands in `deflated`. `earlier` is
    /// what it was deflated to, and `write` writes a cell. `None` if most of it would be written
    /// anew, if a part has become very long, or if the codes that it has do not fit any more.
    pub(super) fn rewritten(
        &self,
        earlier: &[u8],
        changed: &[usize],
        press: &mut Press,
        deflated: &mut Vec<u8>,
        write: impl FnMut(usize, &mut Text<'_>),
    ) -> Option<Self> {
        let parts = self.parts.as_ref()?;
        let before = deflated.len();
        let list = parts.rewritten(earlier, changed, press, deflated, write);
        press.memory.keep_from(press.memory.text().len());
        let size = deflated.len() - before;
        let limit = parts.deflated_first + parts.deflated_first / 8;
        let Some((list, outline)) = list.filter(|_| size <= limit) else {
            deflated.truncate(before);
            return None;
        };
        let sum = list.iter().map(|part| part.sum).fold(Sum::default(), Sum::followed_by);
        let parts = Parts { list, outline, ..*parts };
        Some(Self { cells: self.cells, deflated: size, sum, parts: Some(parts) })
    }
}

impl Parts {
    fn rewritten(
        &self,
        earlier: &[u8],
        changed: &[usize],
        press: &mut Press,
        deflated: &mut Vec<u8>,
        mut write: impl FnMut(usize, &mut Text<'_>),
    ) -> Option<(Box<[Part]>, Outline)> {
        let has_changed = self.changed(changed);
        // A part refers to the one before.
        let is_new = |part: usize| {
            has_changed[part] || part.checked_sub(1).is_some_and(|it| has_changed[it])
        };
        let new = (0..self.list.len()).filter(|part| is_new(*part)).count();
        if 2 * new > self.list.len() {
            return None;
        }
        let Press { deflater, memory } = press;
        let mut rewriting = Rewriting::new(deflater, &self.outline, earlier, deflated);
        let mut list = self.list.clone();
        let (mut cell, mut start) = (0, 0);
        for (place, part) in list.iter_mut().enumerate() {
            let cells = cell..cell + part.cells;
            cell = cells.end;
            let is_read = place + 1 < self.list.len() && is_new(place + 1);
            if is_new(place) || is_read {
                memory.keep_from(end_of(memory.text(), start));
                start = memory.text().len();
                let mut full = |_: &mut Vec<u8>| {};
                let mut text = Text::after(std::mem::take(memory), PIECE, &mut full);
                cells.for_each(|cell| write(cell, &mut text));
                let is_too_long = text.was_handed_on();
                *memory = text.into_rest();
                if is_too_long {
                    return None;
                }
            }
            if !is_new(place) {
                rewriting.keep();
            } else if !rewriting.replace(memory.text(), start) {
                return None;
            }
            if has_changed[place] {
                part.sum = Sum::of(&memory.text()[start..]);
            }
        }
        Some((list, rewriting.finish()))
    }

    /// Whether each part has one of these cells, which are in order.
    fn changed(&self, cells: &[usize]) -> Vec<bool> {
        let (mut end, mut left) = (0, cells);
        let parts = self.list.iter().map(|part| {
            end += part.cells;
            let here = left.partition_point(|cell| *cell < end);
            left = &left[here..];
            here > 0
        });
        parts.collect()
    }
}

/// Cells that end here as parts: how many cells each has, and where it ends.
fn divided(cell_ends: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut counts, mut ends) = (Vec::new(), Vec::new());
    let (mut count, mut start) = (0, 0);
    for (cell, end) in cell_ends.iter().enumerate() {
        count += 1;
        if end - start >= PART || cell + 1 == cell_ends.len() {
            counts.push(count);
            ends.push(*end);
            (count, start) = (0, *end);
        }
    }
    (counts, ends)
}

/// Where the last lines of a text begin that stand behind `start`: as many as repetitions are looked
/// for in.
fn end_of(text: &[u8], start: usize) -> usize {
    let far = text.len().saturating_sub(REACH);
    if far <= start {
        return start;
    }
    // A line that begins here may be a whole one.
    memchr(b'\n', &text[far - 1..]).map_or(text.len(), |line_break| far + line_break)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use crate::metrics::value::Value;

    use super::*;

    /// Lines of a cell in one of its states; some have none.
    fn cell(number: usize, state: u32) -> String {
        let lines = (number * 7 + state as usize * 3) % 23;
        let name = if state == 9 { "\u{8fc1}\u{79fb}" } else { "orders" };
        let line = |line| {
            let status = ["Success", "Failed", "NotStart"][(line + state as usize) % 3];
            format!("m{{instance=\"rm-{number}\",db=\"{name}\",status=\"{status}\"}} {state}\n")
        };
        (0..lines).map(line).collect()
    }

    fn inflated(deflated: &[u8]) -> String {
        // An empty block that is the last one.
        let all = [deflated, &[1, 0, 0, 0xff, 0xff]].concat();
        let mut text = String::new();
        DeflateDecoder::new(&*all).read_to_string(&mut text).unwrap();
        text
    }

    fn made(press: &mut Press, states: &[u32]) -> (Run, Vec<u8>) {
        let mut deflated = b"before".to_vec();
        let run = Run::new(press, &mut deflated, |text| {
            let write = |(number, state): (usize, &u32)| {
                text.raw(&cell(number, *state));
                text.size() as usize
            };
            states.iter().enumerate().map(write).collect()
        });
        (run, deflated.split_off(6))
    }

    proptest! {
        #[test]
        fn a_run_says_what_has_changed_however_often_it_was_rewritten(
            mut states in prop::collection::vec(0..5_u32, 1..120),
            changes in prop::collection::vec(
                prop::collection::vec((any::<prop::sample::Index>(), 0..10_u32), 1..4),
                1..12,
            ),
        ) {
            let mut press = Press::default();
            let (mut run, mut deflated) = made(&mut press, &states);
            for changes in changes {
                let mut changed = Vec::new();
                for (place, state) in changes {
                    let place = place.index(states.len());
                    states[place] = state;
                    changed.push(place);
                }
                changed.sort_unstable();
                changed.dedup();
                let mut next = b"before".to_vec();
                let write = |at: usize, text: &mut Text<'_>| text.raw(&cell(at, states[at]));
                let rewritten = run.rewritten(&deflated, &changed, &mut press, &mut next, write);
                if let Some(rewritten) = rewritten {
                    (run, deflated) = (rewritten, next.split_off(6));
                } else {
                    prop_assert_eq!(next, b"before");
                    (run, deflated) = made(&mut press, &states);
                }
                let text: String =
                    states.iter().enumerate().map(|(at, state)| cell(at, *state)).collect();
                prop_assert!(inflated(&deflated) == text);
                prop_assert_eq!(run.deflated, deflated.len());
                prop_assert_eq!(run.cells, states.len());
                prop_assert_eq!(run.sum, Sum::of(text.as_bytes()));
            }
        }
    }

    #[test]
    fn one_changed_cell_is_written_with_its_neighbours_only() {
        let mut states = [0; 120];
        let mut press = Press::default();
        let (run, deflated) = made(&mut press, &states);
        states[60] = 4;
        let mut written = Vec::new();
        let write = |at: usize, text: &mut Text<'_>| {
            written.push(at);
            text.raw(&cell(at, states[at]));
        };
        let mut next = Vec::new();
        assert!(run.rewritten(&deflated, &[60], &mut press, &mut next, write).is_some());
        assert!(written.contains(&60));
        assert!(written.len() < 40, "{written:?}");
    }

    #[test]
    fn a_run_is_made_anew_when_its_codes_lack_one_or_most_of_it_has_changed() {
        let states = [0; 120];
        let mut press = Press::default();
        let (run, deflated) = made(&mut press, &states);
        let foreign = |at: usize, text: &mut Text<'_>| match at {
            60 => text.raw("\u{8fc1}\n"),
            _ => text.raw(&cell(at, 0)),
        };
        let mut next = Vec::new();
        assert!(run.rewritten(&deflated, &[60], &mut press, &mut next, foreign).is_none());
        let all: Vec<_> = (0..120).collect();
        let same = |at: usize, text: &mut Text<'_>| text.raw(&cell(at, 0));
        assert!(run.rewritten(&deflated, &all, &mut press, &mut next, same).is_none());
        assert!(next.is_empty());
    }

    #[test]
    fn a_run_is_made_anew_when_a_cell_of_it_has_become_very_long() {
        let mut press = Press::default();
        let (run, deflated) = made(&mut press, &[0; 120]);
        let write = |at: usize, text: &mut Text<'_>| match at {
            60 => (0..20_000).for_each(|number| text.value(Value::Integer(number))),
            _ => text.raw(&cell(at, 0)),
        };
        let mut next = Vec::new();
        assert!(run.rewritten(&deflated, &[60], &mut press, &mut next, write).is_none());
        assert!(next.is_empty());
        assert!(press.memory.text().is_empty());
    }

    #[test]
    fn a_run_whose_codes_became_unfit_is_made_anew() {
        let states = [0; 120];
        let mut press = Press::default();
        let (run, deflated) = made(&mut press, &states);
        let mut random = 1_u64;
        let unlike = |_: usize, text: &mut Text<'_>| {
            for _ in 0..200 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.raw(&format!("{random:x}\n"));
            }
        };
        assert!(run.rewritten(&deflated, &[60], &mut press, &mut Vec::new(), unlike).is_none());
    }
}
