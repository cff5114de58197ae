//! The configuration, checked and complete: every default filled in, every name resolved.
//!
//! `load` reads the file and the environment into this; nothing else makes one, except `demo` and
//! tests.

mod accounts;
mod base_url;
pub mod cost;
mod credentials;
mod discovery;
mod duration;
mod environment;
mod instances;
mod keys;
pub mod load;
pub(crate) mod problem;
mod read;
pub mod shard;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Engine;

pub(crate) use base_url::is_loopback;
pub use credentials::{AccessKey, CredentialsSource, Role, SecretSource};
pub(crate) use credentials::{credentials_uri, is_role_name};
pub use duration::format as format_duration;
pub use environment::{Environment, OVERRIDE_PREFIX};
pub use instances::{MAX_NAME, is_instance_id, is_region_id};
pub use problem::Problem;
pub use shard::Shard;

/// Everything that `run` needs to know, apart from how it serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Accounts by name.
    pub accounts: BTreeMap<Arc<str>, Account>,
    /// How polls go.
    pub polling: Polling,
    /// Instances to poll.
    pub instances: Vec<Instance>,
    /// Where to find more.
    pub discovery: Vec<Discovery>,
    /// Which share of them all is this process's; comes from the flags.
    pub shard: Shard,
}

/// An Alibaba Cloud account and how to talk to its endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Where the keys come from.
    pub credentials: CredentialsSource,
    /// API budget of the whole account, in calls per second; more than 0.
    pub requests_per_second: f64,
    /// How requests are signed.
    pub signature: Signature,
    /// Which endpoint a region ID stands for.
    pub network: Network,
    /// Overrides of endpoints.
    pub endpoints: Endpoints,
    /// Whether an endpoint override may be plain HTTP on another host than loopback.
    pub allow_http: bool,
    /// PEM file with further certificate authorities for the endpoints.
    pub ca_file: Option<PathBuf>,
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The RPC signature with HMAC-SHA1, which documentation and SDKs call V2 today.
    HmacSha1,
    /// `ACS3-HMAC-SHA256`, also called V3.
    Acs3HmacSha256,
}

/// Which endpoint a region ID stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Reached over the internet.
    Public,
    /// Reached from inside a VPC.
    Vpc,
}

/// Base URLs that replace the built-in endpoints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// Of ApsaraDB RDS, such as `https://rds.aliyuncs.com`.
    pub rds: Option<String>,
    /// Of the Security Token Service, such as `https://sts.aliyuncs.com`.
    pub sts: Option<String>,
    /// Of the ECS metadata service, such as `http://100.100.100.200`.
    pub metadata: Option<String>,
}

/// How polls go.
#[derive(Clone, Debug, PartialEq)]
pub struct Polling {
    /// Time between polls while a task is not final; of instances that have none of their own.
    pub interval: Duration,
    /// Time between polls otherwise, likewise.
    pub idle_interval: Duration,
    /// Window of the regular walk, likewise.
    pub lookback: Duration,
    /// Window of the deep walk.
    pub deep_lookback: Duration,
    /// Time between deep walks.
    pub deep_interval: Duration,
    /// How long a task that ended outside the window stays visible.
    pub final_retention: Duration,
    /// Tasks asked for in one call: 30, 50 or 100.
    pub page_size: u32,
    /// Walks in flight, per account.
    pub concurrency: usize,
    /// Deadline of one API call.
    pub request_timeout: Duration,
    /// Age at which an unreachable instance's tasks are withdrawn.
    pub stale_after: Duration,
}

/// An instance to poll, with the defaults of `polling` filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Instance ID.
    pub id: Arc<str>,
    /// Region ID.
    pub region: Arc<str>,
    /// Its engine.
    pub engine: Engine,
    /// Name of its account.
    pub account: Arc<str>,
    /// Name for people; may be empty.
    pub name: Arc<str>,
    /// Time between polls while a task is not final.
    pub interval: Duration,
    /// Time between polls otherwise.
    pub idle_interval: Duration,
    /// Window of the regular walk.
    pub lookback: Duration,
}

/// Instances of an account to find with `DescribeDBInstances`.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// Name of its account.
    pub account: Arc<str>,
    /// Where to look.
    pub regions: Regions,
    /// Which engines to take; at least one.
    pub engines: BTreeSet<Engine>,
    /// Tags that an instance must have, all of them.
    pub tags: BTreeMap<String, String>,
    /// Resource group that it must be in.
    pub resource_group_id: Option<String>,
    /// Instances to leave out.
    pub exclude: BTreeSet<Arc<str>>,
    /// Time between looks.
    pub refresh_interval: Duration,
}

/// The regions to look for instances in.
#[derive(Clone, Debug, PartialEq)]
pub enum Regions {
    /// Those that `DescribeRegions` lists.
    All,
    /// These; at least one.
    Named(BTreeSet<Arc<str>>),
}

impl Default for Account {
    fn default() -> Self {
        Self {
            credentials: CredentialsSource::Default,
            requests_per_second: 5.0,
            signature: Signature::HmacSha1,
            network: Network::Public,
            endpoints: Endpoints::default(),
            allow_http: false,
            ca_file: None,
        }
    }
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            idle_interval: Duration::from_secs(5 * 60),
            lookback: days(30),
            deep_lookback: days(365),
            deep_interval: days(1),
            final_retention: days(1),
            page_size: 100,
            concurrency: 16,
            request_timeout: Duration::from_secs(10),
            stale_after: Duration::from_secs(15 * 60),
        }
    }
}

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}
