//! Work that takes a good part of a second for a large fleet: off the runtime's thread, in turns.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Why there is no outcome: an error of the runtime, none of ours.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does `work` on a thread of its own, when it is its turn.
///
/// # Errors
///
/// When the runtime shuts down meanwhile.
pub(super) async fn elsewhere<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let turn = Arc::clone(turns).acquire_owned().await?;
    let working = tokio::task::spawn_blocking(move || {
        // Here rather than outside: a client that leaves does not stop the work.
        let _turn = turn;
        work()
    });
    Ok(working.await?)
}
