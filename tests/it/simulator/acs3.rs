//! Signature ACS3-HMAC-SHA256 on the wire: who passes, and with which code the others do not.

use std::collections::BTreeMap;

use aliyun_rds_import_exporter::simulator::{Key, Scenario};
use chrono::TimeDelta;
use serde::Deserialize;

use super::raw::{self, Request};
use super::{Fixture, KEY, SECRET, account, instance, scenario};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
    sdk_requests: Vec<Captured>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    method: String,
    headers: BTreeMap<String, String>,
    body: String,
    access_key_id: String,
    access_key_secret: String,
    canonical_query: String,
    canonical_request: String,
    string_to_sign: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Captured {
    url: String,
    method: String,
    headers: BTreeMap<String, String>,
    access_key_secret: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../vectors/signature-v3.json")).unwrap()
}

/// A world at the time of a vector, with its key, which is a temporary one if the vector has a token.
async fn fixture_of(headers: &BTreeMap<String, String>, key_id: &str, secret: &str) -> Fixture {
    let mut account = account();
    account.access_key_id = Some("LTAI_UNUSED".to_owned());
    account.more_keys = vec![Key {
        access_key_id: key_id.to_owned(),
        access_key_secret: secret.to_owned(),
        security_token: headers.get("x-acs-security-token").cloned(),
        ..Key::default()
    }];
    let scenario = Scenario { accounts: vec![account], ..scenario(vec![instance(3)], Vec::new()) };
    let fixture = Fixture::start(scenario).await;
    let time = headers["x-acs-date"].parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    fixture.hands.jump(time - super::start());
    fixture
}

fn bytes(method: &str, query: &str, headers: &BTreeMap<String, String>, body: &str) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!(
        "{method} /?{query} HTTP/1.1\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{body}",
        headers.collect::<String>(),
        body.len()
    )
    .into_bytes()
}

fn bytes_of(vector: &Vector) -> Vec<u8> {
    let mut headers = vector.headers.clone();
    headers.insert("Authorization".to_owned(), vector.authorization.clone());
    bytes(&vector.method, &vector.canonical_query, &headers, &vector.body)
}

#[tokio::test]
async fn every_vector_passes_the_signature_check_on_the_wire() {
    for vector in vectors().vectors {
        let secret = &vector.access_key_secret;
        let fixture = fixture_of(&vector.headers, &vector.access_key_id, secret).await;
        let answer = raw::send(fixture.address, &bytes_of(&vector)).await.unwrap();
        // Some ask for what the simulator does not have: the gate's answer is what counts.
        let (status, code) = answer.outcome();
        let of_operations =
            ["", "InvalidDBInstanceId.NotFound", "InvalidParameter.RoleSessionName"];
        assert!(
            of_operations.contains(&code.as_str())
                || code == "NoSuchVersion" && vector.id == "published-runinstances",
            "{}: {status} {code}",
            vector.id
        );
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_the_stages_of_every_vector() {
    for vector in vectors().vectors {
        let fixture = fixture_of(&vector.headers, &vector.access_key_id, "another secret").await;
        let answer = raw::send(fixture.address, &bytes_of(&vector)).await.unwrap();
        assert_eq!(answer.outcome(), (400, "SignatureDoesNotMatch".to_owned()), "{}", vector.id);
        let message = answer.json()["Message"].as_str().unwrap().to_owned();
        let told = message.split("string to sign is:").nth(1).unwrap();
        let (to_sign, request) = told.split_once(" server canonical request is:").unwrap();
        assert_eq!(request, vector.canonical_request, "{}", vector.id);
        assert_eq!(to_sign, vector.string_to_sign, "{}", vector.id);
    }
}

#[tokio::test]
async fn a_request_captured_from_the_official_sdk_passes() {
    let captured = vectors().sdk_requests.remove(0);
    let key_id = &captured.headers["x-acs-accesskey-id"];
    let fixture = fixture_of(&captured.headers, key_id, &captured.access_key_secret).await;
    let query = captured.url.split_once('?').unwrap().1;
    let bytes = bytes(&captured.method, query, &captured.headers, "");
    let answer = raw::send(fixture.address, &bytes).await.unwrap();
    assert_eq!(answer.outcome(), (404, "InvalidDBInstanceId.NotFound".to_owned()));
}

#[tokio::test]
async fn each_broken_signature_has_its_code() {
    type Break = fn(Request) -> Request;
    let cases: &[(&str, Break, u16, &str)] = &[
        ("nothing", |r| r, 200, ""),
        (
            "unknown key",
            |r| r.with("AccessKeyId", "LTAI_OTHER"),
            404,
            "InvalidAccessKeyId.NotFound",
        ),
        ("no nonce", |r| r.without_header("x-acs-signature-nonce"), 400, "MissingParameter"),
        (
            "long nonce",
            |r| r.header("x-acs-signature-nonce", &"n".repeat(129)),
            400,
            "InvalidParameter",
        ),
        ("no time", |r| r.without_header("x-acs-date"), 400, "IllegalTimestamp"),
        (
            "time without seconds",
            |r| r.header("x-acs-date", "2024-01-02T03:04Z"),
            400,
            "InvalidTimeStamp.Format",
        ),
        ("no content hash", |r| r.without_header("x-acs-content-sha256"), 400, "MissingParameter"),
        (
            "a hash of something else",
            |r| r.header("x-acs-content-sha256", &"0".repeat(64)),
            400,
            "SignatureDoesNotMatch",
        ),
        ("no action", |r| r.without_header("x-acs-action"), 400, "MissingParameter"),
        ("no version", |r| r.without_header("x-acs-version"), 400, "MissingParameter"),
        ("other version", |r| r.header("x-acs-version", "2020-01-01"), 400, "NoSuchVersion"),
        (
            "token of nobody",
            |r| r.with("SecurityToken", "t"),
            400,
            "InvalidSecurityToken.MismatchWithAccessKey",
        ),
    ];
    for (what, alter, status, code) in cases {
        let fixture = Fixture::with(1, Vec::new()).await;
        let request = alter(fixture.request().in_headers()).signed_in_headers(SECRET, "");
        let answer = fixture.send_plain(&request).await;
        assert_eq!(answer.outcome(), (*status, (*code).to_owned()), "{what}");
    }
}

#[tokio::test]
async fn a_signing_time_may_be_fifteen_minutes_off_either_way() {
    for (seconds, code) in [
        (-900, ""),
        (900, ""),
        (-901, "InvalidTimeStamp.Expired"),
        (901, "InvalidTimeStamp.Expired"),
    ] {
        let fixture = Fixture::with(1, Vec::new()).await;
        let time = fixture.hands.clock().now() + TimeDelta::seconds(seconds);
        let time = time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let request = fixture.request().in_headers().header("x-acs-date", &time);
        let answer = fixture.send_plain(&request.signed_in_headers(SECRET, "")).await;
        assert_eq!(answer.outcome().1, code, "{seconds}");
    }
}

#[tokio::test]
async fn what_is_changed_or_left_unsigned_is_refused() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let request = || fixture.request().in_headers();
    let sound = request().signed_in_headers(SECRET, "");
    let changed = [
        ("parameter", sound.clone().with("PageSize", "50")),
        ("method", sound.clone().by("POST")),
        ("header", sound.clone().header("x-acs-action", "DescribeRegions")),
        ("secret", request().signed_in_headers("wrong", "")),
    ];
    for (what, request) in changed {
        let answer = fixture.send_plain(&request).await;
        assert_eq!(answer.outcome(), (400, "SignatureDoesNotMatch".to_owned()), "{what}");
    }
    let incomplete = (400, "IncompleteSignature".to_owned());
    for header in ["host", "x-acs-action", "x-acs-date", "x-acs-content-sha256"] {
        let answer = fixture.send_plain(&request().signed_in_headers(SECRET, header)).await;
        assert_eq!(answer.outcome(), incomplete, "{header}");
    }
    let added = sound.header("x-acs-more", "unsigned");
    assert_eq!(fixture.send_plain(&added).await.outcome(), incomplete);

    let other = request().header("authorization", "ACS3-RSA-SHA256 Credential=x");
    let other = fixture.send_plain(&other).await;
    assert_eq!(other.outcome(), (400, "InvalidSignatureMethod".to_owned()));
}

#[tokio::test]
async fn a_nonce_is_used_once_by_either_signature() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let request = || fixture.request().with("SignatureNonce", "the same");
    let in_headers = request().in_headers().signed_in_headers(SECRET, "");
    assert_eq!(fixture.send_plain(&in_headers).await.status, 200);
    let again = request().in_headers().signed_in_headers(SECRET, "");
    let used = (400, "SignatureNonceUsed".to_owned());
    assert_eq!(fixture.send_plain(&again).await.outcome(), used);
    assert_eq!(fixture.send(&request()).await.outcome(), used);
}

#[tokio::test]
async fn a_form_is_signed_by_its_hash() {
    let fixture = Fixture::with(5, Vec::new()).await;
    let request = || fixture.request().by("POST").in_form(&["DBInstanceId", "Engine"]).in_headers();
    let answer = fixture.send_plain(&request().signed_in_headers(SECRET, "")).await;
    assert_eq!(answer.ids(), [5, 4, 3, 2, 1]);

    let mut tampered = request().signed_in_headers(SECRET, "");
    tampered.form.as_mut().unwrap().insert("Engine".to_owned(), "SQLServer".to_owned());
    let tampered = fixture.send_plain(&tampered).await;
    assert_eq!(tampered.outcome(), (400, "SignatureDoesNotMatch".to_owned()));
}

#[tokio::test]
async fn the_format_is_what_accept_or_format_asks_for_and_else_json() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let formats = [
        (fixture.request().in_headers(), "application/json;charset=utf-8"),
        (fixture.request().in_headers().without_header("accept"), "application/json;charset=utf-8"),
        (
            fixture.request().in_headers().header("accept", "application/xml"),
            "text/xml;charset=utf-8",
        ),
        (fixture.request().in_headers().with("Format", "XML"), "text/xml;charset=utf-8"),
    ];
    for (request, expected) in formats {
        let answer = fixture.send_plain(&request.signed_in_headers(SECRET, "")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)));
    }
}

#[tokio::test]
async fn the_record_tells_the_signature_and_the_action_of_either_form() {
    let fixture = Fixture::with(1, Vec::new()).await;
    fixture.page(1).await;
    let request = fixture.request().in_headers().signed_in_headers(SECRET, "");
    fixture.send_plain(&request).await;
    let requests = fixture.control.requests();
    let signatures: Vec<_> = requests.iter().map(|request| request.signature.unwrap()).collect();
    assert_eq!(signatures, ["HMAC-SHA1", "ACS3-HMAC-SHA256"]);
    for request in requests {
        assert_eq!(request.action.as_deref(), Some("DescibeImportsFromDatabase"));
        assert_eq!(request.access_key_id.as_deref(), Some(KEY));
        assert_eq!(request.account.as_deref(), Some("default"));
        assert_eq!(request.path, "/");
    }
}
