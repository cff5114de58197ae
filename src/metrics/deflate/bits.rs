//! Bits, the lowest first.

use super::word_at;

/// How many are written at once at most: with those of a byte that is still open, they fit into 64.
const MOST: usize = 56;

/// Writes bits behind bytes.
pub(super) struct Bits<'a> {
    bytes: &'a mut Vec<u8>,
    /// Those that do not stand in `bytes` yet.
    open: u64,
    /// How many those are, less than 64.
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, open: 0, count: 0 }
    }

    /// Writes the `count` lowest bits of `bits`, at most [`MOST`]; the others are 0.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        if self.count + count >= u64::BITS {
            self.close_bytes();
        }
        self.open |= bits << self.count;
        self.count += count;
    }

    /// Writes `count` bits of `bytes` from the one at `start` on.
    pub(super) fn copy(&mut self, bytes: &[u8], mut start: usize, mut count: usize) {
        while count > 0 {
            let part = count.min(MOST);
            let bits = word_or_rest(bytes, start / 8) >> (start % 8);
            self.put(bits & ((1 << part) - 1), part as u32);
            (start, count) = (start + part, count - part);
        }
    }

    /// How many bits were written, those that stood there before included.
    pub(super) fn position(&self) -> usize {
        8 * self.bytes.len() + self.count as usize
    }

    /// Fills the last byte up with zeros.
    pub(super) fn align(self) -> &'a mut Vec<u8> {
        let bytes = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.open.to_le_bytes()[..bytes]);
        self.bytes
    }

    /// Leaves less than a byte open.
    fn close_bytes(&mut self) {
        let bytes = self.count / 8;
        // All eight are written, and some taken back: a copy of known size is quicker.
        self.bytes.extend_from_slice(&self.open.to_le_bytes());
        self.bytes.truncate(self.bytes.len() - (8 - bytes as usize));
        self.open >>= 8 * bytes;
        self.count %= 8;
    }
}

/// Up to eight bytes from this one on; 0 where there are no more.
fn word_or_rest(bytes: &[u8], at: usize) -> u64 {
    word_at(bytes, at).unwrap_or_else(|| {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn copies_any_bits_to_any_place(
            bytes in prop::collection::vec(any::<u8>(), 1..60),
            range in any::<(prop::sample::Index, prop::sample::Index)>(),
            before in 0..64_u32,
        ) {
            let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1;
            let (a, b) = (range.0.index(8 * bytes.len() + 1), range.1.index(8 * bytes.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let mut copied = Vec::new();
            let mut bits = Bits::new(&mut copied);
            bits.put(0, before / 2);
            bits.put(0, before - before / 2);
            bits.copy(&bytes, start, end - start);
            prop_assert_eq!(bits.position(), before as usize + end - start);
            bits.align();
            for at in start..end {
                prop_assert_eq!(bit(&copied, before as usize + at - start), bit(&bytes, at));
            }
        }
    }

    #[test]
    fn bits_stand_from_the_lowest_on() {
        let mut bytes = vec![0xaa];
        let mut bits = Bits::new(&mut bytes);
        bits.put(0b1, 1);
        bits.put(0b10, 2);
        bits.put(0x00ff_ffff_ffff_ffff, 56);
        bits.put(0b0_0000, 5);
        bits.put(0b11, 2);
        bits.align();
        assert_eq!(bytes, [0xaa, 0xfd, 255, 255, 255, 255, 255, 255, 0x07, 0b11]);
    }
}
