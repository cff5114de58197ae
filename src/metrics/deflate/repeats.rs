//! Finds what stood in a text before.

use std::ops::Range;

use memchr::{memchr, memrchr};

use super::token::{FARTHEST, LONGEST, Tokens};
use super::word_at;

/// A repetition that is worth less than the bytes it stands for is not taken.
const SHORTEST_FOUND: usize = 5;
/// What a hash of words is taken of, in bytes.
const WORD: u32 = 6;
const TABLE_BITS: u32 = 10;

/// Where the ends of lines, and words, have stood last.
#[derive(Default)]
pub(super) struct Repeats {
    ends: Table,
    words: Table,
}

/// Places by a hash of what stands there.
struct Table(Box<[u32; 1 << TABLE_BITS]>);

/// A text up to the end of the part whose tokens are found.
struct Search<'a> {
    text: &'a [u8],
    at: usize,
    /// What stands before it is not repeated.
    floor: usize,
    /// The line in which `at` is.
    line_start: usize,
    /// Behind its line break.
    line_end: usize,
    /// Of the last repetition: the next one often lies equally far back.
    last_distance: usize,
}

/// A repetition: nothing if its length is 0.
#[derive(Clone, Copy, Default)]
struct Repetition {
    length: usize,
    distance: usize,
}

impl Repeats {
    /// Forgets what was found: another text begins.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.words.clear();
    }

    /// Says a part of `text`, which begins with a line, in `tokens`. It repeats nothing that stands
    /// before `floor`. What stands between the two is repeated where it was found before.
    pub(super) fn find(
        &mut self,
        text: &[u8],
        part: Range<usize>,
        floor: usize,
        tokens: &mut Tokens,
    ) {
        let mut search = Search::new(&text[..part.end], part.start, floor);
        // What a byte came last of; none after a repetition, so that the next byte is looked up.
        let mut last = None;
        while let Some(byte) = search.text.get(search.at).copied() {
            let class = Class::of(byte);
            // A number hardly ever repeats another one, and it spoils what stands behind it: bytes
            // of it are tokens by themselves, and so is all that belongs to what was not found.
            let is_looked_up = class != Class::Digit && last != Some(class);
            let found =
                if is_looked_up { self.longest(&mut search) } else { Repetition::default() };
            if found.length > 0 {
                tokens.push_repetition(found.length, found.distance);
                search.last_distance = found.distance;
                search.at += found.length;
                last = None;
            } else {
                tokens.push_byte(byte);
                search.at += 1;
                last = Some(class);
            }
        }
    }

    /// The longest repetition where the search is.
    fn longest(&mut self, search: &mut Search<'_>) -> Repetition {
        search.find_line();
        let mut best = Repetition::default();
        search.compare(search.at.checked_sub(search.last_distance), &mut best);
        let Some(word) = search.word() else { return best };
        let left = search.line_end - search.at;
        if left == 1 {
            // The next line begins as this one does.
            search.compare(search.line_start.checked_sub(1), &mut best);
        } else if best.length < left {
            let same_end = self.ends.replace(search.end_hash(word), search.at);
            search.compare(same_end, &mut best);
            if best.length < left {
                let same_word = self.words.replace(hash(word << (u64::BITS - 8 * WORD)), search.at);
                search.compare(same_word, &mut best);
            }
        }
        best
    }
}

impl<'a> Search<'a> {
    fn new(text: &'a [u8], at: usize, floor: usize) -> Self {
        let before = at.checked_sub(1).and_then(|end| memrchr(b'\n', &text[floor..end]));
        let line_before = before.map_or(floor, |line_break| floor + line_break + 1);
        // A line begins as the one before does.
        let last_distance = at - line_before;
        Self { text, at, floor, line_start: at, line_end: at, last_distance }
    }

    fn find_line(&mut self) {
        while self.line_end <= self.at {
            self.line_start = self.line_end;
            let rest = &self.text[self.line_start..];
            self.line_end += memchr(b'\n', rest).map_or(rest.len(), |line_break| line_break + 1);
        }
    }

    /// The next bytes; `None` near the end of the text.
    fn word(&self) -> Option<u64> {
        word_at(self.text, self.at)
    }

    /// A hash of what is left of the line: of its beginning, its end and its length, which tell
    /// lines apart well enough.
    fn end_hash(&self, word: u64) -> usize {
        let last = |behind: usize| {
            let at = self.line_end.checked_sub(behind);
            at.and_then(|at| word_at(self.text, at)).unwrap_or(0)
        };
        let left = (self.line_end - self.at) as u64;
        let end = last(8).wrapping_add(last(16).rotate_left(21));
        hash(word.rotate_left(13) ^ end.wrapping_mul(FACTOR) ^ left)
    }

    /// Makes what stands at `before` the best, if it is better by more than what it costs to say
    /// that it lies elsewhere.
    #[inline]
    fn compare(&self, before: Option<usize>, best: &mut Repetition) {
        let Some(distance) = before.map(|before| self.at - before) else { return };
        let farthest = FARTHEST.min(self.at - self.floor);
        if distance == 0 || distance > farthest || distance == best.distance {
            return;
        }
        let text = &self.text[self.at..];
        let earlier = &self.text[self.at - distance..];
        // Most that are no better differ here.
        if text.get(best.length) != earlier.get(best.length) {
            return;
        }
        let length = common(text, earlier);
        let needed = if best.length == 0 { SHORTEST_FOUND } else { best.length + 2 };
        if length >= needed {
            *best = Repetition { length, distance };
        }
    }
}

impl Table {
    fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Puts `at` in, and takes out what was there.
    fn replace(&mut self, hash: usize, at: usize) -> Option<usize> {
        let place = &mut self.0[hash];
        // One more than the place, so that 0 is none. A text has no gigabytes.
        std::mem::replace(place, at as u32 + 1).checked_sub(1).map(|place| place as usize)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self(Box::new([0; 1 << TABLE_BITS]))
    }
}

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Letter,
    LineBreak,
    Other,
}

impl Class {
    fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::Digit,
            b'a'..=b'z' | b'A'..=b'Z' => Self::Letter,
            b'\n' => Self::LineBreak,
            _ => Self::Other,
        }
    }
}

/// An odd number without a pattern: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn hash(word: u64) -> usize {
    (word.wrapping_mul(FACTOR) >> (u64::BITS - TABLE_BITS)) as usize
}

/// How many bytes are the same, up to [`LONGEST`].
fn common(text: &[u8], earlier: &[u8]) -> usize {
    let text = &text[..text.len().min(LONGEST)];
    let (blocks, rest) = text.as_chunks::<16>();
    let (earlier_blocks, earlier_rest) = earlier[..text.len()].as_chunks::<16>();
    for (place, (block, earlier)) in blocks.iter().zip(earlier_blocks).enumerate() {
        let difference = u128::from_le_bytes(*block) ^ u128::from_le_bytes(*earlier);
        if difference != 0 {
            return 16 * place + difference.trailing_zeros() as usize / 8;
        }
    }
    let same = rest.iter().zip(earlier_rest).take_while(|(byte, earlier)| byte == earlier);
    16 * blocks.len() + same.count()
}
