//! What each path answers to each method.

use std::time::Duration;

use aliyun_rds_import_exporter::readiness::Readiness;
use aliyun_rds_import_exporter::web::Limits;

use crate::exposition::parse;

use super::Server;

const PATHS: [&str; 6] =
    ["/", "/metrics", "/api/v1/tasks", "/api/v1/instances", "/-/healthy", "/-/ready"];

#[tokio::test]
async fn every_path_answers_get() {
    let server = Server::start().await;
    for (path, content_type, start) in [
        ("/", "text/html; charset=utf-8", "<!DOCTYPE html>\n"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP "),
        ("/api/v1/tasks", "application/json", "{\"timestamp_seconds\":"),
        ("/api/v1/instances", "application/json", "{\"timestamp_seconds\":"),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy\n"),
        ("/-/ready", "text/plain; charset=utf-8", "ready\n"),
        ("/config", "text/plain; charset=utf-8", "accounts: "),
        ("/-/ready?verbose=1", "text/plain; charset=utf-8", "ready\n"),
    ] {
        let answer = server.get(path).await;
        assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {}", answer.head);
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(answer.text().starts_with(start), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for path in PATHS.into_iter().filter(|path| *path != "/metrics") {
        let got = client.get(path).await;
        let head = client.request("HEAD", path, "").await;
        assert_eq!(head.headers(), got.headers(), "{path}");
        assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()));
    }
    // A body would be taken for the head of this answer.
    assert_eq!(client.get("/-/healthy").await.text(), "healthy\n");
}

#[tokio::test]
async fn head_of_the_metrics_has_their_headers_plain_and_compressed() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for accept in ["", "Accept-Encoding: gzip\r\n"] {
        let got = client.request("GET", "/metrics", accept).await;
        let head = client.request("HEAD", "/metrics", accept).await;
        // Their sizes differ: the page counts its requests and shows the state of the process.
        let but_size = |answer: &super::Answer| {
            let lines = answer.headers().into_iter();
            lines
                .filter(|line| !line.starts_with("content-length"))
                .map(String::from)
                .collect::<Vec<_>>()
        };
        assert_eq!(but_size(&head), but_size(&got));
        assert!(head.header("content-length").unwrap().parse::<u64>().unwrap() > 100);
    }
    assert_eq!(client.get("/-/healthy").await.text(), "healthy\n");
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let server = Server::start().await;
    for path in PATHS {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"] {
            let answer = server.connect().await.request(method, path, "").await;
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert!(answer.text().starts_with("method not allowed"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_reload_is_asked_for_by_post_or_put() {
    let server = Server::start().await;
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let answer = server.connect().await.request(method, "/-/reload", "").await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.header("allow"), Some("POST, PUT"), "{method}");
    }
    for method in ["POST", "PUT"] {
        let answer = server.connect().await.request(method, "/-/reload", "").await;
        assert_eq!(answer.status(), 500, "{method}");
        assert_eq!(answer.text(), "not reloaded: the daemon is stopping\n");
    }
}

#[tokio::test]
async fn proxies_and_mirrors_are_refused_wherever_they_point() {
    let server = Server::start().await;
    for (method, target) in [("CONNECT", "example.com:443"), ("TRACE", "/nowhere")] {
        let answer = server.connect().await.request(method, target, "X-Secret: canary\r\n").await;
        assert_eq!(answer.status(), 405, "{method}");
        assert!(!answer.text().contains("canary"));
    }
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = Server::start().await;
    for path in [
        "/metric",
        "/metrics/",
        "//metrics",
        "/METRICS",
        "/%6detrics",
        "/-/",
        "/favicon.ico",
        "/../metrics",
        "*",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{path}");
        assert_eq!(answer.text(), "not found: see / for what is there\n");
    }
}

#[tokio::test]
async fn the_metrics_can_be_elsewhere() {
    let server = Server::with(Limits::default(), "/custom/m:1").await;

    parse(server.get("/custom/m:1").await.text()).unwrap();
    assert_eq!(server.get("/metrics").await.status(), 404);
    assert!(server.get("/").await.text().contains("href=\"./custom/m:1\""));
}

#[tokio::test]
async fn metrics_at_the_root_take_the_place_of_the_status_page() {
    let server = Server::with(Limits::default(), "/").await;

    parse(server.get("/").await.text()).unwrap();
}

#[tokio::test]
async fn a_proxy_may_send_the_whole_url() {
    let server = Server::start().await;

    assert_eq!(server.get("http://exporter.example/-/healthy").await.text(), "healthy\n");
}

#[tokio::test]
async fn ready_tells_why_not() {
    let server = Server::start().await;
    for (readiness, status, text) in [
        (Readiness::Pending("2 of 3 instances".into()), 503, "not ready: 2 of 3 instances\n"),
        (Readiness::Ready, 200, "ready\n"),
        (Readiness::Draining, 503, "not ready: draining\n"),
    ] {
        server.readiness.send_replace(readiness);
        let answer = server.get("/-/ready").await;
        assert_eq!((answer.status(), answer.text()), (status, text));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(server.get("/-/healthy").await.status(), 200, "health depends on nothing");
    }
}

#[tokio::test]
async fn requests_are_counted_by_handler_and_code() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let first = client.get("/metrics").await;
    client.get("/").await;
    client.get("/api/v1/tasks").await;
    client.get("/api/v1/instances?what=1").await;
    client.get("/-/healthy").await;
    server.readiness.send_replace(Readiness::Draining);
    client.get("/-/ready").await;
    client.get("/nowhere").await;
    client.get("/elsewhere").await;
    client.request("POST", "/metrics", "").await;
    // These numbers are a second old at most.
    server.hands.advance(Duration::from_secs(1));
    let last = client.get("/metrics").await;

    let requests = "aliyun_rds_import_exporter_http_requests_total";
    let first = parse(first.text()).unwrap();
    for handler in ["metrics", "status", "api", "healthy", "ready"] {
        let labels = [("handler", handler), ("code", "200")];
        assert_eq!(first.value(requests, &labels), Some(0.0), "{handler}");
    }
    let last = parse(last.text()).unwrap();
    for (handler, code, count) in [
        ("metrics", "200", 1.0),
        ("metrics", "405", 1.0),
        ("status", "200", 1.0),
        ("api", "200", 1.0),
        ("api", "400", 1.0),
        ("healthy", "200", 1.0),
        ("ready", "200", 0.0),
        ("ready", "503", 1.0),
        ("other", "404", 2.0),
    ] {
        let labels = [("handler", handler), ("code", code)];
        assert_eq!(last.value(requests, &labels), Some(count), "{handler} {code}");
    }
    let durations = "aliyun_rds_import_exporter_http_request_duration_seconds_count";
    assert_eq!(last.value(durations, &[("handler", "other")]), Some(2.0));
}
