//! Logs: one line an event, on stderr, as logfmt or JSON.
//!
//! Losing stderr loses the log, never the daemon, and a log that nobody reads holds nothing up.
//! Libraries are heard from `warn` on (from `info`
//! on at `debug`): what they say below that may hold headers and signed URLs.

mod stderr;

use std::sync::OnceLock;

use anyhow::Context as _;
use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use stderr::Stderr;

/// The target of this crate's events, library and binary.
const OURS: &str = "aliyun_rds_import_exporter";

/// The least important events that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Everything there is.
    Debug,
    /// What an operator would note in a diary.
    Info,
    /// What may need attention.
    Warn,
    /// What failed.
    Error,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// `key=value` pairs.
    Logfmt,
    /// A JSON object.
    Json,
}

/// From now on a panic, in whatever thread or task, is logged and ends the process with exit code 1:
/// a daemon that went on without one of its parts would look alive and tell old numbers. What the
/// panic says stays out of the log, because it may hold anything.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked: this is a bug, please report it; the process ends");
        flush();
        std::process::exit(1);
    }));
}

/// What the process logs to.
static STDERR: OnceLock<Stderr> = OnceLock::new();

/// Waits until what was logged is written: a process that ends has to. It gives up when nothing was
/// written for a second.
pub fn flush() {
    if let Some(stderr) = STDERR.get() {
        stderr.flush();
    }
}

/// Starts logging for the whole process.
///
/// # Errors
///
/// When the process logs already, or the system has no thread for it.
pub fn init(level: Level, format: Format) -> anyhow::Result<()> {
    let stderr = Stderr::start().context("cannot start the thread that writes the log")?;
    let layer = match format {
        Format::Logfmt => tracing_logfmt::builder()
            .with_span_name(false)
            .with_span_path(false)
            .layer()
            .with_writer(stderr.clone())
            .log_internal_errors(false)
            .boxed(),
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(stderr.clone())
            .log_internal_errors(false)
            .boxed(),
    };
    registry().with(layer.with_filter(filter(level))).try_init()?;
    // Only one can be the process's, and this is the one.
    STDERR.get_or_init(|| stderr);
    Ok(())
}

fn filter(level: Level) -> Targets {
    let (ours, theirs) = match level {
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    Targets::new().with_target(OURS, ours).with_default(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as Importance;

    #[test]
    fn libraries_never_log_below_info() {
        for level in [Level::Debug, Level::Info, Level::Warn, Level::Error] {
            let filter = filter(level);
            for library in ["hyper", "hyper_util::client", "reqwest::connect", "rustls", "h2"] {
                assert!(
                    !filter.would_enable(library, &Importance::DEBUG),
                    "{library} at {level:?}"
                );
                assert!(
                    !filter.would_enable(library, &Importance::TRACE),
                    "{library} at {level:?}"
                );
            }
        }
        assert!(filter(Level::Info).would_enable("hyper", &Importance::WARN));
    }

    #[test]
    fn the_level_is_that_of_our_own_events() {
        for (level, least, below) in [
            (Level::Debug, Importance::DEBUG, Importance::TRACE),
            (Level::Info, Importance::INFO, Importance::DEBUG),
            (Level::Warn, Importance::WARN, Importance::INFO),
            (Level::Error, Importance::ERROR, Importance::WARN),
        ] {
            let filter = filter(level);
            assert!(filter.would_enable("aliyun_rds_import_exporter::config::load", &least));
            assert!(!filter.would_enable("aliyun_rds_import_exporter::config::load", &below));
        }
    }
}
