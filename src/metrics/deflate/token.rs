//! What a deflated text is made of: bytes, and repetitions of what stood before.

/// Bytes, the end of the block, and lengths.
pub(super) const SYMBOLS: usize = 286;
pub(super) const DISTANCES: usize = 30;
pub(super) const END_OF_BLOCK: usize = 256;

/// The shortest and the longest repetition that a token can say.
pub(super) const SHORTEST: usize = 3;
pub(super) const LONGEST: usize = 258;
/// How far back it can lie.
pub(super) const FARTHEST: usize = 32 * 1024;

/// A byte, or a length and a distance, in one number: there are thousands of them.
#[derive(Clone, Copy)]
pub(super) struct Token(u32);

/// What a token says.
pub(super) enum Meaning {
    Byte(u8),
    Repetition(Coded, Coded),
}

/// The symbol that stands for a length or a distance, with bits that say which of its range.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    pub(super) symbol: usize,
    pub(super) extra: u32,
    /// How many bits the extra ones are.
    pub(super) extra_bits: u32,
}

/// Tokens, and how often each symbol is among them.
pub(super) struct Tokens {
    pub(super) list: Vec<Token>,
    /// Behind which of them each part of the text ends.
    pub(super) ends: Vec<usize>,
    pub(super) symbols: [u32; SYMBOLS],
    pub(super) distances: [u32; DISTANCES],
}

impl Token {
    const REPETITION: u32 = 1 << 31;

    pub(super) fn meaning(self) -> Meaning {
        if self.0 & Self::REPETITION == 0 {
            return Meaning::Byte(self.0 as u8);
        }
        let length = (self.0 >> 16) as usize & 0x1ff;
        let distance = (self.0 & 0xffff) as usize;
        Meaning::Repetition(Coded::length(length), Coded::distance(distance))
    }
}

impl Coded {
    /// A length from [`SHORTEST`] to [`LONGEST`]: eight symbols of one length each, then four for
    /// each further bit.
    fn length(length: usize) -> Self {
        if length == LONGEST {
            return Self { symbol: SYMBOLS - 1, extra: 0, extra_bits: 0 };
        }
        Self::split(length - SHORTEST, 2).behind(END_OF_BLOCK + 1)
    }

    /// A distance from 1 to [`FARTHEST`]: four symbols of one distance each, then two for each
    /// further bit.
    fn distance(distance: usize) -> Self {
        Self::split(distance - 1, 1)
    }

    /// The ranges double in size after each group of `2^bits` symbols.
    fn split(value: usize, bits: u32) -> Self {
        let extra_bits = (value >> bits).checked_ilog2().unwrap_or(0);
        let symbol = ((extra_bits as usize) << bits) + (value >> extra_bits);
        let extra = value as u32 & ((1 << extra_bits) - 1);
        Self { symbol, extra, extra_bits }
    }

    fn behind(self, first: usize) -> Self {
        Self { symbol: first + self.symbol, ..self }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            ends: Vec::new(),
            symbols: [0; SYMBOLS],
            distances: [0; DISTANCES],
        }
    }
}

impl Tokens {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.ends.clear();
        (self.symbols, self.distances) = ([0; SYMBOLS], [0; DISTANCES]);
        self.symbols[END_OF_BLOCK] = 1;
    }

    #[inline]
    pub(super) fn push_byte(&mut self, byte: u8) {
        self.symbols[usize::from(byte)] += 1;
        self.list.push(Token(byte.into()));
    }

    /// Ends a part of the text.
    pub(super) fn end_part(&mut self) {
        self.ends.push(self.list.len());
    }

    /// Counts each symbol once more that a line in ASCII can have, so that there is a code for it.
    pub(super) fn count_likely(&mut self) {
        for symbol in (b' '..=b'~').map(usize::from).chain(END_OF_BLOCK + 1..SYMBOLS) {
            self.symbols[symbol] += 1;
        }
        self.symbols[usize::from(b'\n')] += 1;
        self.distances.iter_mut().for_each(|count| *count += 1);
    }

    pub(super) fn push_repetition(&mut self, length: usize, distance: usize) {
        self.symbols[Coded::length(length).symbol] += 1;
        self.distances[Coded::distance(distance).symbol] += 1;
        self.list.push(Token(Token::REPETITION | (length as u32) << 16 | distance as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(coded: Coded) -> (usize, u32, u32) {
        (coded.symbol, coded.extra_bits, coded.extra)
    }

    /// From the tables of RFC 1951, 3.2.5.
    #[test]
    fn lengths_and_distances_have_the_symbols_of_the_standard() {
        let lengths = [
            (3, (257, 0, 0)),
            (10, (264, 0, 0)),
            (11, (265, 1, 0)),
            (12, (265, 1, 1)),
            (18, (268, 1, 1)),
            (19, (269, 2, 0)),
            (34, (272, 2, 3)),
            (35, (273, 3, 0)),
            (115, (280, 4, 0)),
            (131, (281, 5, 0)),
            (257, (284, 5, 30)),
            (258, (285, 0, 0)),
        ];
        for (length, expected) in lengths {
            assert_eq!(coded(Coded::length(length)), expected, "{length}");
        }
        let distances = [
            (1, (0, 0, 0)),
            (4, (3, 0, 0)),
            (5, (4, 1, 0)),
            (8, (5, 1, 1)),
            (9, (6, 2, 0)),
            (24_577, (29, 13, 0)),
            (32_768, (29, 13, 8_191)),
        ];
        for (distance, expected) in distances {
            assert_eq!(coded(Coded::distance(distance)), expected, "{distance}");
        }
    }
}
