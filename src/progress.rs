//! How far a command is that asks many instances: a line on a terminal.

use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;

/// Shortest time between two looks of the line.
const REDRAW: Duration = Duration::from_millis(100);
/// Back to the line's beginning, and clear it.
const WIPE: &str = "\r\x1b[K";

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Instances whose question ended.
    pub(crate) asked: usize,
    /// Instances that are known so far.
    pub(crate) instances: usize,
}

impl Progress {
    /// The line, `elapsed` after the start.
    fn line(self, elapsed: Duration) -> String {
        let Self { asked, instances } = self;
        let mut line = format!("{WIPE}asked {asked} of {instances} instances");
        if asked > 0 {
            let left =
                elapsed.as_secs_f64() * instances.saturating_sub(asked) as f64 / asked as f64;
            let left = Duration::from_secs(left.ceil() as u64);
            line += &format!(", about {} left", humantime::format_duration(left));
        }
        line
    }
}

/// Does `work`, and redraws its progress on `terminal` meanwhile, if there is one. Who looks at a
/// terminal that cannot be written misses nothing.
pub(crate) async fn shown<T>(
    work: impl Future<Output = T>,
    mut progress: watch::Receiver<Progress>,
    clock: &Clock,
    mut terminal: Option<&mut dyn Write>,
) -> T {
    let mut work = pin!(work);
    let started = clock.monotonic();
    let mut drawn: Option<Duration> = None;
    let mut draw = |text: &str| {
        if let Some(terminal) = &mut terminal {
            let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
        }
    };
    loop {
        tokio::select! {
            done = &mut work => {
                if drawn.is_some() {
                    draw(WIPE);
                }
                return done;
            }
            Ok(()) = progress.changed() => {
                let now = clock.monotonic();
                let progress = *progress.borrow_and_update();
                if drawn.is_none_or(|drawn| now >= drawn.saturating_add(REDRAW)) {
                    drawn = Some(now);
                    draw(&progress.line(now.saturating_sub(started)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_long_the_rest_takes_at_the_pace_so_far() {
        let line =
            |asked, seconds| Progress { asked, instances: 40 }.line(Duration::from_secs(seconds));
        assert_eq!(line(0, 3), "\r\x1b[Kasked 0 of 40 instances");
        assert_eq!(line(10, 3), "\r\x1b[Kasked 10 of 40 instances, about 9s left");
        assert_eq!(line(30, 700), "\r\x1b[Kasked 30 of 40 instances, about 3m 54s left");
        assert_eq!(line(40, 9), "\r\x1b[Kasked 40 of 40 instances, about 0s left");
    }
}
