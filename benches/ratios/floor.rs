//! The client that no poller of this API can be cheaper than, if it uses reqwest as the daemon does:
//! it signs each request with the daemon's signature and drops the answer.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aliyun_rds_import_exporter::auth::signature_v1;
use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::secret::Secret;
use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::task::JoinSet;

use crate::fleet;
use crate::process::{self, own_cpu, this_program};

/// Requests that are not counted: connections and memory are made.
const WARM_UP: usize = 500;

/// How the role is started.
#[derive(Args)]
pub(crate) struct Options {
    url: String,
    instances: usize,
    /// Requests in flight.
    concurrency: usize,
    requests: usize,
    /// Requests a second; 0 if it goes as fast as it can.
    rate: f64,
}

/// Runs the role; gives the seconds on processors that one request took.
pub(crate) fn seconds_a_request(
    url: &str,
    instances: usize,
    concurrency: usize,
    requests: usize,
    rate: f64,
) -> anyhow::Result<f64> {
    let arguments = [
        "floor".to_owned(),
        url.to_owned(),
        instances.to_string(),
        concurrency.to_string(),
        requests.to_string(),
        rate.to_string(),
    ];
    let mut command: Command = this_program(&arguments)?;
    process::output("floor", &mut command)?.trim().parse().context("the floor tells its time")
}

/// Sends the requests and prints the seconds on processors that one took.
#[expect(clippy::print_stdout, reason = "that is how the role answers")]
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .pool_max_idle_per_host(options.concurrency)
            .http1_only()
            .no_proxy()
            .build()?;
        send(&http, options, WARM_UP).await?;
        let before = own_cpu()?;
        send(&http, options, options.requests).await?;
        let took = own_cpu()? - before;
        println!("{}", took.as_secs_f64() / options.requests as f64);
        Ok(())
    })
}

/// Sends `count` requests, each at its time if there is a rate.
async fn send(http: &reqwest::Client, options: &Options, count: usize) -> anyhow::Result<()> {
    let clock = Clock::system();
    let next = Arc::new(AtomicUsize::new(0));
    let pause = if options.rate > 0.0 { 1.0 / options.rate } else { 0.0 };
    let (url, instances) = (options.url.clone(), options.instances);
    let secret = Arc::new(Secret::new("bench"));
    let mut senders = JoinSet::new();
    for _ in 0..options.concurrency {
        let (http, clock, next) = (http.clone(), clock.clone(), Arc::clone(&next));
        let (url, secret) = (url.clone(), Arc::clone(&secret));
        senders.spawn(async move {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= count {
                    return anyhow::Ok(());
                }
                if pause > 0.0 {
                    clock.sleep_until(Duration::from_secs_f64(pause * turn as f64)).await;
                }
                ask(&http, &url, &fleet::id(turn % instances), &clock, &secret).await?;
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    Ok(())
}

async fn ask(
    http: &reqwest::Client,
    url: &str,
    instance: &str,
    clock: &Clock,
    secret: &Secret,
) -> anyhow::Result<()> {
    let timestamp = clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nonce = format!("{:032x}", fastrand::u128(..));
    let parameters = [
        ("DBInstanceId", instance),
        ("Engine", "MySQL"),
        ("StartTime", "2026-10-01T00:00Z"),
        ("EndTime", "2026-11-01T00:00Z"),
        ("PageSize", "100"),
        ("PageNumber", "1"),
        ("Action", "DescibeImportsFromDatabase"),
        ("Version", "2014-08-15"),
        ("Format", "JSON"),
        ("AccessKeyId", "bench"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", &nonce),
        ("Timestamp", &timestamp),
    ];
    let query = signature_v1::sign("POST", &parameters, secret).into_query();
    let request = http.post(format!("{url}/?{query}")).header("content-length", 0);
    let mut response = request.send().await?;
    ensure!(response.status().is_success(), "the mock answered {}", response.status());
    while response.chunk().await?.is_some() {}
    Ok(())
}

/// The client needs a TLS configuration though it makes no use of it.
fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}
