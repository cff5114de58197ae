//! Whether the daemon has something to say, and why not.

/// What `/-/ready` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Some instances were not attempted yet; the text says which, for people.
    Pending(String),
    /// Every instance was attempted, or has been waited for long enough.
    Ready,
    /// The daemon is stopping.
    Draining,
}
