//! An account's keys: fetched when first needed, kept, and renewed before they expire.
//!
//! Where they come from is the business of a [`Source`]; one module each knows how. This one knows
//! when to ask it: one question at a time, in the background from 15 minutes before expiry, and at
//! once when the API refused the keys. Old keys serve until they expire.

mod chain;
mod cli_profile;
mod cloud_sso;
mod configured;
mod environment;
mod external;
mod file;
mod ini_profile;
mod metadata;
mod oidc;
mod profile;
mod role;
mod session;
mod source;
mod sts;
mod uri;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::auth::Credentials;
use crate::clock::Clock;
use crate::config::{Account, Environment};
use crate::instruments::{Instruments, Scope};
use crate::transport::Transport;

use session::Keys;
use source::{Context, Source};

/// How long before expiry keys are renewed; of short-lived ones, half their life.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// Shortest time between two renewals, whatever expiry a source tells.
const SHORTEST: Duration = Duration::from_secs(10);
/// Pause after the first renewal that failed; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause between renewals that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Gives an account's keys.
#[derive(Debug)]
pub struct Provider {
    inner: Arc<Inner>,
    /// Ends with the provider.
    renewal: OnceLock<AbortOnDropHandle<()>>,
}

/// Why there are no keys: which provider was asked, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{provider}: {problem}")]
pub struct CredentialsError {
    /// The `type` of the credentials, or the link of the default chain.
    pub provider: &'static str,
    /// What is wrong, with the path, variable or URL; it holds no secret.
    pub problem: String,
}

/// Where keys came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The `type` of credentials, or the link of the default chain, that yielded them.
    pub provider: &'static str,
    /// When they end, as their source tells it; `None` if they do not.
    pub expires: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    context: Context,
    held: watch::Sender<Option<Held>>,
    /// Held while the source is asked; the last error, for those who waited meanwhile.
    asking: Mutex<Option<CredentialsError>>,
    /// How often the source has been asked.
    asked: AtomicU64,
    /// Where the first keys came from: told once.
    found: OnceLock<&'static str>,
}

#[derive(Clone, Debug)]
struct Held {
    credentials: Arc<Credentials>,
    provider: &'static str,
    expiry: Option<Expiry>,
}

/// By the monotonic clock: the wall clock may be off, and may jump.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    renew_at: Duration,
    at: Duration,
    stated: DateTime<Utc>,
}

impl Provider {
    /// A provider of the keys of the account `name`. Nothing is read or asked yet.
    pub fn new(
        name: &Arc<str>,
        account: &Account,
        transport: Transport,
        environment: &Environment,
        clock: Clock,
        instruments: Instruments,
    ) -> Self {
        let source = Source::configured(&account.credentials);
        if let Some(action) = source.action() {
            instruments.announce_action(Scope { account: name, region_id: "" }, action);
        }
        let context = Context {
            account: Arc::clone(name),
            environment: environment.clone(),
            transport,
            signature: account.signature,
            network: account.network,
            endpoints: account.endpoints.clone(),
            allow_http: account.allow_http,
            clock,
            instruments,
        };
        let inner = Inner {
            source,
            context,
            held: watch::Sender::new(None),
            asking: Mutex::default(),
            asked: AtomicU64::new(0),
            found: OnceLock::new(),
        };
        Self { inner: Arc::new(inner), renewal: OnceLock::new() }
    }

    /// The keys to sign with now.
    ///
    /// # Errors
    ///
    /// When the source has none; the text says where it looked and what to do.
    pub async fn credentials(&self) -> Result<Arc<Credentials>, CredentialsError> {
        if let Some(credentials) = self.inner.valid() {
            return Ok(credentials);
        }
        let asked = self.inner.asked.load(Ordering::Acquire);
        let asking = self.inner.asking.lock().await;
        if let Some(credentials) = self.inner.valid() {
            return Ok(credentials);
        }
        if asked != self.inner.asked.load(Ordering::Acquire)
            && let Some(error) = &*asking
        {
            // Someone else asked while we waited: asking again would go the same way.
            return Err(error.clone());
        }
        let held = self.inner.ask(asking).await?;
        if held.expiry.is_some() {
            let inner = &self.inner;
            self.renewal
                .get_or_init(|| AbortOnDropHandle::new(tokio::spawn(renew(Arc::clone(inner)))));
        }
        Ok(held.credentials)
    }

    /// Where the keys held came from; `None` if there are none.
    pub fn origin(&self) -> Option<Origin> {
        let held = self.inner.held.borrow();
        held.as_ref().map(|held| Origin {
            provider: held.provider,
            expires: held.expiry.map(|expiry| expiry.stated),
        })
    }

    /// Whether there are other keys by now than these, which the API refused: its source is asked
    /// again if they were [forgotten](Self::invalidate).
    pub async fn has_replaced(&self, refused: &Credentials) -> bool {
        let other = |keys: Arc<Credentials>| {
            keys.access_key_id != refused.access_key_id
                || keys.access_key_secret != refused.access_key_secret
        };
        self.credentials().await.is_ok_and(other)
    }

    /// Forgets keys that the API refused: the next call asks the source again, so that rotated keys
    /// are taken up without a restart. Keys that have been replaced meanwhile stay.
    pub fn invalidate(&self, refused: &Arc<Credentials>) {
        self.inner.held.send_if_modified(|held| {
            let same = held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.credentials, refused));
            if same {
                *held = None;
            }
            same
        });
    }
}

impl Inner {
    /// The keys held, if they have not expired.
    fn valid(&self) -> Option<Arc<Credentials>> {
        let held = self.held.borrow();
        let held = held.as_ref()?;
        let now = self.context.clock.monotonic();
        let expired = held.expiry.is_some_and(|expiry| now >= expiry.at);
        (!expired).then(|| Arc::clone(&held.credentials))
    }

    async fn ask(
        &self,
        mut asking: MutexGuard<'_, Option<CredentialsError>>,
    ) -> Result<Held, CredentialsError> {
        let result = self.source.keys(&self.context).await;
        self.asked.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(keys) => {
                *asking = None;
                Ok(self.hold(keys))
            }
            Err(error) => {
                *asking = Some(error.clone());
                Err(error)
            }
        }
    }

    fn hold(&self, keys: Keys) -> Held {
        let Context { account, clock, instruments, .. } = &self.context;
        let now = clock.monotonic();
        let expiry = keys.expiration.map(|expiration| {
            let margin = MARGIN.min(expiration.remaining / 2);
            let until_renewal = (expiration.remaining - margin).max(SHORTEST);
            Expiry {
                renew_at: now.saturating_add(until_renewal),
                at: now.saturating_add(expiration.remaining),
                stated: expiration.stated,
            }
        });
        let stated = expiry.map(|expiry| expiry.stated);
        instruments.credentials_expiration(account, stated);
        let expires = stated.map(|stated| stated.to_rfc3339());
        let provider = keys.provider;
        if self.found.set(provider).is_ok() {
            tracing::info!(%account, provider, expires, "found credentials");
        } else {
            tracing::debug!(%account, provider, expires, "took new credentials");
        }
        let held = Held { credentials: Arc::new(keys.credentials), provider, expiry };
        self.held.send_replace(Some(held.clone()));
        held
    }
}

/// Renews the keys held, before they expire, for as long as the provider lives. Keys that expired
/// or were refused are not its business: whoever needs some next asks for them.
async fn renew(inner: Arc<Inner>) {
    let clock = &inner.context.clock;
    let mut changes = inner.held.subscribe();
    let mut failures = 0;
    let mut again_at = Duration::ZERO;
    loop {
        let expiry = changes.borrow_and_update().as_ref().and_then(|held| held.expiry);
        let due = async {
            match expiry {
                Some(expiry) if clock.monotonic() < expiry.at => {
                    clock.sleep_until(expiry.renew_at.max(again_at)).await;
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                // Someone else got new keys, or found the old ones refused.
                failures = 0;
                again_at = Duration::ZERO;
            }
            () = due => {
                let asking = inner.asking.lock().await;
                if changes.has_changed().unwrap_or(true) {
                    continue;
                }
                match inner.ask(asking).await {
                    Ok(_) if failures > 0 => {
                        failures = 0;
                        again_at = Duration::ZERO;
                        tracing::info!(account = %inner.context.account, "credentials are renewed again");
                    }
                    Ok(_) => {}
                    Err(error) => {
                        failures += 1;
                        again_at = clock.monotonic().saturating_add(pause(failures));
                        if failures == 1 {
                            tracing::warn!(
                                account = %inner.context.account,
                                error = %error,
                                expires = expiry.map(|expiry| expiry.stated.to_rfc3339()),
                                "cannot renew the credentials; the old ones serve until they expire"
                            );
                        }
                    }
                }
            }
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE)
}
