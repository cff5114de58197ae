//! Parts of a block that are written anew, in the codes that it has.

use super::Deflater;
use super::bits::Bits;
use super::block::{self, Codes, Outline};

/// A block that is written once more, part by part.
pub(in crate::metrics) struct Rewriting<'a> {
    deflater: &'a mut Deflater,
    outline: &'a Outline,
    earlier: &'a [u8],
    /// The bit at which the earlier block's next part begins.
    next: usize,
    codes: Codes,
    bits: Bits<'a>,
    /// Bits of each part so far.
    parts: Vec<u32>,
}

impl<'a> Rewriting<'a> {
    /// Begins a block like `earlier` behind what stands in `deflated`.
    pub(in crate::metrics) fn new(
        deflater: &'a mut Deflater,
        outline: &'a Outline,
        earlier: &'a [u8],
        deflated: &'a mut Vec<u8>,
    ) -> Self {
        let (codes, head) = Codes::of(outline);
        let mut bits = Bits::new(deflated);
        bits.copy(earlier, 0, head as usize);
        let parts = Vec::with_capacity(outline.parts.len());
        Self { deflater, outline, earlier, next: head as usize, codes, bits, parts }
    }

    /// Writes the next part as it was. The one before has to be as it was, too.
    pub(in crate::metrics) fn keep(&mut self) {
        let size = self.outline.parts[self.parts.len()];
        self.bits.copy(self.earlier, self.next, size as usize);
        self.parts.push(size);
        self.next += size as usize;
    }

    /// Writes `text` from `start` on instead of the next part. What stands before that is the end of
    /// the part before, from the beginning of a line on. False if the codes lack one: then the block
    /// cannot be finished.
    #[must_use]
    pub(in crate::metrics) fn replace(&mut self, text: &[u8], start: usize) -> bool {
        let Deflater { repeats, tokens } = &mut *self.deflater;
        repeats.clear();
        repeats.find(text, 0..start, 0, tokens);
        tokens.clear();
        repeats.find(text, start..text.len(), 0, tokens);
        let can_say = self.codes.have(tokens);
        if can_say {
            self.next += self.outline.parts[self.parts.len()] as usize;
            self.parts.push(self.codes.write(&tokens.list, &mut self.bits));
        }
        can_say
    }

    /// Ends the block at a byte.
    pub(in crate::metrics) fn finish(mut self) -> Outline {
        self.codes.end(&mut self.bits);
        block::flush(self.bits);
        self.outline.with_parts(self.parts)
    }
}
