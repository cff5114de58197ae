//! Pieces of a body that are handed over at once.

use std::io::IoSlice;
use std::vec::IntoIter;

use bytes::{Buf, Bytes};

/// Pieces that stand one behind the other and stay where they are.
#[derive(Debug)]
pub(super) struct Rope {
    /// Empty only if nothing is left.
    first: Bytes,
    others: IntoIter<Bytes>,
}

impl Rope {
    pub(super) fn new(pieces: Vec<Bytes>) -> Self {
        let mut rope = Self { first: Bytes::new(), others: pieces.into_iter() };
        rope.advance(0);
        rope
    }
}

impl From<Bytes> for Rope {
    fn from(first: Bytes) -> Self {
        Self { first, others: Vec::new().into_iter() }
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.first.len() + self.others.as_slice().iter().map(Bytes::len).sum::<usize>()
    }

    fn chunk(&self) -> &[u8] {
        &self.first
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let pieces = std::iter::once(&self.first).chain(self.others.as_slice());
        let pieces = pieces.filter(|piece| !piece.is_empty());
        let filled = into.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        loop {
            let here = count.min(self.first.len());
            self.first.advance(here);
            count -= here;
            if !self.first.is_empty() {
                return;
            }
            match self.others.next() {
                Some(next) => self.first = next,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_reads_as_its_pieces_do_one_after_another() {
        let pieces = ["", "ab", "", "cde", "f", ""].map(Bytes::from);
        for step in 1..=7 {
            let mut rope = Rope::new(pieces.to_vec());
            let mut read = Vec::new();
            while rope.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 4];
                let count = rope.chunks_vectored(&mut slices);
                let seen: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(seen.len(), rope.remaining());
                assert_eq!(rope.chunk(), &slices[0][..]);
                let step = step.min(seen.len());
                read.extend_from_slice(&seen[..step]);
                rope.advance(step);
            }
            assert_eq!(read, b"abcdef");
        }
    }
}
