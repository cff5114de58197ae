//! Basic authentication: users whose passwords are known by their bcrypt hashes.
//!
//! A hash takes a good part of a tenth of a second to check, on purpose. Passwords that were right
//! once are remembered, by a digest, so that a scrape does not pay for it; wrong ones are not, so
//! that guessing stays slow. An unknown user costs as much as a wrong password.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// Right passwords that are remembered; more than a configuration has users.
const REMEMBERED: usize = 1024;
/// Requests that wait for their password to be checked; it is checked one at a time, so that
/// guessing takes one core at most.
const WAITING: usize = 64;
/// Salt and hash of no password that anybody knows; the cost is put before it.
const NO_PASSWORD: &str = "NoPasswordHasThisHasheSoThatUnknownUsersCostTheSame..";

/// The users of one web configuration.
#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    /// Stands for the password of unknown users; as slow as the slowest.
    decoy: Secret,
}

/// What passwords were checked already. It outlives a web configuration: it knows of each password
/// against which hash it was right.
#[derive(Debug)]
pub(super) struct Checks {
    right: Mutex<HashSet<[u8; 32]>>,
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A user with the right password, or there are no users.
    Welcome,
    /// Anybody else.
    Unknown,
    /// Too many others wait for their passwords to be checked.
    Busy,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, Secret>) -> Self {
        let costs = hashes.values().filter_map(|hash| hash.expose().parse::<HashParts>().ok());
        let cost = costs.map(|hash| hash.get_cost()).max().unwrap_or(bcrypt::DEFAULT_COST);
        Self { hashes, decoy: Secret::new(format!("$2b${cost:02}${NO_PASSWORD}")) }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            right: Mutex::default(),
            turns: Arc::new(Semaphore::new(1)),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }
}

impl Checks {
    /// Whether the request with `headers` is of one of `users`.
    pub(super) async fn check(&self, users: &Users, headers: &HeaderMap) -> Verdict {
        if users.hashes.is_empty() {
            return Verdict::Welcome;
        }
        let Some((name, password)) = credentials(headers) else { return Verdict::Unknown };
        let known = users.hashes.get(&name);
        let hash = known.unwrap_or(&users.decoy).clone();
        let digest = digest(&name, &hash, &password);
        if self.right().contains(&digest) {
            return Verdict::Welcome;
        }
        let Ok(_place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Verdict::Busy;
        };
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Verdict::Busy;
        };
        let checking = tokio::task::spawn_blocking(move || {
            // Here rather than outside: a client that leaves does not stop the checking.
            let _turn = turn;
            bcrypt::verify(password.expose(), hash.expose())
        });
        let right = matches!(checking.await, Ok(Ok(true)));
        if !(right && known.is_some()) {
            return Verdict::Unknown;
        }
        let mut remembered = self.right();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest);
        Verdict::Welcome
    }

    fn right(&self) -> std::sync::MutexGuard<'_, HashSet<[u8; 32]>> {
        // A digest is there or not; nothing can be half done.
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name and password of a request, <https://www.rfc-editor.org/rfc/rfc7617>.
fn credentials(headers: &HeaderMap) -> Option<(String, Secret)> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

/// A digest that only the same three texts have.
fn digest(name: &str, hash: &Secret, password: &Secret) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in [name, hash.expose(), password.expose()] {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn authorization(value: &str) -> HeaderMap {
        [(AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    fn basic(text: &str) -> HeaderMap {
        authorization(&format!("Basic {}", BASE64_STANDARD.encode(text)))
    }

    fn users() -> Users {
        let hash = |password: &str| Secret::new(bcrypt::hash(password, 4).unwrap());
        let hashes = [("alice", hash("wonder:land")), ("bob", hash(""))];
        Users::new(hashes.map(|(name, hash)| (name.to_owned(), hash)).into())
    }

    #[tokio::test]
    async fn only_a_user_with_the_right_password_is_welcome() {
        let (users, checks) = (users(), Checks::default());
        for (headers, verdict) in [
            (basic("alice:wonder:land"), Verdict::Welcome),
            (basic("bob:"), Verdict::Welcome),
            (basic("alice:wonder"), Verdict::Unknown),
            (basic("alice:"), Verdict::Unknown),
            (basic("bob:wonder:land"), Verdict::Unknown),
            (basic("Alice:wonder:land"), Verdict::Unknown),
            (basic("carol:wonder:land"), Verdict::Unknown),
            (basic("alice"), Verdict::Unknown),
            (authorization("Basic"), Verdict::Unknown),
            (authorization("Basic %%%"), Verdict::Unknown),
            (authorization("Bearer YWxpY2U6d29uZGVyOmxhbmQ="), Verdict::Unknown),
            (HeaderMap::new(), Verdict::Unknown),
            (authorization("basic YWxpY2U6d29uZGVyOmxhbmQ="), Verdict::Welcome),
        ] {
            assert_eq!(checks.check(&users, &headers).await, verdict, "{headers:?}");
        }
        assert_eq!(checks.right().len(), 2, "only right passwords are remembered");
    }

    #[tokio::test]
    async fn a_remembered_password_is_forgotten_with_its_hash() {
        let checks = Checks::default();
        let headers = basic("alice:wonder:land");
        assert_eq!(checks.check(&users(), &headers).await, Verdict::Welcome);

        let other = Secret::new(bcrypt::hash("changed", 4).unwrap());
        let changed = Users::new([("alice".to_owned(), other)].into());
        assert_eq!(checks.check(&changed, &headers).await, Verdict::Unknown);
        let gone = Users::new([("bob".to_owned(), Secret::new("x"))].into());
        assert_eq!(checks.check(&gone, &headers).await, Verdict::Unknown);
    }

    #[tokio::test]
    async fn a_right_password_does_not_wait_behind_guesses_once_it_is_known() {
        let (users, checks) = (users(), Checks::default());
        let headers = basic("alice:wonder:land");
        assert_eq!(checks.check(&users, &headers).await, Verdict::Welcome);
        let _turn = Arc::clone(&checks.turns).acquire_owned().await.unwrap();

        assert_eq!(checks.check(&users, &headers).await, Verdict::Welcome);
    }

    #[tokio::test]
    async fn guesses_do_not_queue_without_end() {
        let (users, checks) = (users(), Checks::default());
        let _places = checks.waiting.try_acquire_many(WAITING as u32).unwrap();

        assert_eq!(checks.check(&users, &basic("alice:guess")).await, Verdict::Busy);
    }

    #[test]
    fn unknown_users_cost_as_much_as_the_slowest() {
        let hash = |cost| Secret::new(bcrypt::hash("x", cost).unwrap());
        let hashes = [("fast", hash(4)), ("slow", hash(6))];
        let users = Users::new(hashes.map(|(name, hash)| (name.to_owned(), hash)).into());

        let decoy = users.decoy.expose();
        assert_eq!(decoy.parse::<HashParts>().unwrap().get_cost(), 6);
        assert!(!bcrypt::verify("fakepassword", decoy).unwrap(), "it was checked in full");
    }
}
