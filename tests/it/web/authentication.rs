//! Users, the rate limit and headers: who gets an answer, and what is in every one.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::certificates::{ALICE, Folder, tls, users};
use super::{Answer, Server, instance};

const PATHS: [&str; 8] = [
    "/",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/config",
    "/nowhere",
    "http://elsewhere.example/metrics",
];

pub(super) fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials))
}

/// Refused, and with nothing that would tell what is behind.
fn assert_unauthorized(answer: &Answer, head: bool, what: &str) {
    assert_eq!(answer.status(), 401, "{what}");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic realm="), "{what}: {challenge}");
    if !head {
        assert_eq!(answer.text(), "unauthorized\n", "{what}");
    }
    let lines = answer.headers();
    let known = ["content-type", "content-length", "www-authenticate", "x-content-type-options"];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap().to_lowercase();
        assert!(known.contains(&name.as_str()), "{what} tells {line}");
    }
}

#[tokio::test]
async fn without_a_user_nothing_is_told_on_any_path() {
    let folder = Folder::with(&users());
    let server = Server::guarded(&folder).await;
    server.store.publish(instance("rm-secret", 3, 7));
    let mut client = server.connect().await;
    for credentials in [
        String::new(),
        basic("alice:"),
        basic("alice:wonderlands"),
        basic("bob:wonderland"),
        basic("wonderland"),
        "Authorization: Bearer wonderland\r\n".to_owned(),
        "Authorization: Basic\r\n".to_owned(),
        "Authorization: Basic !\r\n".to_owned(),
        "Proxy-Authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n".to_owned(),
    ] {
        for path in PATHS {
            for method in ["GET", "HEAD", "POST", "OPTIONS", "TRACE"] {
                let answer = client.request(method, path, &credentials).await;
                let what = format!("{method} {path} {credentials}");
                assert_unauthorized(&answer, method == "HEAD", &what);
            }
        }
    }
}

#[tokio::test]
async fn a_user_gets_what_everybody_gets_without_users() {
    let folder = Folder::with(&users());
    let server = Server::guarded(&folder).await;
    let mut client = server.connect().await;
    for (path, status) in
        [("/", 200), ("/metrics", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/nowhere", 404)]
    {
        let answer = client.request("GET", path, &basic(ALICE)).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    assert_eq!(client.request("POST", "/metrics", &basic(ALICE)).await.status(), 405);
}

#[tokio::test]
async fn without_a_user_nothing_is_told_over_http_2() {
    let folder = Folder::with(&(tls("") + &users()));
    let server = Server::guarded(&folder).await;
    server.store.publish(instance("rm-secret", 3, 7));
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/config", "/nowhere"] {
        for options in [
            &["--http2"][..],
            &["--http2", "--head"],
            &["--http2", "--request", "POST"],
            &["--http2", "--user", "alice:wonderlands"],
            &["--http1.1"],
        ] {
            let told = server.curl(&folder, path, options).await;
            let version = if options[0] == "--http2" { "HTTP/2 401" } else { "HTTP/1.1 401" };
            assert!(told.starts_with(version), "{path} {options:?}: {told:?}");
            let body = told.text.split_once("\r\n\r\n").unwrap().1;
            assert!(["unauthorized\n", ""].contains(&body), "{path} {options:?}: {body}");
            assert!(!told.text.contains("rm-secret"));
        }
    }
    let told = server.curl(&folder, "/metrics", &["--http2", "--user", ALICE]).await;
    assert!(told.starts_with("HTTP/2 200") && told.text.contains("rm-secret"), "{told:?}");
}

#[tokio::test]
async fn refusals_are_counted_by_the_handler_that_was_asked_for() {
    let folder = Folder::with(&users());
    let server = Server::guarded(&folder).await;
    server.get("/metrics").await;
    server.get("/nowhere").await;

    let page = server.connect().await.request("GET", "/metrics", &basic(ALICE)).await;

    let page = crate::exposition::parse(page.text()).unwrap();
    let requests = "aliyun_rds_import_exporter_http_requests_total";
    for handler in ["metrics", "other"] {
        let labels = [("handler", handler), ("code", "401")];
        assert_eq!(page.value(requests, &labels), Some(1.0), "{handler}");
    }
}

#[tokio::test]
async fn more_requests_than_the_rate_are_refused_until_time_has_passed() {
    let folder = Folder::with("rate_limit: {interval: 10s, burst: 3}\n");
    let server = Server::guarded(&folder).await;
    let mut client = server.connect().await;
    for (path, status) in [
        ("/metrics", 200),
        ("/nowhere", 404),
        ("/-/healthy", 200),
        ("/-/healthy", 429),
        ("/metrics", 429),
    ] {
        assert_eq!(client.get(path).await.status(), status, "{path}");
    }
    server.hands.advance(Duration::from_secs(10));
    assert_eq!(client.get("/-/healthy").await.status(), 200);
    assert_eq!(client.get("/-/healthy").await.status(), 429);
}

#[tokio::test]
async fn a_limit_that_stays_goes_on_counting_when_the_file_changes() {
    let folder = Folder::with("rate_limit: {interval: 10s, burst: 1}\n");
    let server = Server::guarded(&folder).await;
    assert_eq!(server.get("/-/healthy").await.status(), 200);

    folder.write("web.yml", "rate_limit: {interval: 10s, burst: 1} # the same\n");
    assert_eq!(server.get("/-/healthy").await.status(), 429);
    folder.write("web.yml", "rate_limit: {interval: 10s, burst: 2}\n");
    assert_eq!(server.get("/-/healthy").await.status(), 200);
}

#[tokio::test]
async fn headers_are_in_every_answer_and_replace_our_own() {
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    \
                   Strict-Transport-Security: max-age=60\n    Content-Security-Policy: default-src 'self'\n";
    let folder = Folder::with(&(users() + headers));
    let server = Server::guarded(&folder).await;
    let mut client = server.connect().await;
    for (path, credentials, status) in [
        ("/", basic(ALICE), 200),
        ("/metrics", basic(ALICE), 200),
        ("/nowhere", basic(ALICE), 404),
        ("/metrics", String::new(), 401),
    ] {
        let answer = client.request("GET", path, &credentials).await;
        assert_eq!(answer.status(), status, "{path}");
        for (name, value) in [
            ("x-frame-options", "sameorigin"),
            ("strict-transport-security", "max-age=60"),
            ("content-security-policy", "default-src 'self'"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}
