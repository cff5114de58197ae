//! Requests to the exporter, by handler and status.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

use super::catalog;

/// Seconds; pages are made from memory.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// Metrics about requests.
#[derive(Debug)]
pub(super) struct OfHttp {
    durations: HistogramVec,
    requests: IntCounterVec,
    series: RwLock<Series>,
}

/// The series there are, found sooner than by the texts of their labels. They only ever become more.
#[derive(Debug, Default)]
struct Series {
    /// How long answers took, by handler.
    durations: BTreeMap<&'static str, Histogram>,
    /// How many answers were given, by status and handler.
    requests: BTreeMap<(u16, &'static str), IntCounter>,
}

impl OfHttp {
    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// When one of them is registered already.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            durations: super::histogram(registry, catalog::HTTP_REQUEST_DURATION, BUCKETS)?,
            requests: super::counter(registry, catalog::HTTP_REQUESTS)?,
            series: RwLock::default(),
        })
    }

    /// Makes the counter of a handler's good answers exist at 0.
    pub(super) fn announce(&self, handler: &'static str) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        self.add_counter(&mut series, handler, 200);
    }

    /// Counts an answer that took this long to make.
    pub(super) fn answered(&self, handler: &'static str, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        // A series is added whole: nothing can be half done.
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let counter = series.requests.get(&(status, handler));
        if let (Some(counter), Some(duration)) = (counter, series.durations.get(handler)) {
            counter.inc();
            duration.observe(seconds);
            return;
        }
        drop(series);
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        self.add_counter(&mut series, handler, status).inc();
        let duration = self.durations.with_label_values(&[handler]);
        series.durations.entry(handler).or_insert(duration).observe(seconds);
    }

    fn add_counter<'s>(
        &self,
        series: &'s mut Series,
        handler: &'static str,
        status: u16,
    ) -> &'s IntCounter {
        let counter = self.requests.with_label_values(&[status.to_string().as_str(), handler]);
        series.requests.entry((status, handler)).or_insert(counter)
    }
}
