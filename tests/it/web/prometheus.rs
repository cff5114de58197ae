//! A real Prometheus that has to show who it is.

use std::time::Duration;

use crate::pipeline::binary::{Binary, until};
use crate::pipeline::prometheus::Prometheus;

use super::certificates::{Folder, dns, tls, users};
use super::within;

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_over_tls_with_a_certificate_and_a_password_and_not_without() {
    let folder = Folder::new();
    let more = "client_auth_type: RequireAndVerifyClientCert\nclient_ca_file: ca.pem\n\
                client_allowed_sans: [prometheus.example]\n";
    folder.write("web.yml", &(tls(more) + &users()));
    folder.write_identity("client", &folder.authority.issue(&[dns("prometheus.example")]));
    folder.write_identity("stranger", &folder.authority.issue(&[dns("stranger.example")]));
    let web_config = format!("--web.config.file={}", folder.web_yml().display());
    let mut demo = Binary::start(&["demo", "--web.listen-address=127.0.0.1:0", &web_config], &[]);
    let metrics = tokio::task::block_in_place(|| demo.told("metrics:"));
    let target = metrics.strip_prefix("https://").unwrap().strip_suffix("/metrics").unwrap();

    let job = |name: &str, certificate: &str, password: &str| {
        let path = |file: &str| folder.path(file).display().to_string();
        let certificate = match certificate {
            "" => String::new(),
            name => format!(
                ", cert_file: '{}', key_file: '{}'",
                path(&format!("{name}.pem")),
                path(&format!("{name}.key"))
            ),
        };
        format!(
            "- job_name: {name}\n  scheme: https\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  \
             tls_config: {{ca_file: '{}'{certificate}}}\n  \
             basic_auth: {{username: alice, password: {password}}}\n  \
             static_configs:\n  - targets: ['{target}']\n",
            path("ca.pem"),
        )
    };
    let jobs = [
        job("known", "client", "wonderland"),
        job("guesser", "client", "wonderwall"),
        job("stranger", "stranger", "wonderland"),
        job("nobody", "", "wonderland"),
    ];
    let prometheus =
        Prometheus::start(folder.root(), &format!("scrape_configs:\n{}", jobs.concat()));

    let up = |job: &str| prometheus.query(&format!("up%7Bjob=%22{job}%22%7D"));
    until(&up("known"), |answer| answer.contains(r#","1"]"#)).await;
    for other in ["guesser", "stranger", "nobody"] {
        until(&up(other), |answer| answer.contains(r#","0"]"#)).await;
    }
    let tasks = prometheus.query("count(aliyun_rds_import_task_status)by(job)");
    let answer = until(&tasks, |answer| answer.contains("known")).await;
    assert!(!["guesser", "stranger", "nobody"].iter().any(|other| answer.contains(other)));

    // A certificate that was rotated is taken up, and no scrape is lost to it.
    folder.write_identity("server", &folder.authority.server());
    let url = format!("https://{target}/-/ready");
    let rotated = within(async {
        loop {
            let output = tokio::process::Command::new("curl")
                .args(["--silent", "--user", "alice:wonderland", "--cacert", "ca.pem"])
                .args(["--cert", "client.pem", "--key", "client.key", &url])
                .current_dir(folder.root())
                .output()
                .await
                .unwrap();
            if output.stdout.starts_with(b"ready") {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(rotated.await);
    let lost = prometheus.query("min_over_time(up%7Bjob=%22known%22%7D[10m])");
    until(&lost, |answer| answer.contains(r#","1"]"#)).await;

    let (code, ..) = tokio::task::block_in_place(|| demo.stop());
    assert_eq!(code, Some(0));
}
