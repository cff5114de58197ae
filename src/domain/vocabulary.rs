//! Words of the API that tasks carry, as numbers of one byte.
//!
//! A process holds hundreds of thousands of them and compares them at every poll; the API has a
//! handful of distinct ones. Words the reference does not know live as long as the process.

use std::sync::{Mutex, OnceLock, PoisonError};

/// Longest undocumented word that can be a label.
pub(super) const MAX_WORD_LENGTH: usize = 64;
/// How many distinct undocumented words the process keeps; a garbled API must not fill memory.
const MAX_UNKNOWN: usize = 200;

/// The words that one field of the API may hold.
pub(super) struct Vocabulary {
    /// In the order of their names; the number of a word is its place.
    documented: &'static [&'static str],
    /// In the order in which they were first seen, numbered on from the documented ones.
    unknown: [OnceLock<&'static str>; MAX_UNKNOWN],
    growing: Mutex<()>,
}

impl Vocabulary {
    pub(super) const fn new(documented: &'static [&'static str]) -> Self {
        let unknown = [const { OnceLock::new() }; MAX_UNKNOWN];
        Self { documented, unknown, growing: Mutex::new(()) }
    }

    /// The number of `word`; `None` for one that cannot be a label.
    pub(super) fn number(&self, word: &str) -> Option<u8> {
        if let Some(number) = self.find(word) {
            return Some(number);
        }
        if word.is_empty() || word.len() > MAX_WORD_LENGTH {
            return None;
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.find(word).is_none() {
            let free = self.unknown.iter().find(|slot| slot.get().is_none())?;
            free.get_or_init(|| Box::leak(Box::from(word)));
        }
        self.find(word)
    }

    /// The word that has `number`.
    pub(super) fn word(&self, number: u8) -> &'static str {
        let number = usize::from(number);
        let unknown = || self.unknown.get(number - self.documented.len())?.get().copied();
        // A number comes from `number` or from the documented words, so the text is never empty.
        self.documented.get(number).copied().or_else(unknown).unwrap_or_default()
    }

    fn find(&self, word: &str) -> Option<u8> {
        let unknown = self.unknown.iter().map_while(|slot| slot.get().copied());
        let place = self.documented.iter().copied().chain(unknown).position(|known| known == word);
        place.and_then(|place| u8::try_from(place).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_limited_number_of_unknown_words() {
        static WORDS: Vocabulary = Vocabulary::new(&["A", "B"]);
        for n in 0..MAX_UNKNOWN {
            let word = format!("word {n}");
            let number = WORDS.number(&word).unwrap();
            assert_eq!((usize::from(number), WORDS.word(number)), (n + 2, &*word));
        }
        assert_eq!(WORDS.number("one too many"), None);
        assert_eq!(WORDS.number("word 7"), Some(9));
        assert_eq!(WORDS.number("B"), Some(1));
    }
}
