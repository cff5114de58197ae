//! A gzip member that is joined from fragments, each deflated by itself.
//!
//! A fragment ends at a byte and refers to nothing before it, so that fragments can stand in any
//! order; the check sum of the whole is combined from theirs. This is how pigz joins its blocks.
//! Whole members one after another would be legal too, but curl reads only the first.
//! <https://www.rfc-editor.org/rfc/rfc1952>, <https://www.rfc-editor.org/rfc/rfc1951>

use bytes::Bytes;
use flate2::{Compress, CompressError, Compression, FlushCompress};
use zlib_rs::crc32::{crc32, crc32_combine};

use super::text::Text;

/// What a member starts with: deflate, no name, no time, unknown file system.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Room for output when nothing is known of it yet.
const ROOM: usize = 4 * 1024;

/// Text, and what stands for it in a member.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    /// Empty for an empty text.
    pub(super) deflated: Bytes,
    pub(super) sum: Sum,
}

/// Check sum and size of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    crc: u32,
    /// In bytes.
    pub(super) size: u64,
}

/// Makes fragments. Its memory is used again and again.
pub(super) struct Press {
    compress: Compress,
}

impl Fragment {
    /// The last fragment of a member: a short text as it is, in a block that says that it is the
    /// last.
    pub(super) fn last(text: &'static str) -> Self {
        let size = text.len() as u16;
        let mut deflated = vec![1];
        deflated.extend_from_slice(&size.to_le_bytes());
        deflated.extend_from_slice(&(!size).to_le_bytes());
        deflated.extend_from_slice(text.as_bytes());
        Self { deflated: deflated.into(), sum: Sum::default().add(text.as_bytes()) }
    }
}

impl Sum {
    fn add(self, text: &[u8]) -> Self {
        Self { crc: crc32(self.crc, text), size: self.size + text.len() as u64 }
    }

    /// The sum of this text and the one behind it.
    pub(super) fn followed_by(self, next: Self) -> Self {
        let crc = crc32_combine(self.crc, next.crc, next.size);
        Self { crc, size: self.size + next.size }
    }

    /// What a member of this text ends with.
    pub(super) fn trailer(self) -> [u8; 8] {
        let mut trailer = [0; 8];
        trailer[..4].copy_from_slice(&self.crc.to_le_bytes());
        // The size is modulo 2^32 there.
        trailer[4..].copy_from_slice(&(self.size as u32).to_le_bytes());
        trailer
    }
}

impl Press {
    /// A press of this level, 1 to 9.
    pub(super) fn new(level: u32) -> Self {
        Self { compress: Compress::new(Compression::new(level), false) }
    }

    /// Deflates what `write` writes.
    ///
    /// # Errors
    ///
    /// When the compressor refuses its own state, which it has no reason to.
    pub(super) fn fragment(
        &mut self,
        write: impl FnOnce(&mut Text<'_>),
    ) -> Result<Fragment, CompressError> {
        let mut deflated = Vec::new();
        let sum = self.append(&mut deflated, write)?;
        Ok(Fragment { deflated: deflated.into(), sum })
    }

    /// Deflates what `write` writes, behind what stands in `deflated`.
    ///
    /// # Errors
    ///
    /// When the compressor refuses its own state, which it has no reason to.
    pub(super) fn append(
        &mut self,
        deflated: &mut Vec<u8>,
        write: impl FnOnce(&mut Text<'_>),
    ) -> Result<Sum, CompressError> {
        self.compress.reset();
        let (mut sum, mut outcome) = (Sum::default(), Ok(()));
        let mut full = |piece: &mut Vec<u8>| {
            sum = sum.add(piece);
            if outcome.is_ok() {
                outcome = self.deflate(piece, deflated, FlushCompress::None);
            }
        };
        let mut text = Text::new(&mut full);
        write(&mut text);
        text.finish();
        outcome?;
        if sum.size > 0 {
            self.deflate(&[], deflated, FlushCompress::Full)?;
        }
        Ok(sum)
    }

    fn deflate(
        &mut self,
        mut text: &[u8],
        deflated: &mut Vec<u8>,
        flush: FlushCompress,
    ) -> Result<(), CompressError> {
        loop {
            deflated.reserve(ROOM);
            let before = self.compress.total_in();
            self.compress.compress_vec(text, deflated, flush)?;
            text = &text[(self.compress.total_in() - before) as usize..];
            // Room that is left means that nothing waits to be written.
            if text.is_empty() && deflated.len() < deflated.capacity() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn member(fragments: &[Fragment]) -> Vec<u8> {
        let sum = fragments.iter().fold(Sum::default(), |sum, next| sum.followed_by(next.sum));
        let mut member = HEADER.to_vec();
        member.extend(fragments.iter().flat_map(|fragment| &fragment.deflated));
        member.extend(sum.trailer());
        member
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_are_one_member(
            texts in prop::collection::vec(prop::collection::vec("[a-z0-9 ]{0,40}", 0..200), 0..6),
            swap in any::<prop::sample::Index>(),
            level in 1_u32..=9,
        ) {
            let mut press = Press::new(level);
            let mut made: Vec<(String, Fragment)> = texts
                .iter()
                .map(|words| {
                    let text = words.concat();
                    let fragment = press.fragment(|into| into.raw(&text)).unwrap();
                    (text, fragment)
                })
                .collect();
            if !made.is_empty() {
                let place = swap.index(made.len());
                made.rotate_left(place);
            }
            made.push(("end".into(), Fragment::last("end")));

            let (texts, fragments): (Vec<_>, Vec<_>) = made.into_iter().unzip();
            let mut read = String::new();
            flate2::read::GzDecoder::new(&*member(&fragments)).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, texts.concat());
        }
    }
}
