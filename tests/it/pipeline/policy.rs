//! What `policy` prints is enough for the daemon, and nothing less is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aliyun_rds_import_exporter::config::{
    Config, CredentialsSource, Discovery, Regions, Role as WantedRole,
};
use aliyun_rds_import_exporter::domain::Engine;
use aliyun_rds_import_exporter::policy::Policy;
use aliyun_rds_import_exporter::simulator::{
    Account, Instance, Kind, Role, Scenario, Simulator, Status, Task,
};

use super::{Pipeline, config};
use crate::exposition::Page;

const ROLE: &str = "acs:ram::1234567890123456:role/exporter";
const FAILURES: &str = "aliyun_rds_import_exporter_api_request_failures_total";

/// The actions of a policy that begin with `service`.
fn actions(policy: &Policy, service: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(&policy.to_string()).unwrap();
    let statements = document["Statement"].as_array().unwrap();
    let actions = statements.iter().map(|statement| statement["Action"].as_str().unwrap());
    actions.filter(|action| action.starts_with(service)).map(str::to_owned).collect()
}

/// A world in which the account's own keys may only take the role, and the role may only `allowed`.
fn scenario(account: &[String], role: &[String]) -> Scenario {
    let tasks = vec![Task::steady(1, Kind::Full, Status::FullImporting)];
    Scenario {
        accounts: vec![Account { allow: Some(account.to_vec()), ..Account::new("default") }],
        roles: vec![Role { allow: Some(role.to_vec()), ..Role::new(ROLE) }],
        ..Scenario::of(vec![Instance::new("rm-1", tasks)])
    }
}

/// Takes the role, finds the instance in all regions, and polls it.
fn wanted(simulator: &Simulator) -> Config {
    let mut config = config(simulator);
    config.instances.clear();
    for account in config.accounts.values_mut() {
        account.endpoints.sts = Some(simulator.base_url());
        let source = Box::new(account.credentials.clone());
        let role = WantedRole { arn: Some(ROLE.to_owned()), ..WantedRole::default() };
        account.credentials = CredentialsSource::RamRoleArn { role, external_id: None, source };
    }
    config.discovery.push(Discovery {
        account: Arc::from("default"),
        regions: Regions::All,
        engines: [Engine::MySQL].into(),
        tags: Default::default(),
        resource_group_id: None,
        exclude: BTreeSet::new(),
        refresh_interval: Duration::from_secs(60),
    });
    config
}

async fn start(account: &[String], role: &[String]) -> Pipeline {
    let hands = super::hands();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator =
        Simulator::bind(scenario(account, role), hands.clock(), loopback).await.unwrap();
    let config = wanted(&simulator);
    Pipeline::of(simulator, &config, hands).await
}

async fn policy() -> Policy {
    let loopback = "127.0.0.1:0".parse().unwrap();
    let simulator = Simulator::bind(scenario(&[], &[]), super::hands().clock(), loopback).await;
    Policy::new(&wanted(&simulator.unwrap()), None).unwrap()
}

fn failures(page: &Page) -> f64 {
    page.samples(FAILURES).iter().map(|sample| sample.value).sum()
}

async fn assert_fails_with(daemon: &Pipeline, region: &str, code: &str) {
    let labels = [("code", code), ("region_id", region)];
    daemon.until(code, |page| page.value(FAILURES, &labels) >= Some(1.0)).await;
}

#[tokio::test]
async fn a_key_with_exactly_the_policy_can_do_all_that_the_daemon_does() {
    let policy = policy().await;
    let pipeline = start(&actions(&policy, "sts:"), &actions(&policy, "rds:")).await;
    let page = pipeline.until_up("rm-1", true).await;
    assert_eq!(failures(&page), 0.0);
}

#[tokio::test]
async fn without_any_of_its_actions_something_fails() {
    let policy = policy().await;
    let (sts, rds) = (actions(&policy, "sts:"), actions(&policy, "rds:"));

    assert_fails_with(&start(&[], &rds).await, "", "NoPermission").await;
    // The service asks for no permission to list regions.
    let needed = rds.iter().filter(|action| *action != "rds:DescribeRegions");
    for left_out in needed {
        let rest: Vec<_> = rds.iter().filter(|action| *action != left_out).cloned().collect();
        assert_fails_with(&start(&sts, &rest).await, "cn-hangzhou", "Forbidden.RAM").await;
    }
}
