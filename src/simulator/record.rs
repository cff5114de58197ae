//! What was asked and how it was answered, for tests and for people who look on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// How many requests are remembered; the oldest are forgotten first.
pub const REMEMBERED_REQUESTS: usize = 10_000;

/// A request, and the answer that was decided on. An answer that is delayed, cut or never sent is
/// recorded when it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Wall time of the simulator.
    pub at: DateTime<Utc>,
    /// HTTP method.
    pub method: String,
    /// Path of the URL.
    pub path: String,
    /// What was asked for, one of [`ACTIONS`](super::ACTIONS) if it makes sense.
    pub action: Option<String>,
    /// Parameters by name, from query and form, without `Signature`, `SecurityToken` and `OIDCToken`.
    pub parameters: BTreeMap<String, String>,
    /// The key that the request names.
    pub access_key_id: Option<String>,
    /// The signature method that it claims, `HMAC-SHA1` or `ACS3-HMAC-SHA256`.
    pub signature: Option<&'static str>,
    /// Name of the account whose key the request names, whether its signature held or not.
    pub account: Option<String>,
    /// HTTP status; `None` if a fault leaves the request without an answer.
    pub status: Option<u16>,
    /// `Code` of an API error.
    pub code: Option<String>,
    /// Names of the faults that it met.
    pub faults: Vec<&'static str>,
}

impl RecordedRequest {
    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    requests: Mutex<VecDeque<Arc<RecordedRequest>>>,
    count: watch::Sender<u64>,
}

impl Record {
    pub(crate) fn add(&self, request: Arc<RecordedRequest>) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= REMEMBERED_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(request);
        drop(requests);
        self.count.send_modify(|count| *count += 1);
    }

    pub(crate) fn all(&self) -> Vec<Arc<RecordedRequest>> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(Arc::clone).collect()
    }

    pub(crate) fn clear(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    pub(crate) async fn reaches(&self, count: u64) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.count.subscribe().wait_for(|seen| *seen >= count).await;
    }
}
