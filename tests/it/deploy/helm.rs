//! The Helm chart, rendered and linted by Helm's own code, and the plain manifests made from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{files, list, python, read, rules, run, text, yaml};
use crate::golden::{assert_golden, root};

const CHART: &str = "deploy/kubernetes/chart";

/// Every value set of `tests/charts`, rendered. That alone holds it to the schemas.
static RENDERED: LazyLock<Value> = LazyLock::new(|| {
    let sets = ["tests/charts", "tests/charts/bad"].map(|directory| files(directory, &[".yaml"]));
    let sets = sets.iter().flatten().map(|file| text(file));
    let arguments: Vec<_> = ["tests/schemas/chart.py", CHART].into_iter().chain(sets).collect();
    serde_json::from_str(&python(&arguments)).unwrap()
});

fn objects(set: &str) -> Vec<&'static Value> {
    list(&RENDERED[set]["objects"]).collect()
}

fn object(set: &str, kind: &str) -> &'static Value {
    let found = objects(set).into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("{set} has no {kind}"))
}

fn kinds(set: &str) -> Vec<&'static str> {
    objects(set).iter().map(|object| object["kind"].as_str().unwrap()).collect()
}

fn container(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]["containers"][0]
}

fn arguments(workload: &Value) -> Vec<&str> {
    list(&container(workload)["args"]).map(|argument| argument.as_str().unwrap()).collect()
}

#[test]
fn one_process_is_a_deployment_that_is_never_there_twice() {
    let deployment = object("access-key", "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    assert!(!kinds("access-key").contains(&"StatefulSet"));
    assert!(arguments(deployment).iter().all(|argument| !argument.contains("shard")));
}

#[test]
fn shards_are_the_pods_of_a_stateful_set() {
    let set = object("everything", "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 3);
    assert!(arguments(set).contains(&"--total-shards=3"));
    assert!(!kinds("everything").contains(&"Deployment"));
    let service = object("everything", "Service");
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    assert_eq!(service["spec"]["clusterIP"], "None");
}

#[test]
fn secrets_are_only_referred_to() {
    for set in ["access-key", "everything", "webhook-rrsa"] {
        assert!(!kinds(set).contains(&"Secret"), "{set}");
    }
    let environment = &container(object("access-key", "Deployment"))["env"];
    for (variable, key) in [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "access-key-id"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "access-key-secret"),
    ] {
        let reference = json!({"name": "aliyun-rds-import-exporter", "key": key});
        let wanted = json!({"name": variable, "valueFrom": {"secretKeyRef": reference}});
        assert!(list(environment).any(|given| *given == wanted), "{variable}: {environment}");
    }
}

#[test]
fn a_role_of_a_service_account_gets_its_token_from_the_chart_or_from_the_webhook() {
    let pod = &object("everything", "StatefulSet")["spec"]["template"]["spec"];
    let token = &list(&pod["volumes"]).find(|v| v["name"] == "rrsa-token").unwrap()["projected"]["sources"]
        [0]["serviceAccountToken"];
    assert_eq!(token["audience"], "sts.aliyuncs.com");
    let mount =
        list(&pod["containers"][0]["volumeMounts"]).find(|m| m["name"] == "rrsa-token").unwrap();
    let file =
        format!("{}/{}", mount["mountPath"].as_str().unwrap(), token["path"].as_str().unwrap());
    let environment: BTreeMap<_, _> = list(&pod["containers"][0]["env"])
        .map(|variable| (variable["name"].as_str().unwrap(), &variable["value"]))
        .collect();
    assert_eq!(environment["ALIBABA_CLOUD_OIDC_TOKEN_FILE"], file.as_str());
    assert_eq!(environment["ALIBABA_CLOUD_ROLE_ARN"], "acs:ram::1234567890123456:role/rds-imports");
    assert!(environment.contains_key("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"));

    for set in ["everything", "webhook-rrsa"] {
        let account = object(set, "ServiceAccount");
        let role = &account["metadata"]["annotations"]["pod-identity.alibabacloud.com/role-name"];
        assert_eq!(role, "rds-imports", "{set}");
    }
    let pod = &object("webhook-rrsa", "Deployment")["spec"]["template"]["spec"];
    assert!(pod["containers"][0]["env"].is_null());
    assert_eq!(list(&pod["volumes"]).count(), 1);
}

#[test]
fn the_rules_are_the_shipped_ones() {
    let shipped = yaml(rules::RULES);
    assert_eq!(object("webhook-rrsa", "PrometheusRule")["spec"], shipped);
    let linked = object("everything", "PrometheusRule")["spec"].to_string();
    assert!(linked.contains("https://example.com/runbooks#rdsimporttaskfailed"));
    let back = linked.replace("https://example.com/runbooks", "docs/runbooks.md");
    assert_eq!(serde_json::from_str::<Value>(&back).unwrap(), shipped);
}

#[test]
fn the_job_is_named_as_the_rules_know_it() {
    let monitor = object("everything", "ServiceMonitor");
    let relabelings = list(&monitor["spec"]["endpoints"][0]["relabelings"]);
    let mut jobs = relabelings.filter(|rule| rule["targetLabel"] == "job");
    assert_eq!(jobs.next().unwrap()["replacement"], "aliyun-rds-import");
    assert!(read(rules::RULES).contains("up{job=\"aliyun-rds-import\"}"));
    let config = yaml("deploy/prometheus/prometheus.yml");
    assert_eq!(config["scrape_configs"][0]["job_name"], "aliyun-rds-import");
}

#[test]
fn the_dashboards_are_the_shipped_ones() {
    let maps = objects("everything").into_iter().filter(|object| object["kind"] == "ConfigMap");
    let dashboards =
        maps.into_iter().find(|map| map["metadata"]["name"] == "rds-imports-dashboards");
    let dashboards = dashboards.unwrap()["data"].as_object().unwrap();
    let shipped = files("deploy/grafana/dashboards", &[".json"]);
    assert_eq!(dashboards.len(), shipped.len());
    for file in shipped {
        let key = format!("aliyun-rds-import-{}", file.file_name().unwrap().to_str().unwrap());
        let rendered: Value = serde_json::from_str(dashboards[&key].as_str().unwrap()).unwrap();
        assert_eq!(rendered, serde_json::from_str::<Value>(&read(&file)).unwrap(), "{key}");
    }
}

#[test]
fn selectors_choose_the_pods() {
    for set in ["access-key", "everything", "webhook-rrsa"] {
        let workloads = ["Deployment", "StatefulSet"];
        let workload =
            objects(set).into_iter().find(|o| workloads.iter().any(|kind| o["kind"] == *kind));
        let labels =
            workload.unwrap()["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
        for object in objects(set) {
            let spec = &object["spec"];
            let selector = match object["kind"].as_str().unwrap() {
                "Service" => &spec["selector"],
                "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
                "Deployment" | "StatefulSet" | "PodDisruptionBudget" => {
                    &spec["selector"]["matchLabels"]
                }
                _ => continue,
            };
            let selector = selector.as_object().expect("a selector");
            assert!(
                !selector.is_empty() && selector.iter().all(|(k, v)| labels.get(k) == Some(v)),
                "{object}"
            );
        }
    }
}

#[test]
fn the_service_monitor_finds_the_service_and_its_port() {
    let monitor = &object("everything", "ServiceMonitor")["spec"];
    let service = object("everything", "Service");
    let labels = &service["metadata"]["labels"];
    let wanted = monitor["selector"]["matchLabels"].as_object().unwrap();
    assert!(wanted.iter().all(|(name, value)| labels[name] == *value), "{labels}");
    let endpoint = &monitor["endpoints"][0];
    assert!(list(&service["spec"]["ports"]).any(|port| port["name"] == endpoint["port"]));
    assert_eq!(monitor["namespaceSelector"]["matchNames"], json!(["monitoring"]));
    assert_eq!(endpoint["scheme"], "https", "more of the endpoint is taken over");
}

#[test]
fn probes_ask_for_health_and_only_for_the_port_where_users_are_asked_for() {
    let plain = container(object("access-key", "Deployment"));
    assert_eq!(plain["livenessProbe"]["httpGet"]["path"], "/-/healthy");
    assert_eq!(plain["readinessProbe"]["httpGet"]["path"], "/-/ready");
    let guarded = container(object("everything", "StatefulSet"));
    assert_eq!(guarded["livenessProbe"]["tcpSocket"]["port"], "http");
    assert!(guarded["readinessProbe"]["httpGet"].is_null());
}

#[test]
fn the_binary_knows_every_flag() {
    let help = run(env!("CARGO_BIN_EXE_aliyun-rds-import-exporter"), "", &["run", "--help"]);
    for set in ["access-key", "everything"] {
        let kind = if set == "everything" { "StatefulSet" } else { "Deployment" };
        let workload = object(set, kind);
        let (command, flags) =
            arguments(workload).split_first().map(|(c, f)| (*c, f.to_vec())).unwrap();
        assert_eq!(command, "run");
        for flag in flags {
            let name = flag.split('=').next().unwrap();
            assert!(help.contains(name), "{name}");
        }
    }
}

#[test]
fn the_rendered_configuration_is_one_that_the_exporter_takes() {
    let config = object("access-key", "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let binary = env!("CARGO_BIN_EXE_aliyun-rds-import-exporter");
    run(binary, "", &["check", "--config.file", text(&file)]);
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for file in files("tests/charts/bad", &[".yaml"]) {
        let key = file.file_stem().unwrap().to_str().unwrap();
        let refused = RENDERED[key]["refused"].as_str().unwrap();
        assert!(refused.contains(key), "{key}: {refused}");
    }
}

#[test]
fn the_chart_carries_the_version_of_the_program() {
    let chart = yaml(format!("{CHART}/Chart.yaml"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_plain_manifests_are_the_chart_rendered() {
    let mut manifests = "\
# Rendered from the chart with tests/charts/access-key.yaml by `UPDATE_GOLDEN=1 cargo test`; change it
# there. The secret has to exist:
#   kubectl --namespace monitoring create secret generic aliyun-rds-import-exporter \\
#       --from-file=access-key-id --from-file=access-key-secret
"
    .to_owned();
    for (template, text) in RENDERED["access-key"]["text"].as_object().unwrap() {
        let lines = text.as_str().unwrap().lines();
        // Nobody's release.
        let own =
            lines.filter(|line| !line.contains("helm.sh/chart:") && !line.contains("managed-by:"));
        writeln!(manifests, "---\n# {template}\n{}", own.collect::<Vec<_>>().join("\n")).unwrap();
    }
    assert_golden("deploy/kubernetes/manifests/aliyun-rds-import-exporter.yaml", &manifests);
    assert!(root().join(CHART).join("files/dashboards").is_symlink(), "one source, linked");
}
