//! The exporter's metrics about itself: what the other rooms report to, on registries of its own.

pub mod catalog;
mod group;
mod http;
mod process;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use crate::domain::LIST_IMPORTS;

use catalog::Family;
use group::Group;
use http::OfHttp;
use process::OwnProcess;

pub use group::Families;

/// How many groups of families there are.
pub const GROUPS: usize = 4;

/// Seconds; API answers take between a few milliseconds and the request timeout.
const API_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Seconds; a poll that starts within one is on time.
const DELAY_BUCKETS: &[f64] = &[0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// Counts and measures what the exporter does. Cheap to clone; clones count together.
///
/// Families that change at the same events are a group; the groups stand in the order of the page.
#[derive(Clone, Debug)]
pub struct Instruments {
    accounts: Arc<Group<OfAccounts>>,
    http: Arc<Group<OfHttp>>,
    polls: Arc<Group<OfPolls>>,
    process: Arc<Group<OwnProcess>>,
}

/// About accounts: their API, keys and configuration. And what the binary is.
#[derive(Debug)]
struct OfAccounts {
    api_budget: GaugeVec,
    api_request_duration: HistogramVec,
    api_request_failures: IntCounterVec,
    api_requests: IntCounterVec,
    api_throttled: IntCounterVec,
    clock_skew: GaugeVec,
    credentials_expiration: GaugeVec,
    config_reload_success: GaugeVec,
    config_reload_successful: GaugeVec,
    discovered_instances: GaugeVec,
    discovery_last_success: GaugeVec,
}

#[derive(Debug)]
struct OfPolls {
    schedule_delay: HistogramVec,
    unknown_values: IntCounterVec,
    walk_failures: IntCounterVec,
    walk_restarts: IntCounterVec,
    walks: IntCounterVec,
}

/// The account and region that a count belongs to; the region is empty where a call has none.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Account name.
    pub account: &'a str,
    /// Region ID.
    pub region_id: &'a str,
}

impl Instruments {
    /// Registers every family that is not made from the store.
    ///
    /// # Errors
    ///
    /// When the catalog names a family twice or gives one an illegal name.
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            accounts: Group::new(OfAccounts::register)?,
            http: Group::new(OfHttp::register)?,
            polls: Group::new(OfPolls::register)?,
            process: Group::new(OwnProcess::register)?,
        })
    }

    /// Every group of families, in the order of their names, at `now`. Those of HTTP requests and of
    /// the process are a second old at most: each scrape changes them, and its page would never be
    /// ready.
    pub fn groups(&self, now: DateTime<Utc>) -> [Families<'_>; GROUPS] {
        if !self.process.read().is_fresh(now) {
            self.process.change(|process| process.read(now));
        }
        let process = self.process.families();
        let http = self.http.families().as_of(process);
        [self.accounts.families(), http, self.polls.families(), process]
    }

    /// The value of every family registered here at `now`, sorted by name.
    pub fn gather(&self, now: DateTime<Utc>) -> Vec<MetricFamily> {
        self.groups(now).iter().flat_map(Families::gather).collect()
    }

    /// Makes the counters of an account and region exist at 0, so that their first increase shows.
    pub fn announce(&self, scope: Scope<'_>, rate: f64) {
        let Scope { account, region_id } = scope;
        self.announce_calls(scope, LIST_IMPORTS, rate);
        self.polls.change(|polls| {
            polls.walks.with_label_values(&[account, region_id]);
            for reason in ["count", "duplicate", "page_number", "total_changed"] {
                polls.walk_restarts.with_label_values(&[account, reason, region_id]);
            }
            for field in ["ImportDataStatus", "ImportDataType", "IncrementalImportingTime"] {
                polls.unknown_values.with_label_values(&[field]);
            }
        });
    }

    /// Makes the counters of an operation's calls exist at 0, for an account and region.
    pub fn announce_calls(&self, scope: Scope<'_>, action: &str, rate: f64) {
        self.announce_action(scope, action);
        self.accounts.change(|accounts| accounts.api_throttled.with_label_values(&[scope.account]));
        self.budget(scope.account, rate);
    }

    /// Makes the counter of an action's requests exist at 0.
    pub fn announce_action(&self, scope: Scope<'_>, action: &str) {
        let labels = [scope.account, action, scope.region_id];
        self.accounts.change(|accounts| accounts.api_requests.with_label_values(&labels));
    }

    /// What the searches of an account found in a region, and when the oldest answer was given.
    pub fn discovered(&self, scope: Scope<'_>, instances: usize, since: DateTime<Utc>) {
        let labels = [scope.account, scope.region_id];
        let since = since.timestamp_millis() as f64 / 1e3;
        self.accounts.change(|accounts| {
            // First, so that nobody sees instances that were found at no time.
            accounts.discovery_last_success.with_label_values(&labels).set(since);
            // The search for the regions finds no instance.
            if !scope.region_id.is_empty() {
                accounts.discovered_instances.with_label_values(&labels).set(instances as f64);
            }
        });
    }

    /// Nothing is searched any more for an account in a region.
    pub fn forget_discovered(&self, scope: Scope<'_>) {
        let labels = [scope.account, scope.region_id];
        self.accounts.change(|accounts| {
            // They may never have been there.
            let _ = accounts.discovered_instances.remove_label_values(&labels);
            let _ = accounts.discovery_last_success.remove_label_values(&labels);
        });
    }

    /// An account is no more. Its counters stay, as the past does.
    pub fn forget_account(&self, account: &str) {
        let _ = self.accounts.change(|of| of.api_budget.remove_label_values(&[account]));
    }

    /// The configuration was loaded, at `now` if that succeeded.
    pub fn reloaded(&self, success: Option<DateTime<Utc>>) {
        let flag = if success.is_some() { 1.0 } else { 0.0 };
        self.accounts.change(|accounts| {
            accounts.config_reload_successful.with_label_values::<&str>(&[]).set(flag);
            if let Some(now) = success {
                let now = now.timestamp_millis() as f64 / 1e3;
                accounts.config_reload_success.with_label_values::<&str>(&[]).set(now);
            }
        });
    }

    /// An API request was sent; `failure` is the code of its error, if it failed.
    pub fn api_request(
        &self,
        scope: Scope<'_>,
        action: &str,
        took: Duration,
        failure: Option<&str>,
    ) {
        let Scope { account, region_id } = scope;
        let labels = [account, action, region_id];
        self.accounts.change(|accounts| {
            accounts.api_requests.with_label_values(&labels).inc();
            let duration = accounts.api_request_duration.with_label_values(&labels);
            duration.observe(took.as_secs_f64());
            if let Some(code) = failure {
                let labels = [account, action, code, region_id];
                accounts.api_request_failures.with_label_values(&labels).inc();
            }
        });
    }

    /// An API request was answered by throttling.
    pub fn throttled(&self, account: &str) {
        self.accounts.change(|of| of.api_throttled.with_label_values(&[account]).inc());
    }

    /// The account's API call rate now in force, per second.
    pub fn budget(&self, account: &str, rate: f64) {
        self.accounts.change(|of| of.api_budget.with_label_values(&[account]).set(rate));
    }

    /// What [`budget`](Self::budget) was last told of the account.
    pub fn budget_in_force(&self, account: &str) -> f64 {
        self.accounts.read().api_budget.with_label_values(&[account]).get()
    }

    /// How often [`throttled`](Self::throttled) was called for the account.
    pub fn times_throttled(&self, account: &str) -> u64 {
        self.accounts.read().api_throttled.with_label_values(&[account]).get()
    }

    /// This machine's clock minus the API's, in seconds.
    pub fn clock_skew(&self, scope: Scope<'_>, seconds: f64) {
        let labels = [scope.account, scope.region_id];
        self.accounts.change(|of| of.clock_skew.with_label_values(&labels).set(seconds));
    }

    /// The account's keys expire at `time`, or never.
    pub fn credentials_expiration(&self, account: &str, time: Option<DateTime<Utc>>) {
        self.accounts.change(|of| match time {
            Some(time) => {
                let seconds = time.timestamp() as f64;
                of.credentials_expiration.with_label_values(&[account]).set(seconds);
            }
            // It fails if there was no expiry before, which is just as well.
            None => drop(of.credentials_expiration.remove_label_values(&[account])),
        });
    }

    /// A value that the API's reference does not know was read.
    pub fn unknown_value(&self, field: &str) {
        self.polls.change(|polls| polls.unknown_values.with_label_values(&[field]).inc());
    }

    /// A walk ended; `failure` is the code of the error that ended it.
    pub fn walk(&self, scope: Scope<'_>, failure: Option<&str>) {
        let Scope { account, region_id } = scope;
        self.polls.change(|polls| {
            polls.walks.with_label_values(&[account, region_id]).inc();
            if let Some(code) = failure {
                polls.walk_failures.with_label_values(&[account, code, region_id]).inc();
            }
        });
    }

    /// A walk began again.
    pub fn walk_restart(&self, scope: Scope<'_>, reason: &str) {
        let labels = [scope.account, reason, scope.region_id];
        self.polls.change(|polls| polls.walk_restarts.with_label_values(&labels).inc());
    }

    /// A poll started this much later than it was due.
    pub fn schedule_delay(&self, delay: Duration) {
        let seconds = delay.as_secs_f64();
        self.polls.change(|polls| {
            polls.schedule_delay.with_label_values::<&str>(&[]).observe(seconds);
        });
    }

    /// Makes the counter of a handler's good answers exist at 0.
    pub fn announce_handler(&self, handler: &'static str) {
        self.http.change(|http| http.announce(handler));
    }

    /// An HTTP request was answered.
    pub fn http_request(&self, handler: &'static str, status: u16, took: Duration) {
        self.http.change(|http| http.answered(handler, status, took));
    }
}

impl OfAccounts {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let build_info = IntGaugeVec::new(opts(catalog::BUILD_INFO), catalog::BUILD_INFO.labels)?;
        build_info.with_label_values(&[BUILD.revision, BUILD.rustc, BUILD.version]).set(1);
        registry.register(Box::new(build_info))?;
        Ok(Self {
            api_budget: gauge(registry, catalog::API_BUDGET)?,
            api_request_duration: histogram(registry, catalog::API_REQUEST_DURATION, API_BUCKETS)?,
            api_request_failures: counter(registry, catalog::API_REQUEST_FAILURES)?,
            api_requests: counter(registry, catalog::API_REQUESTS)?,
            api_throttled: counter(registry, catalog::API_THROTTLED)?,
            clock_skew: gauge(registry, catalog::CLOCK_SKEW)?,
            credentials_expiration: gauge(registry, catalog::CREDENTIALS_EXPIRATION)?,
            config_reload_success: gauge(registry, catalog::CONFIG_RELOAD_SUCCESS)?,
            config_reload_successful: gauge(registry, catalog::CONFIG_RELOAD_SUCCESSFUL)?,
            discovered_instances: gauge(registry, catalog::DISCOVERED_INSTANCES)?,
            discovery_last_success: gauge(registry, catalog::DISCOVERY_LAST_SUCCESS)?,
        })
    }
}

impl OfPolls {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let schedule_delay = histogram(registry, catalog::SCHEDULE_DELAY, DELAY_BUCKETS)?;
        // A family without labels has one series, there from the first scrape on.
        schedule_delay.with_label_values::<&str>(&[]);
        Ok(Self {
            schedule_delay,
            unknown_values: counter(registry, catalog::UNKNOWN_VALUES)?,
            walk_failures: counter(registry, catalog::WALK_FAILURES)?,
            walk_restarts: counter(registry, catalog::WALK_RESTARTS)?,
            walks: counter(registry, catalog::WALKS)?,
        })
    }
}

/// What this binary was built from.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
    /// Commit, or `unknown` outside a checkout.
    pub revision: &'static str,
    /// Version of the compiler.
    pub rustc: &'static str,
}

/// What this binary was built from.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("BUILD_REVISION"),
    rustc: env!("BUILD_RUSTC"),
};

fn opts(family: Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn counter(registry: &Registry, family: Family) -> Result<IntCounterVec, prometheus::Error> {
    registered(registry, IntCounterVec::new(opts(family), family.labels)?)
}

fn gauge(registry: &Registry, family: Family) -> Result<GaugeVec, prometheus::Error> {
    registered(registry, GaugeVec::new(opts(family), family.labels)?)
}

fn histogram(
    registry: &Registry,
    family: Family,
    buckets: &[f64],
) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(opts, family.labels)?)
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
