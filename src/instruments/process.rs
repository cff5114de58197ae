//! The standard metrics of a process, as the kernel tells them in `/proc/self`.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use procfs::WithCurrentSystemInfo as _;
use procfs::process::{LimitValue, Process};
use prometheus::{Counter, Gauge, IntGauge, Registry};

/// Time for which the numbers are good enough. Reading them takes a dozen files, more than all else
/// that a small page takes.
const FRESH: TimeDelta = TimeDelta::seconds(1);

/// Metrics of this process.
#[derive(Debug)]
pub(super) struct OwnProcess {
    /// When the numbers were read, and until when they are good enough.
    fresh: Mutex<Option<(DateTime<Utc>, DateTime<Utc>)>>,
    cpu: Counter,
    max_fds: IntGauge,
    open_fds: IntGauge,
    resident: IntGauge,
    start_time: Gauge,
    threads: IntGauge,
    virtual_memory: IntGauge,
}

impl OwnProcess {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// When one of them is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            super::registered(registry, IntGauge::new(name, help)?)
        };
        Ok(Self {
            fresh: Mutex::new(None),
            cpu: super::registered(
                registry,
                Counter::new(
                    "process_cpu_seconds_total",
                    "Total user and system CPU time spent in seconds.",
                )?,
            )?,
            max_fds: gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            open_fds: gauge("process_open_fds", "Number of open file descriptors.")?,
            resident: gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            start_time: super::registered(
                registry,
                Gauge::new(
                    "process_start_time_seconds",
                    "Start time of the process since unix epoch in seconds.",
                )?,
            )?,
            threads: gauge("process_threads", "Number of OS threads in the process.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
        })
    }

    /// Whether the numbers are good enough at `now`.
    pub(super) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let fresh = *self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.is_some_and(|(from, until)| from <= now && now < until)
    }

    /// Reads the numbers, at `now`.
    pub(super) fn read(&self, now: DateTime<Utc>) {
        // Held to the end: two readers at a time would count processor time twice.
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        *fresh = Some((now, now + FRESH));
        // Where /proc is hidden, the numbers stay as they are.
        let Ok(process) = Process::myself() else { return };
        if let Ok(open) = process.fd_count() {
            self.open_fds.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.max_fds.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
        if let Ok(stat) = process.stat() {
            let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
            let spent = seconds(stat.utime + stat.stime) - self.cpu.get();
            self.cpu.inc_by(spent.max(0.0));
            self.resident.set(i64::try_from(stat.rss_bytes().get()).unwrap_or(i64::MAX));
            self.threads.set(stat.num_threads);
            self.virtual_memory.set(i64::try_from(stat.vsize).unwrap_or(i64::MAX));
            if let Ok(boot) = procfs::boot_time_secs() {
                self.start_time.set(boot as f64 + seconds(stat.starttime));
            }
        }
    }
}
