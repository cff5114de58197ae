//! A block: its codes, then its tokens in them.

use std::sync::Arc;

use super::bits::Bits;
use super::huffman::{self, Code, codes};
use super::token::{Coded, DISTANCES, END_OF_BLOCK, Meaning, SYMBOLS, Token, Tokens};

/// Symbols of the code in which the lengths of the other codes are written.
const LENGTHS: usize = 19;
/// The longest code of them.
const LONGEST_OF_LENGTHS: usize = 7;
/// The order in which the lengths of their codes stand: the rarest last, where they can be left out.
const ORDER: [usize; LENGTHS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The kind of a block that brings its codes along.
const DYNAMIC: u64 = 2;

/// Symbols that repeat the length before, or a length of 0.
const REPEATED: u8 = 16;
const FEW_ZEROS: u8 = 17;
const MANY_ZEROS: u8 = 18;

/// A length of a code, or how often one is repeated.
struct Entry {
    symbol: u8,
    extra: u8,
}

/// The codes of a block, and where the parts of its text lie.
#[derive(Clone)]
pub(in crate::metrics) struct Outline {
    lengths: Arc<Lengths>,
    /// Bits of each part.
    pub(super) parts: Box<[u32]>,
}

/// Lengths of codes: they tell the codes.
struct Lengths {
    symbols: [u8; SYMBOLS],
    distances: [u8; DISTANCES],
    /// Bits that say them, and that a block begins.
    bits: u32,
}

/// The codes of a block.
pub(super) struct Codes {
    symbols: [Code; SYMBOLS],
    distances: [Code; DISTANCES],
}

/// Writes a block that is not the last one.
pub(super) fn write(tokens: &Tokens, bits: &mut Bits<'_>) -> Outline {
    let codes = Codes {
        symbols: codes(&tokens.symbols, huffman::LONGEST),
        distances: codes(&tokens.distances, huffman::LONGEST),
    };
    let start = bits.position();
    bits.put(DYNAMIC << 1, 3);
    write_codes(&codes, bits);
    let lengths = Lengths {
        symbols: codes.symbols.map(|code| code.length),
        distances: codes.distances.map(|code| code.length),
        bits: (bits.position() - start) as u32,
    };
    let mut next = 0;
    let parts = tokens.ends.iter().map(|end| {
        let part = codes.write(&tokens.list[next..*end], bits);
        next = *end;
        part
    });
    let parts = parts.collect();
    codes.end(bits);
    Outline { lengths: lengths.into(), parts }
}

impl Codes {
    /// Those of an earlier block, and the bits that said so.
    pub(super) fn of(outline: &Outline) -> (Self, u32) {
        let Lengths { symbols, distances, bits } = &*outline.lengths;
        let codes = Self {
            symbols: huffman::of_lengths(symbols),
            distances: huffman::of_lengths(distances),
        };
        (codes, *bits)
    }

    /// Whether there is one for all tokens.
    pub(super) fn have(&self, tokens: &Tokens) -> bool {
        let symbols = self.symbols.iter().zip(&tokens.symbols);
        let distances = self.distances.iter().zip(&tokens.distances);
        symbols.chain(distances).all(|(code, count)| code.length > 0 || *count == 0)
    }

    /// Writes tokens. Gives the number of bits.
    pub(super) fn write(&self, tokens: &[Token], bits: &mut Bits<'_>) -> u32 {
        let start = bits.position();
        for token in tokens {
            match token.meaning() {
                Meaning::Byte(byte) => put_code(self.symbols[usize::from(byte)], bits),
                Meaning::Repetition(length, distance) => {
                    // Both together: they have 48 bits at most.
                    let (length, length_bits) = with_extra(self.symbols[length.symbol], length);
                    let (distance, distance_bits) =
                        with_extra(self.distances[distance.symbol], distance);
                    bits.put(length | distance << length_bits, length_bits + distance_bits);
                }
            }
        }
        // A text is no longer than a few pieces of the page.
        (bits.position() - start) as u32
    }

    /// Writes the end of the block.
    pub(super) fn end(&self, bits: &mut Bits<'_>) {
        put_code(self.symbols[END_OF_BLOCK], bits);
    }
}

impl Outline {
    /// The same codes, and parts of other lengths.
    pub(super) fn with_parts(&self, parts: Vec<u32>) -> Self {
        Self { lengths: Arc::clone(&self.lengths), parts: parts.into() }
    }
}

/// Ends at a byte: by a block that is empty and stored as it is.
pub(super) fn flush(mut bits: Bits<'_>) {
    bits.put(0, 3);
    bits.align().extend_from_slice(&[0, 0, 0xff, 0xff]);
}

fn put_code(code: Code, bits: &mut Bits<'_>) {
    bits.put(code.bits.into(), code.length.into());
}

/// A code followed by the extra bits, and how many bits these are.
fn with_extra(code: Code, coded: Coded) -> (u64, u32) {
    let length = u32::from(code.length);
    (u64::from(code.bits) | u64::from(coded.extra) << length, length + coded.extra_bits)
}

fn write_codes(codes: &Codes, bits: &mut Bits<'_>) {
    let (symbols, distances) = (used(&codes.symbols), used(&codes.distances));
    let entries = entries(symbols.iter().chain(distances).map(|code| code.length));
    let mut frequencies = [0; LENGTHS];
    for entry in &entries {
        frequencies[usize::from(entry.symbol)] += 1;
    }
    let codes = huffman::codes(&frequencies, LONGEST_OF_LENGTHS);
    let is_used = |symbol: &usize| codes[*symbol].length > 0;
    let count = ORDER.iter().rposition(is_used).map_or(0, |last| last + 1).max(4);

    bits.put(symbols.len() as u64 - 257, 5);
    bits.put(distances.len() as u64 - 1, 5);
    bits.put(count as u64 - 4, 4);
    for symbol in &ORDER[..count] {
        bits.put(codes[*symbol].length.into(), 3);
    }
    for entry in entries {
        put_code(codes[usize::from(entry.symbol)], bits);
        bits.put(entry.extra.into(), extra_bits(entry.symbol));
    }
}

/// The codes up to the last one in use.
fn used(codes: &[Code]) -> &[Code] {
    let last = codes.iter().rposition(|code| code.length > 0);
    &codes[..last.map_or(0, |last| last + 1)]
}

/// The lengths, with repetitions said once.
fn entries(lengths: impl Iterator<Item = u8>) -> Vec<Entry> {
    let lengths: Vec<u8> = lengths.collect();
    let mut entries = Vec::with_capacity(lengths.len());
    for group in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (group[0], group.len());
        if length > 0 {
            entries.push(Entry { symbol: length, extra: 0 });
            left -= 1;
        }
        while left > 0 {
            let (symbol, least, most) = match (length, left) {
                (0, 11..) => (MANY_ZEROS, 11, 138),
                (0, 3..) => (FEW_ZEROS, 3, 10),
                (1.., 3..) => (REPEATED, 3, 6),
                _ => (length, 1, 1),
            };
            let repeated = left.min(most);
            entries.push(Entry { symbol, extra: (repeated - least) as u8 });
            left -= repeated;
        }
    }
    entries
}

/// How many bits say how often something is repeated.
fn extra_bits(symbol: u8) -> u32 {
    match symbol {
        REPEATED => 2,
        FEW_ZEROS => 3,
        MANY_ZEROS => 7,
        _ => 0,
    }
}
