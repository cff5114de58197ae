//! Roles that STS gives: what it is asked, and what is told of its refusals.

use aliyun_rds_import_exporter::auth::signature_v3;
use aliyun_rds_import_exporter::config::{CredentialsSource, Role, SecretSource, Signature};
use aliyun_rds_import_exporter::secret::Secret;

use super::service::{Answer, Request, Service, keys};
use super::{ONE_O_CLOCK, ROLE, World, key, oidc, role, role_of, told};

fn role_keys() -> String {
    keys("STS.role", "role-secret", "role-token", ONE_O_CLOCK)
}

fn by_key() -> CredentialsSource {
    CredentialsSource::AccessKey(key("LTAI", "secret"))
}

fn by_token() -> CredentialsSource {
    let security_token = SecretSource::Inline(Secret::new("to/ken"));
    CredentialsSource::Sts { key: key("STS.source", "secret"), security_token }
}

async fn asked(source: CredentialsSource, signature: Signature) -> Request {
    let sts = Service::sts(&role_keys()).await;
    let mut world = World::new(source).with_sts(&sts);
    world.account.signature = signature;
    assert_eq!(told(&world.credentials().await.unwrap()), "STS.role role-secret role-token");
    let mut requests = sts.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn a_role_is_asked_for_with_all_that_is_configured() {
    let role = Role {
        session_name: Some("rds".into()),
        policy: Some("{\"Version\": \"1\"}".into()),
        duration: Some(std::time::Duration::from_secs(900)),
        ..role()
    };
    let external_id = Some("a b+c".into());
    let source = CredentialsSource::RamRoleArn { role, external_id, source: Box::new(by_key()) };
    let request = asked(source, Signature::HmacSha1).await;

    assert_eq!((request.method.as_str(), request.path()), ("POST", "/"));
    let expected = [
        ("DurationSeconds", "900"),
        ("ExternalId", "a b+c"),
        ("Policy", "{\"Version\": \"1\"}"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "rds"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.form(), expected.into());
    let query = request.query();
    for (name, value) in [
        ("Action", "AssumeRole"),
        ("Version", "2015-04-01"),
        ("AccessKeyId", "LTAI"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("Timestamp", super::NOON),
    ] {
        assert_eq!(query[name], value);
    }
    assert!(query.contains_key("Signature"));
}

#[tokio::test]
async fn a_session_has_a_name_and_a_duration_by_default() {
    let form = asked(role_of(by_key()), Signature::HmacSha1).await.form();
    assert_eq!(form["RoleSessionName"], "aliyun-rds-import-exporter");
    assert_eq!(form["DurationSeconds"], "3600");
}

#[tokio::test]
async fn v3_signs_what_goes_over_the_wire() {
    let request = asked(role_of(by_token()), Signature::Acs3HmacSha256).await;

    let authorization = &request.headers["authorization"];
    let (_, rest) = authorization.split_once("SignedHeaders=").unwrap();
    let (names, _) = rest.split_once(',').unwrap();
    assert_eq!(
        names,
        "content-type;host;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-date;\
         x-acs-security-token;x-acs-signature-nonce;x-acs-version"
    );
    let headers: Vec<_> =
        names.split(';').map(|name| (name, request.headers[name].as_str())).collect();
    let signed = signature_v3::Request {
        method: &request.method,
        path: request.path(),
        query: &[],
        headers: &headers,
        payload_hash: &signature_v3::hash(request.body.as_bytes()),
    };
    let signed = signature_v3::sign(&signed, "STS.source", &Secret::new("secret"));
    assert_eq!(*authorization, signed.authorization);
    assert_eq!(request.headers["x-acs-action"], "AssumeRole");
    assert_eq!(request.headers["x-acs-security-token"], "to/ken");
}

#[tokio::test]
async fn an_oidc_token_goes_into_the_body_of_an_unsigned_call_and_nowhere_else() {
    for signature in [Signature::HmacSha1, Signature::Acs3HmacSha256] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "oidc.to+ken\n").unwrap();
        let request = asked(oidc(&file), signature).await;

        assert_eq!(request.method, "POST");
        let form = request.form();
        assert_eq!(form["OIDCToken"], "oidc.to+ken");
        assert_eq!(form["OIDCProviderArn"], "acs:ram::1234567890:oidc-provider/ack");
        assert_eq!(form["RoleArn"], ROLE);
        let query = request.query();
        let names: Vec<_> = query.keys().map(String::as_str).collect();
        assert_eq!(names, ["Action", "Format", "Timestamp", "Version"]);
        assert_eq!(query["Action"], "AssumeRoleWithOIDC");
        assert!(!request.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn the_oidc_token_is_read_again_each_time() {
    let sts = Service::sts(&role_keys()).await;
    let mut world = World::new(CredentialsSource::Default).with_sts(&sts);
    world.account.credentials = oidc(&world.write("token", "first"));
    let provider = world.provider();
    let first = provider.credentials().await.unwrap();

    world.write("token", "second");
    provider.invalidate(&first);
    provider.credentials().await.unwrap();

    let tokens: Vec<_> = sts.requests().iter().map(|r| r.form()["OIDCToken"].clone()).collect();
    assert_eq!(tokens, ["first", "second"]);
}

#[tokio::test]
async fn sts_calls_are_counted_without_a_region() {
    let sts = Service::sts(&role_keys()).await;
    let world = World::new(role_of(by_key())).with_sts(&sts);
    let provider = world.provider();
    let labels = [("account", "default"), ("action", "AssumeRole"), ("region_id", "")];
    assert_eq!(world.sample("api_requests_total", &labels), Some(0.0));
    provider.credentials().await.unwrap();
    assert_eq!(world.sample("api_requests_total", &labels), Some(1.0));
    assert_eq!(world.sample("api_request_failures_total", &labels), None);
}

#[tokio::test]
async fn refusals_are_told_and_counted_by_code() {
    for (answer, code, text) in [
        (
            Answer::error(403, "NoPermission", "not allowed"),
            "NoPermission",
            "answered NoPermission: not allowed (RequestId R-1); grant sts:AssumeRole on the role, \
             and check its trust policy",
        ),
        (
            Answer::error(400, "SomethingNew", "a\nb"),
            "other",
            "answered SomethingNew: a b (RequestId R-1)",
        ),
        (
            Answer { status: 502, ..Answer::ok("<html>") },
            "http_502",
            "answered HTTP status 502 and no error of STS's; check proxy and endpoint",
        ),
        (Answer::ok("{}"), "bad_response", "has a value of another type than expected"),
        (
            Answer::ok("{\"Credentials\": {\"AccessKeyId\": \"x\"}}"),
            "bad_response",
            "has no Expiration",
        ),
    ] {
        let sts = Service::start(move |_| answer.clone()).await;
        let world = World::new(role_of(by_key())).with_sts(&sts);
        let error = world.error().await;
        assert!(error.starts_with(&format!("ram_role_arn: {ROLE} cannot be taken: ")), "{error}");
        assert!(error.contains(text), "{error}");
        let labels = [("action", "AssumeRole"), ("code", code), ("region_id", "")];
        assert_eq!(world.sample("api_request_failures_total", &labels), Some(1.0), "{code}");
    }
}

#[tokio::test]
async fn a_source_without_keys_is_named_inside_the_role() {
    let source = CredentialsSource::Profile { name: None, file: Some("/nonexistent".into()) };
    let error = World::new(role_of(source)).error().await;
    assert_eq!(
        error,
        format!(
            "ram_role_arn: the keys to take {ROLE} with: profile: cannot read /nonexistent: No \
             such file or directory (os error 2)"
        )
    );
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_refusal() {
    let sts = Service::start(|request| {
        if request.query()["Timestamp"] == "2026-11-24T10:00:00Z" {
            let keys = keys("STS.role", "s", "t", "2026-11-24T11:00:00Z");
            let date = Some("Tue, 24 Nov 2026 10:00:00 GMT");
            return Answer { date, ..Answer::ok(format!("{{\"Credentials\": {keys}}}")) };
        }
        let date = Some("Tue, 24 Nov 2026 10:00:00 GMT");
        Answer { date, ..Answer::error(400, "InvalidTimeStamp.Expired", "too late") }
    })
    .await;
    let world = World::new(role_of(by_key())).with_sts(&sts);
    assert!(world.credentials().await.is_ok());
    assert_eq!(sts.requests().len(), 2);
    let nonces: std::collections::BTreeSet<_> =
        sts.requests().iter().map(|r| r.query()["SignatureNonce"].clone()).collect();
    assert_eq!(nonces.len(), 2);
}
