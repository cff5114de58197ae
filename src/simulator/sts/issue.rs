//! Temporary keys: made here, accepted by the gate until they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::roles;
use crate::simulator::faults::Effect;
use crate::simulator::faults::damage::Damage;
use crate::simulator::gate::Gate;
use crate::simulator::gate::keys::AccessKey;
use crate::simulator::gate::permissions::Permissions;
use crate::simulator::scenario::Role;
use crate::simulator::wire::call::SECONDS;

/// Makes keys for a role's session, which count for `lifetime`, to the second. `policy` narrows what
/// they may do.
pub(crate) fn issue(
    gate: &Gate,
    role: &Role,
    policy: Option<Permissions>,
    lifetime: Duration,
    now: DateTime<Utc>,
    damage: &Damage<'_>,
) -> Arc<AccessKey> {
    let lifetime = if damage.holds(&Effect::ExpiredCredentials) {
        TimeDelta::hours(-1)
    } else {
        TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::MAX)
    };
    let whole = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let end = whole.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
    // A role belongs to an account of the scenario, or else its keys open nothing.
    let account = role.account.as_deref().and_then(|account| gate.place(account));
    let permissions = [roles::permissions(role)].into_iter().chain(policy).collect();
    gate.keys.put(AccessKey::session(account.unwrap_or(usize::MAX), permissions, end), now)
}

/// The four fields that carry a temporary key.
pub(crate) fn fields(key: &AccessKey) -> Value {
    json!({
        "AccessKeyId": key.id,
        "AccessKeySecret": key.secret.0,
        "SecurityToken": key.token.as_ref().map(|token| token.0.as_str()),
        "Expiration": key.expires.map(|end| end.format(SECONDS).to_string()),
    })
}

/// Hands out the same key again and again, until the next one is due.
#[derive(Debug, Default)]
pub(crate) struct Handout(Mutex<Option<Held>>);

/// A key, and the ARN of its role.
#[derive(Debug)]
struct Held {
    role: String,
    key: Arc<AccessKey>,
}

/// How a handout renews its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) lifetime: Duration,
    /// How long before the end of a key the next one is handed out.
    pub(crate) renew_before: Option<Duration>,
}

/// Without other terms, the next key is handed out so long before the end.
const USUAL_RENEWAL: Duration = Duration::from_secs(30 * 60);

impl Handout {
    /// The key for a role, new if there is none that lasts.
    pub(crate) fn key(
        &self,
        gate: &Gate,
        role: &Role,
        terms: Terms,
        now: DateTime<Utc>,
        damage: &Damage<'_>,
    ) -> Arc<AccessKey> {
        let before = terms.renew_before.unwrap_or(USUAL_RENEWAL.min(terms.lifetime / 2));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let serves = |held: &&Held| {
            // The gate's copy tells whether the key was ended before its time.
            let end = gate.keys.get(&held.key.id).and_then(|key| key.expires);
            let lasts = end.is_some_and(|end| (end - now).to_std().is_ok_and(|left| left > before));
            lasts && held.role == role.arn && !damage.holds(&Effect::ExpiredCredentials)
        };
        if let Some(held) = held.as_ref().filter(serves) {
            return Arc::clone(&held.key);
        }
        let key = issue(gate, role, None, terms.lifetime, now, damage);
        *held = Some(Held { role: role.arn.clone(), key: Arc::clone(&key) });
        key
    }
}
