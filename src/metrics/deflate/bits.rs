//! Bits, the lowest first.

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

    /// Writes the `count` lowest bits of `bits`, at most 56; the others are 0.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        if self.count + count >= u64::BITS {
            self.close_bytes();
        }
        self.open |= bits << self.count;
        self.count += count;
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

#[cfg(test)]
mod tests {
    use super::*;

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
