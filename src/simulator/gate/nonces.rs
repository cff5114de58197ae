//! Nonces that were used: each counts once for its key, as long as it is remembered.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long a nonce is remembered; the documentation says 31 minutes.
const NONCE_LIFETIME: Duration = Duration::from_secs(31 * 60);

/// Nonces seen, as hashes: a day of requests must not fill memory.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    hasher: RandomState,
    seen: HashSet<u64>,
    by_age: VecDeque<(Duration, u64)>,
}

impl Nonces {
    /// Whether a nonce was not seen in its lifetime. Remembers it.
    pub(crate) fn is_new(&mut self, access_key_id: &str, nonce: &str, now: Duration) -> bool {
        while let Some(&(at, hash)) = self.by_age.front()
            && now.saturating_sub(at) > NONCE_LIFETIME
        {
            self.by_age.pop_front();
            self.seen.remove(&hash);
        }
        let hash = self.hasher.hash_one((access_key_id, nonce));
        let new = self.seen.insert(hash);
        if new {
            self.by_age.push_back((now, hash));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_nonce_counts_for_its_key_and_its_lifetime() {
        let mut nonces = Nonces::default();
        assert!(nonces.is_new("key", "nonce", SECOND));
        assert!(!nonces.is_new("key", "nonce", SECOND + NONCE_LIFETIME));
        assert!(nonces.is_new("other key", "nonce", SECOND));
        assert!(nonces.is_new("key", "nonce", 2 * SECOND + NONCE_LIFETIME));
        assert_eq!(nonces.seen.len(), 1, "old nonces are forgotten");
        assert_eq!(nonces.by_age.len(), 1);
    }
}
