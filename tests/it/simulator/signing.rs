//! Who passes the gate, and with which code the others do not.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::raw::{self, Request};
use super::{Fixture, KEY, SECRET, account, instance, scenario};
use aliyun_rds_import_exporter::simulator::{Effect, Fault};

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    method: String,
    query: BTreeMap<String, String>,
    form_body: Option<BTreeMap<String, String>>,
    form_body_encoded: Option<String>,
    access_key_secret: String,
    string_to_sign: String,
    signed_query: String,
}

fn vectors() -> Vec<Vector> {
    let vectors = include_str!("../../vectors/signature-v1.json");
    let mut vectors = serde_json::from_str::<Vectors>(vectors).unwrap().vectors;
    // An old page of the documentation signs `TimeStamp`, which no request may send; the tests beside
    // the signature's code hold it.
    vectors.retain(|vector| vector.id != "published-timestamp");
    assert_eq!(vectors.len(), 9);
    vectors
}

async fn fixture_of(vector: &Vector, secret: &str) -> Fixture {
    let mut account = account();
    account.access_key_id = Some(vector.query["AccessKeyId"].clone());
    account.access_key_secret = Some(secret.to_owned());
    let mut scenario = scenario(vec![instance(3)], Vec::new());
    scenario.accounts = vec![account];
    let fixture = Fixture::start(scenario).await;
    let time = vector.query["Timestamp"].parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    fixture.hands.jump(time - super::start());
    fixture
}

fn bytes_of(vector: &Vector) -> Vec<u8> {
    let form = vector.form_body_encoded.as_deref().unwrap_or_default();
    let kind = vector
        .form_body
        .as_ref()
        .map_or("", |_| "Content-Type: application/x-www-form-urlencoded\r\n");
    format!(
        "{} /?{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{form}",
        vector.method,
        vector.signed_query,
        form.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn every_vector_passes_the_signature_check_on_the_wire() {
    for vector in vectors() {
        let fixture = fixture_of(&vector, &vector.access_key_secret).await;
        let answer = raw::send(fixture.address, &bytes_of(&vector)).await.unwrap();
        // Most ask for other operations, or carry a token: the gate's answer is what counts.
        let text = answer.text();
        assert!(!text.contains("Signature"), "{}: {text}", vector.id);
        assert!(!text.contains("TimeStamp"), "{}: {text}", vector.id);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_the_string_to_sign_of_every_vector() {
    for vector in vectors() {
        let fixture = fixture_of(&vector, "another secret").await;
        let answer = raw::send(fixture.address, &bytes_of(&vector)).await.unwrap();
        assert_eq!(answer.status, 400, "{}", vector.id);
        let text = answer.text().replace("&amp;", "&");
        assert!(text.contains("SignatureDoesNotMatch"), "{}: {text}", vector.id);
        // The legacy SDK takes what follows the first colon for the string to sign.
        let echoed = text.split("is:").nth(1).unwrap().split(['<', '"']).next().unwrap();
        assert_eq!(echoed, vector.string_to_sign, "{}", vector.id);
    }
}

#[tokio::test]
async fn each_broken_signature_has_its_documented_code() {
    type Break = fn(Request) -> Request;
    let stale = |fixture: &Fixture, minutes: i64| {
        let time = fixture.hands.clock().now() + TimeDelta::seconds(minutes);
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let cases: &[(&str, Break, u16, &str)] = &[
        ("nothing", |r| r, 200, ""),
        ("no key", |r| r.without("AccessKeyId"), 400, "MissingParameter"),
        ("empty key", |r| r.with("AccessKeyId", ""), 400, "MissingParameter"),
        (
            "unknown key",
            |r| r.with("AccessKeyId", "LTAI_OTHER"),
            404,
            "InvalidAccessKeyId.NotFound",
        ),
        ("no method", |r| r.without("SignatureMethod"), 400, "MissingParameter"),
        ("SHA-256", |r| r.with("SignatureMethod", "HMAC-SHA256"), 400, "InvalidSignatureMethod"),
        ("no version", |r| r.without("SignatureVersion"), 400, "MissingParameter"),
        ("version 2.0", |r| r.with("SignatureVersion", "2.0"), 400, "IncompleteSignature"),
        ("no nonce", |r| r.without("SignatureNonce"), 400, "MissingParameter"),
        ("long nonce", |r| r.with("SignatureNonce", &"n".repeat(129)), 400, "InvalidParameter"),
        ("no time", |r| r.without("Timestamp"), 400, "IllegalTimestamp"),
        (
            "time without seconds",
            |r| r.with("Timestamp", "2024-01-02T03:04Z"),
            400,
            "InvalidTimeStamp.Format",
        ),
        (
            "time with fraction",
            |r| r.with("Timestamp", "2024-01-02T03:04:05.0Z"),
            400,
            "InvalidTimeStamp.Format",
        ),
        (
            "time with zone",
            |r| r.with("Timestamp", "2024-01-02T03:04:05+00:00"),
            400,
            "InvalidTimeStamp.Format",
        ),
        (
            "no such day",
            |r| r.with("Timestamp", "2024-02-30T03:04:05Z"),
            400,
            "InvalidTimeStamp.Format",
        ),
        (
            "token of nobody",
            |r| r.with("SecurityToken", "t"),
            400,
            "InvalidSecurityToken.MismatchWithAccessKey",
        ),
    ];
    for (what, alter, status, code) in cases {
        let fixture = Fixture::with(1, Vec::new()).await;
        let answer = fixture.send(&alter(fixture.request())).await;
        assert_eq!(answer.outcome(), (*status, (*code).to_owned()), "{what}");
    }

    for (seconds, code) in [
        (-900, ""),
        (900, ""),
        (-901, "InvalidTimeStamp.Expired"),
        (901, "InvalidTimeStamp.Expired"),
    ] {
        let fixture = Fixture::with(1, Vec::new()).await;
        let request = fixture.request().with("Timestamp", &stale(&fixture, seconds));
        assert_eq!(fixture.send(&request).await.outcome().1, code, "{seconds}");
    }
}

#[tokio::test]
async fn a_signature_that_is_missing_or_of_something_else_is_refused() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let unsigned = fixture.request().send(fixture.address).await.unwrap();
    assert_eq!(unsigned.outcome(), (400, "IncompleteSignature".to_owned()));

    let altered = fixture.request().signed(SECRET).with("PageSize", "50");
    let altered = altered.send(fixture.address).await.unwrap();
    assert_eq!(altered.outcome(), (400, "SignatureDoesNotMatch".to_owned()));

    let other_method = fixture.request().signed(SECRET).by("POST");
    let other_method = other_method.send(fixture.address).await.unwrap();
    assert_eq!(other_method.outcome(), (400, "SignatureDoesNotMatch".to_owned()));
}

#[tokio::test]
async fn a_nonce_is_used_once_until_it_is_forgotten() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let request = || fixture.request().with("SignatureNonce", "the same");
    assert_eq!(fixture.send(&request()).await.status, 200);
    assert_eq!(fixture.send(&request()).await.outcome(), (400, "SignatureNonceUsed".to_owned()));

    let refused = request().signed("wrong").send(fixture.address).await.unwrap();
    assert_eq!(refused.outcome().1, "SignatureDoesNotMatch", "the signature is looked at first");

    fixture.advance(31 * 60);
    assert_eq!(fixture.send(&request()).await.outcome().1, "SignatureNonceUsed");
    fixture.advance(1);
    assert_eq!(fixture.send(&request()).await.status, 200);
}

#[tokio::test]
async fn a_key_can_be_disabled_and_enabled() {
    let mut scenario = scenario(vec![instance(1)], Vec::new());
    scenario.accounts[0].inactive = true;
    let fixture = Fixture::start(scenario).await;
    let inactive = (400, "InvalidAccessKeyId.Inactive".to_owned());
    assert_eq!(fixture.page(1).await.outcome(), inactive);

    assert!(fixture.control.set_key_active("default", true));
    assert_eq!(fixture.page(1).await.status, 200);
    assert!(fixture.control.set_key_active("default", false));
    assert_eq!(fixture.page(1).await.outcome(), inactive);
    assert!(!fixture.control.set_key_active("nobody", true));
}

#[tokio::test]
async fn skew_moves_the_date_and_the_accepted_times() {
    let skew = Fault::always(Effect::ClockSkew(TimeDelta::minutes(20)));
    let fixture = Fixture::with(1, vec![skew]).await;
    let refused = fixture.page(1).await;
    assert_eq!(refused.outcome(), (400, "InvalidTimeStamp.Expired".to_owned()));
    assert_eq!(refused.header("date"), Some("Tue, 02 Jan 2024 03:24:05 GMT"));

    let corrected = fixture.request().with("Timestamp", "2024-01-02T03:24:05Z");
    assert_eq!(fixture.send(&corrected).await.status, 200);
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_the_record_shows_no_signature() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let mut stream = tokio::net::TcpStream::connect(fixture.address).await.unwrap();
    for number in 1..=3 {
        let request = fixture.request().with("PageNumber", &number.to_string()).signed(SECRET);
        stream.write_all(&request.bytes("keep-alive")).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"}") {
            assert!(stream.read_buf(&mut received).await.unwrap() > 0);
        }
        assert!(received.starts_with(b"HTTP/1.1 200"));
    }
    let requests = fixture.control.requests();
    assert_eq!(requests.len(), 3);
    for (number, request) in (1..).zip(requests) {
        assert_eq!(request.method, "GET");
        assert_eq!(request.at, super::start());
        assert_eq!(request.account.as_deref(), Some("default"));
        assert_eq!((request.status, &request.code), (Some(200), &None));
        assert_eq!(request.parameter("PageNumber"), Some(number.to_string().as_str()));
        assert_eq!(request.parameter("AccessKeyId"), Some(KEY));
        assert_eq!(request.parameter("Signature"), None);
    }
    fixture.control.clear_requests();
    assert!(fixture.control.requests().is_empty());
    assert_eq!(fixture.control.request_count(), 3);
}
