//! Who may pass: access keys, signatures, signing times, nonces, and each account's rate.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::call::{self, Call};
use super::refusal::Refusal;
use super::scenario::{Account, Scenario, Throttle};
use super::signature;

/// How far a signing time may be off, either way (`InvalidTimeStamp.Expired`).
const ACCEPTED_SKEW: TimeDelta = TimeDelta::minutes(15);
/// How long a nonce is remembered; the documentation says 31 minutes.
const NONCE_LIFETIME: Duration = Duration::from_secs(31 * 60);
const LONGEST_NONCE: usize = 128;

/// Knows the accounts and their keys.
#[derive(Debug)]
pub(crate) struct Gate {
    members: Vec<Member>,
    by_key: HashMap<String, usize>,
    nonces: Mutex<Nonces>,
}

/// An account at the gate.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret,
    active: AtomicBool,
    bucket: Option<Mutex<Bucket>>,
}

/// A secret that does not show itself.
pub(crate) struct Secret(pub(crate) String);

/// Nonces seen, as hashes: a day of requests must not fill memory.
#[derive(Debug, Default)]
struct Nonces {
    hasher: RandomState,
    seen: HashSet<u64>,
    by_age: VecDeque<(Duration, u64)>,
}

/// Lets `burst` requests pass at once and one more every `interval` (generic cell rate algorithm).
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    tolerance: Duration,
    hint: bool,
    next: Duration,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Gate {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let members: Vec<_> = scenario.accounts.iter().map(Member::new).collect();
        let keys = members.iter().enumerate();
        let by_key = keys.map(|(at, member)| (member.access_key_id.clone(), at)).collect();
        Self { members, by_key, nonces: Mutex::default() }
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whose key it is, active or not.
    pub(crate) fn owner(&self, access_key_id: &str) -> Option<&Member> {
        self.by_key.get(access_key_id).and_then(|&at| self.members.get(at))
    }

    /// The account that signed a request. `now` is what the endpoint takes for the time, `elapsed`
    /// a time that never goes back.
    pub(crate) fn authenticate(
        &self,
        call: &Call,
        now: DateTime<Utc>,
        elapsed: Duration,
    ) -> Result<&Member, Refusal> {
        let access_key_id = call.required("AccessKeyId")?;
        check_method(call)?;
        check_time(call, now)?;
        let nonce = call.required("SignatureNonce")?;
        if nonce.len() > LONGEST_NONCE {
            let allowed = format!("at most {LONGEST_NONCE} characters");
            return Err(Refusal::invalid("SignatureNonce", &allowed));
        }
        let signature = call.get("Signature").ok_or_else(incomplete)?;

        let member = self.owner(access_key_id).ok_or_else(|| {
            let message = "Specified access key is not found.";
            Refusal::new(404, "InvalidAccessKeyId.NotFound", message)
        })?;
        if !member.active.load(Ordering::Relaxed) {
            let message = "Specified access key is disabled.";
            return Err(Refusal::new(400, "InvalidAccessKeyId.Inactive", message));
        }
        let parameters =
            call.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query = signature::canonical_query(parameters);
        let string_to_sign = signature::string_to_sign(&call.method, &query);
        if !signature::verifies(&member.secret.0, &string_to_sign, signature) {
            let message = format!(
                "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
            );
            return Err(Refusal::new(400, "SignatureDoesNotMatch", message));
        }
        if call.get("SecurityToken").is_some() {
            let message = "The SecurityToken does not belong to the specified access key.";
            return Err(Refusal::new(400, "InvalidSecurityToken.MismatchWithAccessKey", message));
        }
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if !nonces.is_new(access_key_id, nonce, elapsed) {
            let message = "Specified signature nonce was used already.";
            return Err(Refusal::new(400, "SignatureNonceUsed", message));
        }
        Ok(member)
    }

    /// Enables or disables an account's key; false if there is no such account.
    pub(crate) fn set_active(&self, account: &str, active: bool) -> bool {
        let member = self.members.iter().find(|member| member.name == account);
        member.inspect(|member| member.active.store(active, Ordering::Relaxed)).is_some()
    }
}

impl Member {
    fn new(account: &Account) -> Self {
        let made_up = |length| std::iter::repeat_with(fastrand::alphanumeric).take(length);
        let access_key_id = account.access_key_id.clone();
        let secret = account.access_key_secret.clone();
        Self {
            name: account.name.clone(),
            access_key_id: access_key_id
                .unwrap_or_else(|| "LTAI5t".chars().chain(made_up(18)).collect()),
            secret: Secret(secret.unwrap_or_else(|| made_up(30).collect())),
            active: AtomicBool::new(!account.inactive),
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

impl Bucket {
    fn new(throttle: &Throttle) -> Self {
        let interval = throttle.interval();
        Self {
            interval,
            tolerance: interval * throttle.burst.saturating_sub(1),
            hint: throttle.hint,
            next: Duration::ZERO,
        }
    }

    /// Lets a request pass, or tells how long to wait.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let next = self.next.max(now);
        match (next - now).checked_sub(self.tolerance) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.next = next + self.interval;
                Ok(())
            }
        }
    }
}

impl Nonces {
    /// Whether a nonce was not seen in its lifetime. Remembers it.
    fn is_new(&mut self, access_key_id: &str, nonce: &str, now: Duration) -> bool {
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

fn incomplete() -> Refusal {
    let message = "The request signature does not conform to Aliyun standards.";
    Refusal::new(400, "IncompleteSignature", message)
}

fn check_method(call: &Call) -> Result<(), Refusal> {
    if call.required("SignatureMethod")? != "HMAC-SHA1" {
        let message = "The specified signature method is not supported: use HMAC-SHA1.";
        return Err(Refusal::new(400, "InvalidSignatureMethod", message));
    }
    if call.required("SignatureVersion")? != "1.0" {
        return Err(incomplete());
    }
    Ok(())
}

fn check_time(call: &Call, now: DateTime<Utc>) -> Result<(), Refusal> {
    let Some(timestamp) = call.get("Timestamp") else {
        let message = "The input parameter \"Timestamp\" that is mandatory for processing this request is not supplied.";
        return Err(Refusal::new(400, "IllegalTimestamp", message));
    };
    let Some(timestamp) = call::seconds(timestamp) else {
        let message = "Specified time stamp or date value is not well formatted.";
        return Err(Refusal::new(400, "InvalidTimeStamp.Format", message));
    };
    if (now - timestamp).abs() > ACCEPTED_SKEW {
        let message = "Specified time stamp or date value is expired.";
        return Err(Refusal::new(400, "InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_takes_its_burst_then_its_rate_and_says_how_long_to_wait() {
        let throttle = Throttle { rate: 0.5, burst: 3, hint: true };
        let mut bucket = Bucket::new(&throttle);
        for _ in 0..3 {
            assert_eq!(bucket.take(SECOND), Ok(()));
        }
        assert_eq!(bucket.take(SECOND), Err(2 * SECOND));
        assert_eq!(bucket.take(2 * SECOND), Err(SECOND));
        assert_eq!(bucket.take(3 * SECOND), Ok(()));
        assert_eq!(bucket.take(3 * SECOND), Err(2 * SECOND));
    }

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

    #[test]
    fn secrets_do_not_show() {
        let mut account = Account::new("a");
        account.access_key_secret = Some("open sesame".to_owned());
        let gate = Gate::new(&Scenario { accounts: vec![account.clone()], ..Scenario::default() });
        assert!(!format!("{gate:?} {account:?}").contains("sesame"));
    }
}
