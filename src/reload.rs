//! Asking for the configuration to be read again.
//!
//! Signals and requests ask through a [`Reload`]; whoever runs the daemon answers, one after the
//! other.

use tokio::sync::{mpsc, oneshot};

/// Asks for a reload. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reload(mpsc::Sender<Answer>);

/// What was asked for, in the order in which it was.
#[derive(Debug)]
pub struct Reloads(mpsc::Receiver<Answer>);

/// Where the outcome of a reload is told.
#[derive(Debug)]
pub struct Answer(oneshot::Sender<Result<(), String>>);

/// Why the configuration in force is still the one before. Displays every problem.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new configuration cannot be used.
    #[error("{0}")]
    Refused(String),
    /// There will be no reload any more.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Reload {
    /// A way to ask, and the other end of it.
    pub fn channel() -> (Self, Reloads) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Reloads(receiver))
    }

    /// Reads the configuration again and takes it over, after those who asked before.
    ///
    /// # Errors
    ///
    /// When it cannot be used; nothing changed then.
    pub async fn now(&self) -> Result<(), ReloadError> {
        let (answer, outcome) = oneshot::channel();
        self.0.send(Answer(answer)).await.map_err(|_| ReloadError::Stopping)?;
        outcome.await.map_err(|_| ReloadError::Stopping)?.map_err(ReloadError::Refused)
    }
}

impl Reloads {
    /// The next one that asks; `None` if nobody can ask any more.
    pub async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }
}

impl Answer {
    /// Tells the outcome.
    pub fn give(self, outcome: Result<(), String>) {
        // Whoever asked may have gone.
        let _ = self.0.send(outcome);
    }
}
