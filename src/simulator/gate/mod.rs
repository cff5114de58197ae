//! Who may pass: access keys, signatures, signing times, nonces, permissions, and each account's
//! rate.

pub(crate) mod acs3;
pub(crate) mod keys;
mod nonces;
pub(crate) mod permissions;
mod rate;
mod rpc;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::life::world::Moment;
use super::scenario::{Account, Key, Scenario};
use super::wire::call::{self, Call};
use super::wire::refusal::Refusal;
use keys::{AccessKey, KeyRing, made_up};
use nonces::Nonces;
use permissions::Permissions;
use rate::Bucket;

/// How far a signing time may be off, either way (`InvalidTimeStamp.Expired`).
const ACCEPTED_SKEW: TimeDelta = TimeDelta::minutes(15);
const LONGEST_NONCE: usize = 128;

/// Knows the accounts and their keys.
#[derive(Debug)]
pub(crate) struct Gate {
    members: Vec<Member>,
    pub(crate) keys: KeyRing,
    nonces: Mutex<Nonces>,
}

/// An account at the gate.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Its first key.
    pub(crate) access_key_id: String,
    permissions: RwLock<Permissions>,
    bucket: Option<Mutex<Bucket>>,
}

/// Who signed a request.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) account: &'a Member,
    key: Arc<AccessKey>,
}

/// What a request claims, by either signature.
struct Claimed<'a> {
    access_key_id: &'a str,
    time: Option<&'a str>,
    nonce: Option<&'a str>,
    nonce_name: &'static str,
    token: Option<&'a str>,
    signature: Option<&'a str>,
    string_to_sign: String,
    canonical_request: Option<String>,
    /// Whether a signature fits a secret and a string to sign.
    verifies: fn(&str, &str, &str) -> bool,
}

impl Gate {
    pub(crate) fn new(scenario: &Scenario, now: DateTime<Utc>) -> Self {
        let keys = KeyRing::default();
        let members = scenario.accounts.iter().enumerate().map(|(place, account)| {
            let first = first_key(account);
            let member = Member::new(account, first.access_key_id.clone());
            for key in [&first].into_iter().chain(&account.more_keys) {
                keys.put(AccessKey::listed(key, place, now), now);
            }
            member
        });
        Self { members: members.collect(), keys, nonces: Mutex::default() }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// An account's place at the gate.
    pub(crate) fn place(&self, account: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name == account)
    }

    /// The access key ID that a request names.
    pub(crate) fn claimed_key(call: &Call) -> Option<&str> {
        if call.signs_in_headers() { acs3::access_key_id(call) } else { call.get("AccessKeyId") }
    }

    /// The signature method that a request claims to use.
    pub(crate) fn claimed_signature(call: &Call) -> Option<&'static str> {
        match call.signs_in_headers() {
            true => Some(acs3::ALGORITHM),
            false => call.get("Signature").map(|_| rpc::ALGORITHM),
        }
    }

    /// The account that a key belongs to, active or not.
    pub(crate) fn owner(&self, access_key_id: &str) -> Option<&Member> {
        self.members.get(self.keys.get(access_key_id)?.account)
    }

    /// Who signed a request. `now` is what the endpoint takes for the time.
    pub(crate) fn authenticate(
        &self,
        call: &Call,
        now: DateTime<Utc>,
        moment: &Moment,
    ) -> Result<Identity<'_>, Refusal> {
        let claimed = if call.signs_in_headers() { acs3::read(call) } else { rpc::read(call) }?;
        check_time(claimed.time, now)?;
        let nonce = claimed.nonce.ok_or_else(|| Refusal::missing(claimed.nonce_name))?;
        if nonce.len() > LONGEST_NONCE {
            let allowed = format!("at most {LONGEST_NONCE} characters");
            return Err(Refusal::invalid(claimed.nonce_name, &allowed));
        }
        let signature = claimed.signature.ok_or_else(incomplete)?;

        let key = self.keys.get(claimed.access_key_id).ok_or_else(|| {
            let message = "Specified access key is not found.";
            Refusal::new(404, "InvalidAccessKeyId.NotFound", message)
        })?;
        if !key.is_active(moment.elapsed) {
            let message = "Specified access key is disabled.";
            return Err(Refusal::new(400, "InvalidAccessKeyId.Inactive", message));
        }
        if !(claimed.verifies)(&key.secret.0, &claimed.string_to_sign, signature) {
            return Err(mismatch(&claimed));
        }
        key.check_token(claimed.token, moment.now)?;
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if !nonces.is_new(claimed.access_key_id, nonce, moment.elapsed) {
            let message = "Specified signature nonce was used already.";
            return Err(Refusal::new(400, "SignatureNonceUsed", message));
        }
        let account = self.members.get(key.account).ok_or_else(incomplete)?;
        Ok(Identity { account, key })
    }

    /// Replaces the patterns of actions that an account's own keys are denied; false if there is no
    /// such account.
    pub(crate) fn set_denied(&self, account: &str, deny: &[String]) -> bool {
        let member = self.members.iter().find(|member| member.name == account);
        let set = |member: &Member| {
            *member.permissions.write().unwrap_or_else(PoisonError::into_inner) =
                Permissions::new(None, deny);
        };
        member.map(set).is_some()
    }
}

impl Member {
    fn new(account: &Account, access_key_id: String) -> Self {
        let permissions = Permissions::new(account.allow.as_deref(), &account.deny);
        Self {
            name: account.name.clone(),
            access_key_id,
            permissions: RwLock::new(permissions),
            bucket: account.throttle.as_ref().map(|throttle| Mutex::new(Bucket::new(throttle))),
        }
    }

    /// Counts a request against the account's rate.
    pub(crate) fn admit(&self, elapsed: Duration) -> Result<(), Refusal> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let hint = bucket.hint;
        bucket.take(elapsed).map_err(|wait| Refusal::throttled(hint.then_some(wait)))
    }
}

impl Identity<'_> {
    /// Whether it may do what a policy names like this, such as `rds:DescribeDBInstances`.
    pub(crate) fn may(&self, action: &str) -> bool {
        if self.key.permissions.is_empty() {
            let permissions = &self.account.permissions;
            return permissions.read().unwrap_or_else(PoisonError::into_inner).allow(action);
        }
        self.key.permissions.iter().all(|permissions| permissions.allow(action))
    }
}

/// The key that an account has by itself, made up as far as the scenario leaves it open.
fn first_key(account: &Account) -> Key {
    let id = account.access_key_id.clone();
    let secret = account.access_key_secret.clone();
    Key {
        access_key_id: id.unwrap_or_else(|| format!("LTAI5t{}", made_up(18))),
        access_key_secret: secret.unwrap_or_else(|| made_up(30)),
        inactive: account.inactive,
        inactive_from: account.inactive_from,
        ..Key::default()
    }
}

fn incomplete() -> Refusal {
    let message = "The request signature does not conform to Aliyun standards.";
    Refusal::new(400, "IncompleteSignature", message)
}

fn mismatch(claimed: &Claimed<'_>) -> Refusal {
    let mut message = format!(
        "Specified signature is not matched with our calculation. server string to sign is:{}",
        claimed.string_to_sign
    );
    if let Some(request) = &claimed.canonical_request {
        message += &format!(" server canonical request is:{request}");
    }
    Refusal::new(400, "SignatureDoesNotMatch", message)
}

fn check_time(time: Option<&str>, now: DateTime<Utc>) -> Result<(), Refusal> {
    let Some(time) = time else {
        let message = "The input parameter \"Timestamp\" that is mandatory for processing this request is not supplied.";
        return Err(Refusal::new(400, "IllegalTimestamp", message));
    };
    let Some(time) = call::seconds(time) else {
        let message = "Specified time stamp or date value is not well formatted.";
        return Err(Refusal::new(400, "InvalidTimeStamp.Format", message));
    };
    if (now - time).abs() > ACCEPTED_SKEW {
        let message = "Specified time stamp or date value is expired.";
        return Err(Refusal::new(400, "InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let mut account = Account::new("a");
        account.access_key_secret = Some("open sesame".to_owned());
        account.more_keys = vec![Key {
            access_key_id: "two".into(),
            access_key_secret: "open barley".into(),
            security_token: Some("open oats".into()),
            ..Key::default()
        }];
        let scenario = Scenario { accounts: vec![account.clone()], ..Scenario::default() };
        let gate = Gate::new(&scenario, DateTime::UNIX_EPOCH);
        let shown = format!("{gate:?} {account:?}");
        assert!(shown.contains("two") && !shown.contains("open"), "{shown}");
    }
}
