//! A gzip member that is joined from fragments, each deflated by itself.
//!
//! A fragment ends at a byte and refers to nothing before it, so that fragments can stand in any
//! order; the check sum of the whole is combined from theirs. This is how pigz joins its blocks.
//! Whole members one after another would be legal too, but curl reads only the first.
//! <https://www.rfc-editor.org/rfc/rfc1952>, <https://www.rfc-editor.org/rfc/rfc1951>

use std::iter;

use bytes::Bytes;
use zlib_rs::crc32::{crc32, crc32_combine_gen, crc32_combine_op};

use super::deflate::{Deflater, Outline};
use super::text::{Memory, Text};

/// What a member starts with: deflate, no name, no time, unknown file system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Size of the pieces that are deflated by themselves: more than a run of the page commonly has.
pub(super) const PIECE: usize = 128 * 1024;

/// Size from which a piece is sent as it is, in bytes: less than that is copied sooner than sent by
/// itself.
const SMALL: usize = 16 * 1024;

/// Text, and what stands for it in a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    /// Empty for an empty text.
    pub(super) deflated: Bytes,
    pub(super) sum: Sum,
}

/// Check sum and size of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    crc: u32,
    /// What the check sum of something that stands before is multiplied with: what takes most of
    /// the time of combining two, and depends on the size alone.
    shift: u32,
    /// In bytes.
    pub(super) size: u64,
}

/// A member in the making.
pub(super) struct Member {
    /// Of the text so far.
    crc: u32,
    /// Of the text so far, in bytes.
    size: u64,
    pieces: Vec<Bytes>,
    /// What stands behind the pieces.
    small: Vec<u8>,
}

/// Makes fragments. Its memory is used again and again.
#[derive(Default)]
pub(super) struct Press {
    pub(super) deflater: Deflater,
    /// Empty, but not without room.
    pub(super) memory: Memory,
}

/// What became of a text.
pub(super) struct Pressed {
    pub(super) sum: Sum,
    /// The sum of each part, and what it takes to write it anew; `None` of a text without parts, or
    /// of a very long one.
    pub(super) parts: Option<(Vec<Sum>, Outline)>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { crc: 0, shift: crc32_combine_gen(0), size: 0 }
    }
}

impl Sum {
    pub(super) fn of(text: &[u8]) -> Self {
        let size = text.len() as u64;
        Self { crc: crc32(0, text), shift: crc32_combine_gen(size), size }
    }

    /// The sum of this text and the one behind it.
    pub(super) fn followed_by(self, next: Self) -> Self {
        Self {
            crc: next.behind(self.crc),
            // The check sum of nothing leaves their product.
            shift: crc32_combine_op(self.shift, 0, next.shift),
            size: self.size + next.size,
        }
    }

    /// The check sum of this text behind one that has the check sum `before`.
    fn behind(self, before: u32) -> u32 {
        crc32_combine_op(before, self.crc, self.shift)
    }
}

impl Member {
    pub(super) fn new() -> Self {
        let mut small = Vec::with_capacity(SMALL);
        small.extend_from_slice(&HEADER);
        Self { crc: 0, size: 0, pieces: Vec::new(), small }
    }

    pub(super) fn push(&mut self, fragment: &Fragment) {
        self.push_joined(fragment.sum, iter::once(&fragment.deflated));
    }

    /// Adds what fragments have become that were joined before; `sum` is that of all their text.
    pub(super) fn push_joined<'a>(&mut self, sum: Sum, pieces: impl Iterator<Item = &'a Bytes>) {
        self.add(sum);
        for piece in pieces {
            if piece.len() < SMALL {
                self.small.extend_from_slice(piece);
            } else {
                self.pieces.push(std::mem::take(&mut self.small).into());
                self.pieces.push(Bytes::clone(piece));
            }
        }
    }

    fn add(&mut self, sum: Sum) {
        if sum.size > 0 {
            self.crc = if self.size > 0 { sum.behind(self.crc) } else { sum.crc };
            self.size += sum.size;
        }
    }

    /// The whole member, whose text ends with `end`.
    pub(super) fn finish(mut self, end: &'static str) -> Vec<Bytes> {
        if !end.is_empty() {
            self.add(Sum::of(end.as_bytes()));
        }
        // As it is, in a block that says that it is the last one.
        let size = end.len() as u16;
        self.small.push(1);
        self.small.extend_from_slice(&size.to_le_bytes());
        self.small.extend_from_slice(&(!size).to_le_bytes());
        self.small.extend_from_slice(end.as_bytes());
        self.small.extend_from_slice(&self.crc.to_le_bytes());
        // It is modulo 2^32 there.
        self.small.extend_from_slice(&(self.size as u32).to_le_bytes());
        // The member may be kept.
        self.small.shrink_to_fit();
        self.pieces.push(self.small.into());
        self.pieces
    }
}

impl Press {
    /// Deflates what `write` writes.
    pub(super) fn fragment(&mut self, write: impl FnOnce(&mut Text<'_>)) -> Fragment {
        let mut deflated = Vec::new();
        let write = |text: &mut Text<'_>| {
            write(text);
            Vec::new()
        };
        let Pressed { sum, parts: _ } = self.append(&mut deflated, write);
        Fragment { deflated: deflated.into(), sum }
    }

    /// Deflates what `write` writes, behind what stands in `deflated`. It says where the parts of
    /// its text end, all at ends of lines; nothing if they do not matter.
    pub(super) fn append(
        &mut self,
        deflated: &mut Vec<u8>,
        write: impl FnOnce(&mut Text<'_>) -> Vec<usize>,
    ) -> Pressed {
        let (mut sum, deflater) = (Sum::default(), &mut self.deflater);
        let mut full = |piece: &mut Vec<u8>| {
            sum = sum.followed_by(Sum::of(piece));
            deflater.append(piece, deflated);
        };
        let mut text = Text::after(std::mem::take(&mut self.memory), PIECE, &mut full);
        let ends = write(&mut text);
        if ends.len() < 2 || text.was_handed_on() {
            self.memory = text.finish();
            return Pressed { sum, parts: None };
        }
        self.memory = text.into_rest();
        let text = self.memory.text();
        let outline = self.deflater.append_parts(text, &ends, deflated);
        let starts = iter::once(0).chain(ends.iter().copied());
        let sums: Vec<_> =
            starts.zip(&ends).map(|(start, end)| Sum::of(&text[start..*end])).collect();
        let sum = sums.iter().copied().fold(Sum::default(), Sum::followed_by);
        self.memory.keep_from(text.len());
        Pressed { sum, parts: Some((sums, outline)) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fragments_in_any_order_are_one_member(
            texts in prop::collection::vec(
                (prop::collection::vec("[a-z0-9 ]{0,40}", 0..200), 1..40_usize),
                0..6,
            ),
            swap in any::<prop::sample::Index>(),
        ) {
            let mut press = Press::default();
            let mut made: Vec<(String, Fragment)> = texts
                .iter()
                .map(|(words, times)| {
                    let text = words.concat().repeat(*times);
                    let deflated = press.fragment(|into| into.raw(&text));
                    (text, deflated)
                })
                .collect();
            if !made.is_empty() {
                let place = swap.index(made.len());
                made.rotate_left(place);
            }
            let mut member = Member::new();
            let mut texts = String::new();
            for (text, fragment) in &made {
                member.push(fragment);
                texts.push_str(text);
            }
            texts.push_str("end");

            let member = member.finish("end").concat();
            let mut read = String::new();
            flate2::read::GzDecoder::new(&*member).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, texts);
        }
    }
}
