//! Plain and compressed metrics.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::exposition::parse;

use super::{Answer, Client, Server, instance, within};

const TEXT: &str = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
const OPENMETRICS: &str =
    "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
/// What Prometheus 2.42 accepts.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

async fn metrics(server: &Server, accept_encoding: &str) -> Answer {
    let headers = format!("Accept-Encoding: {accept_encoding}\r\n");
    server.connect().await.request("GET", "/metrics", &headers).await
}

/// What does not change from scrape to scrape.
fn lasting(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("aliyun_rds_import_task")).collect()
}

#[tokio::test]
async fn compresses_when_the_client_wants_it_and_says_so() {
    let server = Server::start().await;
    server.store.publish(instance("rm-1", 100, 7));
    for (accept_encoding, compressed) in [
        ("gzip", true),
        ("gzip, deflate, br", true),
        ("*", true),
        ("identity;q=0.5, gzip;q=0.9", true),
        ("", false),
        ("identity", false),
        ("br", false),
        ("gzip;q=0", false),
        ("*;q=0", false),
        ("gzip;q=0, *;q=1", false),
        ("identity, gzip;q=0.5", false),
    ] {
        let answer = metrics(&server, accept_encoding).await;
        let encoding = answer.header("content-encoding");
        assert_eq!(encoding, compressed.then_some("gzip"), "{accept_encoding:?}");
        assert_eq!(answer.body.starts_with(&[0x1f, 0x8b]), compressed, "{accept_encoding:?}");
        assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    }
}

#[tokio::test]
async fn the_content_type_is_exact_plain_compressed_and_for_head() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for method in ["GET", "HEAD"] {
        for headers in [
            "",
            "Accept-Encoding: gzip\r\n",
            "Accept: application/openmetrics-text;version=0.0.1\r\n",
            "Accept: text/html\r\n",
            "Accept: application/vnd.google.protobuf\r\n",
        ] {
            let answer = client.request(method, "/metrics", headers).await;
            assert_eq!(answer.status(), 200, "{method} {headers}");
            assert!(answer.head.contains(TEXT), "{method} {headers}: {}", answer.head);
        }
        for coding in ["", "Accept-Encoding: gzip\r\n"] {
            let headers = format!("Accept: {PROMETHEUS}\r\n{coding}");
            let answer = client.request(method, "/metrics", &headers).await;
            assert!(answer.head.contains(OPENMETRICS), "{method} {headers}: {}", answer.head);
        }
    }
}

#[tokio::test]
async fn gzip_is_one_member_that_everyone_can_read() {
    let server = Server::start().await;
    server.store.publish(instance("rm-1", 1_000, 7));
    let plain = metrics(&server, "identity").await;
    let compressed = metrics(&server, "gzip").await;
    assert!(compressed.body.len() * 5 < plain.body.len());

    let mut by_flate2 = String::new();
    let mut decoder = flate2::bufread::GzDecoder::new(compressed.body.as_slice());
    decoder.read_to_string(&mut by_flate2).unwrap();
    assert!(decoder.into_inner().is_empty(), "something stands behind the first member");

    assert_eq!(python_zlib(&compressed.body), by_flate2);
    assert_eq!(lasting(&by_flate2), lasting(plain.text()));
    parse(&by_flate2).unwrap();
}

fn python_zlib(compressed: &[u8]) -> String {
    const PROGRAM: &str = "import sys, zlib
gzip = zlib.decompressobj(31)
text = gzip.decompress(sys.stdin.buffer.read())
assert gzip.eof and not gzip.unused_data
sys.stdout.buffer.write(text)";
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 must run: install the Debian package python3");
    let mut input = python.stdin.take().unwrap();
    let compressed = compressed.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&compressed).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_reads_plain_and_compressed_alike() {
    let server = Server::start().await;
    server.store.publish(instance("rm-1", 1_000, 7));
    let url = format!("http://{}/metrics", server.address);
    let curl = async |arguments: &'static [&'static str]| {
        let url = url.clone();
        let run = move || {
            Command::new("curl")
                .args(["--silent", "--show-error", "--fail", "--noproxy", "*"])
                .args(arguments)
                .arg(url)
                .output()
                .expect("curl must run: install the Debian package curl")
        };
        let output = within(tokio::task::spawn_blocking(run)).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };

    let plain = curl(&[]).await;
    let compressed = curl(&["--compressed"]).await;
    let head = curl(&["--head"]).await;

    parse(&plain).unwrap();
    parse(&compressed).unwrap();
    assert_eq!(lasting(&plain), lasting(&compressed));
    assert!(head.contains(TEXT), "{head}");
}

#[tokio::test]
async fn only_the_metrics_are_compressed() {
    let server = Server::start().await;
    for path in ["/", "/-/healthy", "/-/ready", "/nowhere"] {
        let mut client: Client = server.connect().await;
        let answer = client.request("GET", path, "Accept-Encoding: gzip\r\n").await;
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
}
