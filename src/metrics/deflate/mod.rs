//! Deflate for lines that are much alike.
//!
//! A line of metrics is mostly the line before it but for some digits, and its end has mostly stood
//! behind another line's digits. Looking only there takes a quarter of the time of a general
//! compressor, which looks everywhere, and finds as much. Any other text becomes correct deflate
//! too, if not small. <https://www.rfc-editor.org/rfc/rfc1951>

mod bits;
mod block;
mod huffman;
mod repeats;
mod rewriting;
mod token;

use std::ops::Range;

use bits::Bits;
use repeats::Repeats;
use token::Tokens;

pub(super) use block::Outline;
pub(super) use rewriting::Rewriting;

/// How far behind the beginning of a part that is written anew repetitions are looked for, in bytes:
/// looking farther takes longer and finds hardly more.
pub(super) const REACH: usize = 4 * 1024;

/// Deflates texts, one independent of the other. Its memory is used again and again.
#[derive(Default)]
pub(super) struct Deflater {
    repeats: Repeats,
    tokens: Tokens,
}

impl Deflater {
    /// Deflates `text` behind what stands in `deflated`. What is added ends at a byte, refers to
    /// nothing before it, and does not end the stream. It is empty for an empty text.
    pub(super) fn append(&mut self, text: &[u8], deflated: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.tokens.clear();
        self.repeats.clear();
        self.find(text, 0..text.len(), 0);
        self.write(deflated);
    }

    /// The same for a text of parts that end here, each with a line: every part refers only to
    /// itself and to the one before, so that they can be [written anew](Rewriting) by themselves.
    pub(super) fn append_parts(
        &mut self,
        text: &[u8],
        ends: &[usize],
        deflated: &mut Vec<u8>,
    ) -> Outline {
        self.tokens.clear();
        self.repeats.clear();
        let (mut before, mut start) = (0, 0);
        for end in ends {
            self.find(text, start..*end, before);
            (before, start) = (start, *end);
        }
        self.tokens.count_likely();
        self.write(deflated)
    }

    fn find(&mut self, text: &[u8], part: Range<usize>, floor: usize) {
        self.repeats.find(text, part, floor, &mut self.tokens);
        self.tokens.end_part();
    }

    fn write(&self, deflated: &mut Vec<u8>) -> Outline {
        let mut bits = Bits::new(deflated);
        let outline = block::write(&self.tokens, &mut bits);
        block::flush(bits);
        outline
    }
}

/// Eight bytes from this one on, the lowest first; `None` if there are fewer.
fn word_at(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::Compression;
    use flate2::read::DeflateDecoder;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    use super::*;

    /// What the text is once it was deflated and inflated again, and the size in between.
    fn round_trip(deflater: &mut Deflater, text: &[u8]) -> (Vec<u8>, usize) {
        let mut deflated = Vec::new();
        deflater.append(text, &mut deflated);
        let size = deflated.len();
        // An empty block that is the last one.
        deflated.extend([1, 0, 0, 0xff, 0xff]);
        let mut read = Vec::new();
        DeflateDecoder::new(&*deflated).read_to_end(&mut read).unwrap();
        (read, size)
    }

    fn line(id: u32, status: usize, lag: u32) -> String {
        let status = ["Success", "Failed", "Finished", "SuccessAndMore"][status];
        format!("tasks{{a=\"b\",id=\"{id}\",type=\"Full\",status=\"{status}\"}} {lag}\n")
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written(
            texts in prop::collection::vec(
                prop_oneof![
                    // Bytes of any kind, short patterns again and again, words, and lines.
                    prop::collection::vec(any::<u8>(), 0..2_000),
                    (prop::collection::vec(any::<u8>(), 1..300), 1..400_usize)
                        .prop_map(|(pattern, times)| pattern.repeat(times)),
                    prop::collection::vec("[a-c0-1\n ]{0,9}", 0..500)
                        .prop_map(|words| words.concat().into_bytes()),
                    prop::collection::vec((0..2_000_u32, 0..4_usize, 0..900_u32), 0..800)
                        .prop_map(|lines| {
                            let lines = lines.into_iter();
                            lines.flat_map(|(id, status, lag)| line(id, status, lag).into_bytes())
                                .collect()
                        }),
                ],
                1..4,
            ),
        ) {
            let mut deflater = Deflater::default();
            for text in texts {
                prop_assert!(round_trip(&mut deflater, &text).0 == text);
            }
        }
    }

    #[test]
    fn finds_nothing_farther_away_than_a_distance_can_say() {
        for gap in [32_767, 32_768, 32_769, 40_000] {
            let text = [line(1, 0, 2).into_bytes(), vec![b'#'; gap], line(1, 0, 2).into()].concat();
            assert!(round_trip(&mut Deflater::default(), &text).0 == text, "{gap}");
        }
    }

    #[test]
    fn every_byte_and_every_length_have_a_code() {
        let mut text: Vec<u8> = (0..=255).collect();
        for length in 1..300 {
            text.extend(vec![b'x'; length]);
            text.push(b'\n');
        }
        assert!(round_trip(&mut Deflater::default(), &text).0 == text);
    }

    #[test]
    fn codes_stay_short_however_uneven_the_bytes_are() {
        // Frequencies that grow like Fibonacci's numbers make the deepest tree.
        let (mut text, mut count, mut next) = (Vec::new(), 1, 1);
        for byte in 0..24_u8 {
            text.extend([byte + b'A'].repeat(count));
            (count, next) = (next, count + next);
        }
        let mut shuffled = text.clone();
        let step = 7_919;
        for (place, byte) in shuffled.iter_mut().enumerate() {
            *byte = text[place * step % text.len()];
        }
        assert!(round_trip(&mut Deflater::default(), &shuffled).0 == shuffled);
    }

    #[test]
    fn lines_of_metrics_become_nearly_as_small_as_by_the_thorough_compressor() {
        let lines = (0..1_000_u32).map(|number| {
            let (status, lag) = (number as usize * 7 % 3, number * 7_919 % 900);
            line(1_000_000 + number * 3, status, lag)
        });
        let text = lines.collect::<String>().into_bytes();
        let mut thorough = DeflateEncoder::new(Vec::new(), Compression::new(6));
        thorough.write_all(&text).unwrap();
        let thorough = thorough.finish().unwrap().len();

        let (_, size) = round_trip(&mut Deflater::default(), &text);

        assert!(size * 100 <= thorough * 115, "{size}, {thorough} at level 6");
    }
}
