//! Stderr, written by a thread of its own: whoever does not read it holds up neither polls nor
//! scrapes.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait to be written at the most; what comes then is lost.
const WAITING: usize = 1024;
/// How long the end waits for the next line to be written: longer than any reader takes who reads.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines of the log, and never waits. Clones write to the same thread.
#[derive(Clone, Debug)]
pub(super) struct Stderr {
    lines: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Mutex<Counts>,
    /// A line was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    /// Lines that wait to be written.
    waiting: u64,
    /// Lines that were lost and not told of yet.
    lost: u64,
}

impl Stderr {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has none.
    pub(super) fn start() -> io::Result<Self> {
        let (lines, receiver) = sync_channel(WAITING);
        let stderr = Self { lines, state: Arc::default() };
        let state = Arc::clone(&stderr.state);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(&receiver, &state);
        })?;
        Ok(stderr)
    }

    /// Waits until everything is written, as long as somebody reads.
    pub(super) fn flush(&self) {
        let mut counts = self.state.counts();
        while counts.waiting + counts.lost > 0 {
            let waited = self.state.written.wait_timeout(counts, PATIENCE);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return;
            }
            counts = after;
        }
    }
}

impl State {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // No change of it can be half done.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines as long as there is somebody who logs.
fn write_all(lines: &Receiver<Vec<u8>>, state: &State) {
    for line in lines {
        // There is nowhere to tell that the log cannot be written.
        let _ = io::stderr().lock().write_all(&line);
        let mut counts = state.counts();
        counts.waiting -= 1;
        // Lines are lost only while others wait. This one is told of when none does any more, so it
        // is not lost as well.
        let lost = if counts.waiting == 0 { counts.lost } else { 0 };
        drop(counts);
        if lost > 0 {
            tracing::warn!(lines = lost, "lines of the log were lost: nobody read them");
            state.counts().lost -= lost;
        }
        state.written.notify_all();
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Stderr {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Counted before it can be written.
        let mut counts = self.state.counts();
        match self.lines.try_send(line.to_vec()) {
            Ok(()) => counts.waiting += 1,
            Err(_) => counts.lost += 1,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
