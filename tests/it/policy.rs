//! The `policy` command: exact for what a configuration does. That it suffices is shown in
//! `pipeline::policy`.

use std::path::{Path, PathBuf};
use std::process::Command;

use aliyun_rds_import_exporter::config::load::from_str;
use aliyun_rds_import_exporter::config::{Config, Environment};
use aliyun_rds_import_exporter::policy::{Policy, PolicyError};

use crate::golden::{assert_golden, root};

fn config(text: &str) -> Config {
    from_str(text, "config.yaml", Path::new(""), &Environment::default()).unwrap().config
}

fn policy(text: &str) -> Policy {
    Policy::new(&config(text), None).unwrap()
}

const LISTED: &str = "
instances:
  - {id: rm-2, region: cn-hangzhou, engine: MySQL}
  - {id: rm-1, region: eu-central-1, engine: SQLServer}
";

#[test]
fn is_exact_for_the_features_in_use() {
    let role = "accounts: {default: {credentials: {type: ram_role_arn, role_arn: 'acs:ram::1234567890:role/exporter'}}}";
    for (golden, text) in [
        ("listed", LISTED.to_owned()),
        ("role", format!("{role}\n{LISTED}")),
        ("regions", format!("discovery: [{{regions: [cn-hangzhou, cn-beijing]}}]\n{LISTED}")),
        ("all-regions", format!("{role}\ndiscovery: [{{regions: [all]}}]\n{LISTED}")),
    ] {
        let document = format!("{}\n", policy(&text));
        assert!(serde_json::from_str::<serde_json::Value>(&document).is_ok(), "{document}");
        let file = format!("tests/golden/policy-{golden}.json");
        assert_golden(PathBuf::from(file), &document);
    }
}

#[test]
fn each_account_has_its_own() {
    let text = "
accounts: {prod: {}, idle: {}, test: {}}
instances: [{id: rm-1, region: cn-hangzhou, engine: MySQL, account: prod}]
discovery: [{account: test, regions: [cn-beijing]}]
";
    let config = config(text);
    let of = |name| Policy::new(&config, Some(name)).map(|policy| policy.to_string());

    let prod = of("prod").unwrap();
    assert!(prod.contains("acs:rds:cn-hangzhou:*:dbinstance/rm-1"), "{prod}");
    assert!(!prod.contains("DescribeDBInstances") && !prod.contains("cn-beijing"), "{prod}");
    let test = of("test").unwrap();
    assert!(test.contains("DescribeDBInstances") && !test.contains("rm-1"), "{test}");

    assert!(matches!(of("idle"), Err(PolicyError::Unused { .. })));
    assert!(matches!(of("Prod"), Err(PolicyError::Unknown { .. })));
    assert!(matches!(Policy::new(&config, None), Err(PolicyError::Several { .. })));
}

#[test]
fn a_policy_too_long_for_ram_allows_the_regions_and_says_so() {
    let instances = (0..1_000).map(|n| {
        let region = if n % 2 == 0 { "cn-hangzhou" } else { "cn-beijing" };
        format!("  - {{id: rm-bp1{n:013}, region: {region}, engine: MySQL}}\n")
    });
    let policy = policy(&format!("instances:\n{}", instances.collect::<String>()));
    let document = policy.to_string();

    assert!(document.len() <= 6_144);
    for region in ["cn-hangzhou", "cn-beijing"] {
        assert!(document.contains(&format!("acs:rds:{region}:*:dbinstance/*")), "{document}");
    }
    assert!(policy.notes[0].contains("6144 characters"), "{:?}", policy.notes);
}

#[test]
fn stdout_holds_the_document_and_nothing_else() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"));
        command.env_clear().current_dir(root()).args(arguments).output().unwrap()
    };
    let file = "--config.file=tests/config/good/warnings.yaml";

    let output = run(&["policy", file, "--account=slow"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["Version"], "1");
    let resource = &document["Statement"][0]["Resource"];
    assert_eq!(*resource, serde_json::json!(["acs:rds:cn-hangzhou:*:dbinstance/rm-3"]));

    for (arguments, told) in [
        (&["policy", file][..], "error: --account is missing"),
        (&["policy", file, "--account=nobody"], "error: --account \"nobody\": there is no such"),
        (&["policy", file, "--account=unused"], "error: accounts.unused: no instance"),
    ] {
        let output = run(arguments);
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(told), "{message}");
    }
}
