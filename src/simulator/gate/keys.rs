//! Access keys: long-term ones of the accounts, and temporary ones that roles are given.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::permissions::Permissions;
use crate::simulator::scenario;
use crate::simulator::wire::refusal::Refusal;

/// The keys, by ID.
#[derive(Debug, Default)]
pub(crate) struct KeyRing(RwLock<HashMap<String, Arc<AccessKey>>>);

/// A key that signs.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// The account whose instances it shows, by its place at the gate.
    pub(crate) account: usize,
    pub(crate) active: bool,
    /// Real time after the start at which it is disabled.
    inactive_from: Option<Duration>,
    /// Of a temporary key.
    pub(crate) token: Option<Secret>,
    /// When a temporary key ends.
    pub(crate) expires: Option<DateTime<Utc>>,
    /// Whether a role's session has it.
    session: bool,
    /// What it may do, each of them to be asked; without any, what its account may.
    pub(crate) permissions: Vec<Permissions>,
}

/// A secret that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

/// How long a key that has ended is remembered: it is told so, and not that it never was.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl AccessKey {
    /// A key of the scenario's.
    pub(crate) fn listed(key: &scenario::Key, account: usize, start: DateTime<Utc>) -> Self {
        let expires = key.expires.and_then(|after| TimeDelta::from_std(after).ok());
        Self {
            id: key.access_key_id.clone(),
            secret: Secret(key.access_key_secret.clone()),
            account,
            active: !key.inactive,
            inactive_from: key.inactive_from,
            token: key.security_token.clone().map(Secret),
            expires: expires.and_then(|after| start.checked_add_signed(after)),
            session: false,
            permissions: Vec::new(),
        }
    }

    /// A new temporary key for a role's session.
    pub(crate) fn session(
        account: usize,
        permissions: Vec<Permissions>,
        expires: DateTime<Utc>,
    ) -> Self {
        Self {
            id: format!("STS.N{}", made_up(23)),
            secret: Secret(made_up(44)),
            account,
            active: true,
            inactive_from: None,
            token: Some(Secret(format!("CAIS{}=", made_up(220)))),
            expires: Some(expires),
            session: true,
            permissions,
        }
    }

    /// Whether it is enabled after so much real time.
    pub(crate) fn is_active(&self, elapsed: Duration) -> bool {
        self.active && self.inactive_from.is_none_or(|from| elapsed < from)
    }

    /// Whether a request's token is the one that belongs to it, and still counts.
    pub(crate) fn check_token(
        &self,
        sent: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        match (&self.token, sent) {
            (None, None) => Ok(()),
            (Some(_), None) => {
                let message = "SecurityToken is mandatory for this action.";
                Err(Refusal::new(400, "MissingSecurityToken", message))
            }
            (Some(token), Some(sent)) if token.0 == sent => {
                if self.expires.is_none_or(|end| now < end) {
                    return Ok(());
                }
                let message = "Specified SecurityToken is expired.";
                Err(Refusal::new(400, "InvalidSecurityToken.Expired", message))
            }
            (_, Some(_)) => {
                let message = "The SecurityToken does not belong to the specified access key.";
                Err(Refusal::new(400, "InvalidSecurityToken.MismatchWithAccessKey", message))
            }
        }
    }
}

impl KeyRing {
    pub(crate) fn get(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.read().get(id).map(Arc::clone)
    }

    /// Takes a key in, in place of one with the same ID, and forgets those that ended long ago.
    pub(crate) fn put(&self, key: AccessKey, now: DateTime<Utc>) -> Arc<AccessKey> {
        let key = Arc::new(key);
        let mut keys = self.write();
        keys.retain(|_, key| key.expires.is_none_or(|end| now - end < REMEMBERED));
        keys.insert(key.id.clone(), Arc::clone(&key));
        key
    }

    pub(crate) fn remove(&self, id: &str) -> bool {
        self.write().remove(id).is_some()
    }

    /// Enables or disables a key; false if there is none.
    pub(crate) fn set_active(&self, id: &str, active: bool) -> bool {
        let mut keys = self.write();
        let key = keys.get_mut(id).map(Arc::make_mut);
        key.map(|key| (key.active, key.inactive_from) = (active, None)).is_some()
    }

    /// Ends every temporary key of a session that counts at `now`; says how many.
    pub(crate) fn end_sessions(&self, now: DateTime<Utc>) -> usize {
        let counts = |key: &AccessKey| key.session && key.expires.is_none_or(|end| now < end);
        let mut keys = self.write();
        let sessions = keys.values_mut().filter(|key| counts(key));
        sessions.map(|key| Arc::make_mut(key).expires = Some(now)).count()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<AccessKey>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<AccessKey>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Letters and digits that nobody has chosen.
pub(crate) fn made_up(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
