//! Tokens of the metadata service.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::simulator::gate::keys::made_up;

/// Tokens, and when each ends in real time since the start.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Duration>>);

impl Tokens {
    /// A new token that counts for `ttl`.
    pub(super) fn issue(&self, ttl: Duration, now: Duration) -> String {
        let token = made_up(56);
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, end| *end > now);
        tokens.insert(token.clone(), now.saturating_add(ttl));
        token
    }

    /// Whether a token counts.
    pub(super) fn holds(&self, token: &str, now: Duration) -> bool {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).is_some_and(|end| *end > now)
    }
}
