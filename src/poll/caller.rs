//! Puts a question to the API until it is answered: takes from the budget, tries again.

use std::sync::Arc;
use std::time::Duration;

use crate::api::error::Retry;
use crate::api::{Client, Error, Kind};
use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::instruments::Instruments;
use crate::poll::backoff::{MAX_ATTEMPTS, call_pause};
use crate::poll::budget::{Budget, Queue};
use crate::transport::SetupError;

/// Calls the API for one account, within its budget. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: Arc<str>,
    pub(crate) client: Arc<Client>,
    pub(crate) budget: Arc<Budget>,
    /// Where it waits for the right to make a call.
    pub(crate) queue: Queue,
    pub(crate) clock: Clock,
    pub(crate) instruments: Instruments,
}

/// A right to make one call that was taken from the budget beforehand.
#[derive(Debug)]
pub(crate) struct Token;

impl Caller {
    /// The same caller, for searches.
    pub(crate) fn for_searches(&self) -> Self {
        Self { queue: Queue::Searches, ..self.clone() }
    }

    /// A caller for the account `name` with a budget of its own.
    ///
    /// # Errors
    ///
    /// When the account's TLS or proxy settings cannot be used.
    pub(crate) fn new(
        name: &Arc<str>,
        account: &config::Account,
        config: &Config,
        environment: &Environment,
        clock: &Clock,
        instruments: &Instruments,
    ) -> Result<Self, SetupError> {
        let (clock, instruments) = (clock.clone(), instruments.clone());
        let (own_clock, own_instruments) = (clock.clone(), instruments.clone());
        let polling = &config.polling;
        let client = Client::new(name, account, polling, environment, own_clock, own_instruments)?;
        // The account's rate is for all shards together.
        let rate = account.requests_per_second / f64::from(config.shard.total());
        Ok(Self {
            account: Arc::clone(name),
            client: Arc::new(client),
            budget: Arc::new(Budget::new(rate, clock.clone())),
            queue: Queue::Polls,
            clock,
            instruments,
        })
    }

    /// The right to make a call, if nobody waits for one and the budget has it now.
    pub(crate) fn try_token(&self) -> Option<Token> {
        if !self.budget.try_acquire() {
            return None;
        }
        self.instruments.budget(&self.account, self.budget.rate());
        Some(Token)
    }

    /// Waits for the right to make a call.
    pub(crate) async fn token(&self) -> Token {
        self.budget.acquire(self.queue).await;
        self.instruments.budget(&self.account, self.budget.rate());
        Token
    }

    /// Makes the call `ask`, and again where that may help, until `deadline`: by then the next poll
    /// would ask anyway. `token` serves the first attempt.
    ///
    /// # Errors
    ///
    /// The last attempt's.
    pub(crate) async fn persist<T, A: Future<Output = Result<T, Error>>>(
        &self,
        deadline: Duration,
        mut token: Option<Token>,
        ask: impl Fn() -> A,
    ) -> Result<T, Error> {
        let mut signed_anew = false;
        let mut attempt = 1;
        loop {
            if token.take().is_none() {
                self.token().await;
            }
            let sent = self.clock.monotonic();
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.kind() == Kind::Throttled {
                self.throttled(sent, &error);
            }
            match error.retry() {
                Retry::No => return Err(error),
                Retry::SignedAnew if signed_anew => return Err(error),
                Retry::SignedAnew => signed_anew = true,
                Retry::AfterPause => {
                    let pause = call_pause(attempt, fastrand::f64());
                    let pause = pause.max(error.retry_after().unwrap_or_default());
                    let again_at = self.clock.monotonic().saturating_add(pause);
                    if attempt >= MAX_ATTEMPTS || again_at >= deadline {
                        return Err(error);
                    }
                    self.clock.sleep_until(again_at).await;
                    attempt += 1;
                }
            }
        }
    }

    fn throttled(&self, sent: Duration, error: &Error) {
        let fell = self.budget.throttled(sent, error.retry_after());
        let rate = self.budget.rate();
        self.instruments.throttled(&self.account);
        self.instruments.budget(&self.account, rate);
        if fell {
            tracing::warn!(
                account = %self.account,
                code = %error.code(),
                request_id = error.request_id(),
                requests_per_second = (rate * 100.0).round() / 100.0,
                hint = error.kind().hint(),
                "the API throttles this account: calling it at half the rate, full speed returns over 5 minutes"
            );
        }
    }
}
