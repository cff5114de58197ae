//! Codes that are the shorter the more frequent a symbol is.

use std::cmp::Reverse;

/// The longest code of a byte, a length or a distance.
pub(super) const LONGEST: usize = 15;

/// The code of a symbol.
#[derive(Clone, Copy, Default)]
pub(super) struct Code {
    /// The first one is the lowest.
    pub(super) bits: u16,
    /// How many bits it has; 0 if the symbol does not occur.
    pub(super) length: u8,
}

/// Codes of at most `longest` bits for symbols that occur this often. A decoder makes the same
/// codes of their lengths. Two symbols have a code even if fewer occur: a tree of one leaf is not
/// accepted everywhere.
pub(super) fn codes<const SYMBOLS: usize>(
    frequencies: &[u32; SYMBOLS],
    longest: usize,
) -> [Code; SYMBOLS] {
    let mut leaves: Vec<(u32, usize)> = (0..SYMBOLS)
        .filter(|symbol| frequencies[*symbol] > 0)
        .map(|symbol| (frequencies[symbol], symbol))
        .collect();
    let absent = (0..SYMBOLS).filter(|symbol| frequencies[*symbol] == 0);
    leaves.extend(absent.take(2_usize.saturating_sub(leaves.len())).map(|symbol| (0, symbol)));
    leaves.sort_unstable_by_key(|(frequency, symbol)| (Reverse(*frequency), *symbol));

    let mut codes = [Code::default(); SYMBOLS];
    let counts = lengths(&leaves, longest);
    let mut symbols = leaves.iter().map(|(_, symbol)| *symbol);
    for (length, count) in counts.iter().enumerate() {
        for symbol in symbols.by_ref().take(*count) {
            codes[symbol].length = length as u8;
        }
    }
    number(&mut codes, &counts);
    codes
}

/// The codes that have these lengths.
pub(super) fn of_lengths<const SYMBOLS: usize>(lengths: &[u8; SYMBOLS]) -> [Code; SYMBOLS] {
    let mut counts = [0; LONGEST + 1];
    for length in lengths.iter().filter(|length| **length > 0) {
        counts[usize::from(*length)] += 1;
    }
    let mut codes = lengths.map(|length| Code { bits: 0, length });
    number(&mut codes, &counts);
    codes
}

/// How many of the leaves, which are sorted from the most frequent on, have a code of each length.
fn lengths(leaves: &[(u32, usize)], longest: usize) -> [usize; LONGEST + 1] {
    let mut counts = [0; LONGEST + 1];
    for depth in depths(leaves) {
        counts[depth.min(longest)] += 1;
    }
    // Each code takes a part of all bit strings of the longest length. Codes that were cut short
    // take too much: a leaf moves below another one until all fit.
    let part = |length: usize| 1_usize << (longest - length);
    let mut taken: usize = (1..=longest).map(|length| counts[length] * part(length)).sum();
    while taken > part(0) {
        let Some(above) = (1..longest).rev().find(|length| counts[*length] > 0) else { break };
        counts[longest] -= 1;
        counts[above] -= 1;
        counts[above + 1] += 2;
        taken -= 1;
    }
    counts
}

/// How deep each leaf is in the tree that joins the two rarest again and again.
fn depths(leaves: &[(u32, usize)]) -> impl Iterator<Item = usize> {
    let inner = leaves.len() - 1;
    // Inner nodes are made from the rarest to the most frequent, and so are their lists: the next
    // rarest is at the front of one of the two.
    let mut weights: Vec<u32> = Vec::with_capacity(inner);
    let mut parents = vec![0; inner];
    let mut leaf_parents = vec![0; leaves.len()];
    let (mut leaf, mut node) = (leaves.len(), 0);
    for parent in 0..inner {
        let mut weight = 0;
        for _ in 0..2 {
            let rarest = leaf.checked_sub(1).map(|leaf| leaves[leaf].0);
            match (rarest, weights.get(node)) {
                (Some(rarest), next) if next.is_none_or(|next| rarest <= *next) => {
                    leaf -= 1;
                    leaf_parents[leaf] = parent;
                    weight += rarest;
                }
                _ => {
                    weight += weights[node];
                    parents[node] = parent;
                    node += 1;
                }
            }
        }
        weights.push(weight);
    }
    let mut depths = vec![0; inner];
    for node in (0..inner - 1).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    leaf_parents.into_iter().map(move |parent| depths[parent] + 1)
}

/// Numbers the codes: by their lengths, and those of one length by their symbols.
fn number(codes: &mut [Code], counts: &[usize; LONGEST + 1]) {
    let mut next = [0_u16; LONGEST + 2];
    for length in 1..=LONGEST {
        next[length + 1] = (next[length] + counts[length] as u16) << 1;
    }
    for code in codes.iter_mut().filter(|code| code.length > 0) {
        let next = &mut next[usize::from(code.length)];
        code.bits = next.reverse_bits() >> (16 - u32::from(code.length));
        *next += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 1951, 3.2.2.
    #[test]
    fn numbers_codes_as_the_standard_does() {
        let codes = of_lengths(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let bits = codes.map(|code| code.bits.reverse_bits() >> (16 - u32::from(code.length)));
        assert_eq!(bits, [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]);
    }

    proptest! {
        #[test]
        fn codes_fill_all_bit_strings_and_the_more_frequent_is_never_longer(
            frequencies in prop::array::uniform19(
                prop_oneof![Just(0_u32), 0..50_u32, 0..100_000_u32]
            ),
            longest in 7..=LONGEST,
        ) {
            let codes = codes(&frequencies, longest);
            let part = |code: &Code| 1_usize << (longest - usize::from(code.length));
            let taken: usize = codes.iter().filter(|code| code.length > 0).map(part).sum();
            prop_assert_eq!(taken, 1 << longest);
            for (a, fa) in codes.iter().zip(frequencies) {
                prop_assert!(fa == 0 || a.length > 0);
                for (b, fb) in codes.iter().zip(frequencies) {
                    prop_assert!(fa <= fb || b.length == 0 || a.length <= b.length);
                }
            }
        }
    }
}
