//! The ECS metadata service and credentials URIs.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    CredentialsUri, Effect, Fault, Field, Hint, Metadata, Role, Scenario, TokenMode, When,
};
use serde_json::Value;

use super::raw::{self, Answer, Request};
use super::{Fixture, instance, scenario};

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const KEYS: &str = "/latest/meta-data/ram/security-credentials/exporter";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";

async fn with(metadata: Metadata, faults: Vec<Fault>) -> Fixture {
    let world = Scenario {
        roles: vec![
            Role::new("acs:ram::1234567890123456:role/exporter"),
            Role::new("acs:ram::1234567890123456:role/other"),
        ],
        metadata,
        credentials_uris: vec![CredentialsUri::new("/credentials", "exporter")],
        ..scenario(vec![instance(2)], faults)
    };
    Fixture::start(world).await
}

async fn get(fixture: &Fixture, path: &'static str) -> Answer {
    fixture.send_plain(&Request::plain("GET", path)).await
}

async fn token(fixture: &Fixture, seconds: &str) -> Answer {
    fixture.send_plain(&Request::plain("PUT", TOKEN).header(TTL_HEADER, seconds)).await
}

async fn get_with(fixture: &Fixture, path: &'static str, token: &str) -> Answer {
    fixture.send_plain(&Request::plain("GET", path).header(TOKEN_HEADER, token)).await
}

/// Asks for tasks with keys that were handed out.
async fn use_keys(fixture: &Fixture, keys: &Value) -> (u16, String) {
    let text = |name: &str| keys[name].as_str().unwrap();
    let request = fixture.request().of(text("AccessKeyId"), Some(text("SecurityToken")));
    fixture.send_plain(&request.signed(text("AccessKeySecret"))).await.outcome()
}

#[tokio::test]
async fn a_role_and_its_keys_come_with_and_without_a_token() {
    let fixture = with(Metadata::of("exporter"), Vec::new()).await;
    let token = token(&fixture, "21600").await;
    assert_eq!((token.status, token.header("content-type")), (200, Some("text/plain")));
    let role = get_with(&fixture, ROLES, token.text()).await;
    assert_eq!((role.status, role.text()), (200, "exporter"));
    assert_eq!(get(&fixture, ROLES).await.text(), "exporter");

    let keys = get_with(&fixture, KEYS, token.text()).await.json();
    assert_eq!(keys["Code"], "Success");
    assert_eq!(keys["Expiration"], "2024-01-02T09:04:05Z");
    assert_eq!(keys["LastUpdated"], "2024-01-02T03:04:05Z");
    assert_eq!(use_keys(&fixture, &keys).await, (200, String::new()));
    assert_eq!(get(&fixture, KEYS).await.json(), keys, "the same keys again");
}

#[tokio::test]
async fn the_same_keys_are_handed_out_until_the_next_are_due() {
    let metadata = Metadata {
        lifetime: Duration::from_secs(3_600),
        renew_before: Some(Duration::from_secs(600)),
        ..Metadata::of("exporter")
    };
    let fixture = with(metadata, Vec::new()).await;
    let first = get(&fixture, KEYS).await.json();
    fixture.advance(2_999);
    assert_eq!(get(&fixture, KEYS).await.json()["AccessKeyId"], first["AccessKeyId"]);
    fixture.advance(1);
    let second = get(&fixture, KEYS).await.json();
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
    assert_eq!(use_keys(&fixture, &first).await.0, 200, "the old ones count until they end");
    fixture.advance(600);
    assert_eq!(use_keys(&fixture, &first).await.1, "InvalidSecurityToken.Expired");
    assert_eq!(use_keys(&fixture, &second).await.0, 200);

    fixture.control.end_sessions();
    let third = get(&fixture, KEYS).await.json();
    assert_ne!(third["AccessKeyId"], second["AccessKeyId"], "ended keys are not handed out");
}

#[tokio::test]
async fn hardened_mode_answers_only_with_a_token_that_counts() {
    let metadata = Metadata { token: TokenMode::Required, ..Metadata::of("exporter") };
    let fixture = with(metadata, Vec::new()).await;
    let granted = token(&fixture, "60").await;
    for path in [ROLES, KEYS] {
        assert_eq!(get(&fixture, path).await.status, 403);
        assert_eq!(get_with(&fixture, path, "made up").await.status, 401);
        assert_eq!(get_with(&fixture, path, granted.text()).await.status, 200);
    }
    fixture.advance(59);
    assert_eq!(get_with(&fixture, KEYS, granted.text()).await.status, 200);
    fixture.advance(1);
    assert_eq!(get_with(&fixture, KEYS, granted.text()).await.status, 401);
}

#[tokio::test]
async fn a_token_is_granted_for_a_time_from_a_second_to_six_hours() {
    let fixture = with(Metadata::default(), Vec::new()).await;
    for (ttl, status) in [("0", 400), ("1", 200), ("21600", 200), ("21601", 400), ("long", 400)] {
        assert_eq!(token(&fixture, ttl).await.status, status, "{ttl}");
    }
    assert_eq!(fixture.send_plain(&Request::plain("PUT", TOKEN)).await.status, 400);
    assert_eq!(get(&fixture, TOKEN).await.status, 405);
    // An unknown token does no good where none is needed.
    assert_eq!(get_with(&fixture, ROLES, "made up").await.status, 401);
}

#[tokio::test]
async fn a_host_without_tokens_answers_without_them() {
    let metadata = Metadata { token: TokenMode::Unsupported, ..Metadata::of("exporter") };
    let fixture = with(metadata, Vec::new()).await;
    assert_eq!(token(&fixture, "60").await.status, 404);
    assert_eq!(get(&fixture, KEYS).await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = with(Metadata::default(), Vec::new()).await;
    for path in [ROLES, KEYS, "/latest/meta-data/instance-id"] {
        assert_eq!(get(&fixture, path).await.status, 404, "{path}");
    }
    fixture.control.set_ecs_role(Some("exporter"));
    assert_eq!(get(&fixture, KEYS).await.status, 200);
    let without_slash = "/latest/meta-data/ram/security-credentials";
    assert_eq!(get(&fixture, without_slash).await.text(), "exporter");
    let other = "/latest/meta-data/ram/security-credentials/other";
    assert_eq!(get(&fixture, other).await.status, 404, "it wears another role");
    let post = fixture.send_plain(&Request::plain("POST", KEYS)).await;
    assert_eq!(post.status, 405);
    let before = get(&fixture, KEYS).await.json();
    fixture.control.set_ecs_role(Some("acs:ram::1234567890123456:role/other"));
    assert_eq!(get(&fixture, ROLES).await.text(), "other");
    let after = get(&fixture, other).await.json();
    assert_ne!(after["AccessKeyId"], before["AccessKeyId"], "another role, another key");
    fixture.control.set_ecs_role(None);
    assert_eq!(get(&fixture, KEYS).await.status, 404);
}

#[tokio::test]
async fn a_client_can_come_through_it_as_its_proxy() {
    let fixture = with(Metadata::of("exporter"), Vec::new()).await;
    let request = format!(
        "GET http://100.100.100.200{ROLES} HTTP/1.1\r\nHost: 100.100.100.200\r\nConnection: close\r\n\r\n"
    );
    let answer = raw::send(fixture.address, request.as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "exporter"));
}

#[tokio::test]
async fn a_credentials_uri_hands_out_keys() {
    let fixture = with(Metadata::default(), Vec::new()).await;
    let keys = get(&fixture, "/credentials").await.json();
    assert_eq!(
        (&keys["Code"], &keys["Expiration"]),
        (&"Success".into(), &"2024-01-02T04:04:05Z".into())
    );
    assert_eq!(use_keys(&fixture, &keys).await, (200, String::new()));
    assert_eq!(fixture.send_plain(&Request::plain("POST", "/credentials")).await.status, 405);
    assert_eq!(get(&fixture, "/credential").await.status, 404);
}

#[tokio::test]
async fn faults_spoil_what_is_handed_out() {
    let fixture = with(Metadata::of("exporter"), Vec::new()).await;
    let on = |action: &str, effect| Fault {
        when: When { action: Some(action.into()), ..When::default() },
        effect,
    };
    let cases = [("MetadataCredentials", KEYS), ("CredentialsUri", "/credentials")];
    for (action, path) in cases {
        let under = async |effect| {
            fixture.control.set_faults(vec![on(action, effect)]);
            assert_eq!(get(&fixture, ROLES).await.status, 200, "another action");
            get(&fixture, path).await
        };
        let expired = under(Effect::ExpiredCredentials).await.json();
        assert_eq!(expired["Expiration"], "2024-01-02T02:04:05Z");
        assert_eq!(use_keys(&fixture, &expired).await.1, "InvalidSecurityToken.Expired");
        assert_eq!(under(Effect::Expiration("soon".into())).await.json()["Expiration"], "soon");
        let failed = under(Effect::CredentialsCode("Failed".into())).await.json();
        assert_eq!(failed["Code"], "Failed");
        let missing = under(Effect::Missing(Field::AccessKeySecret)).await.json();
        assert!(missing.get("AccessKeySecret").is_none() && missing.get("AccessKeyId").is_some());
        assert!(under(Effect::Missing(Field::Code)).await.json().get("Code").is_none());
        let broken = under(Effect::InvalidJson).await;
        assert!(serde_json::from_slice::<Value>(&broken.body).is_err());
        assert_eq!(under(Effect::Http(500)).await.status, 500);
        assert_eq!(under(Effect::Throttle(Hint::default())).await.status, 400);
        let sound = under(Effect::NoDate).await.json();
        assert_eq!(use_keys(&fixture, &sound).await.0, 200, "the next answer is sound");
    }
    fixture.control.set_faults(vec![on("MetadataToken", Effect::Http(500))]);
    assert_eq!(token(&fixture, "60").await.status, 500);
    fixture.control.set_faults(vec![on("MetadataRoleName", Effect::Html(200))]);
    assert!(get(&fixture, ROLES).await.text().contains("<html>"));
}

#[tokio::test]
async fn the_record_tells_what_was_asked_for() {
    let fixture = with(Metadata::of("exporter"), Vec::new()).await;
    token(&fixture, "60").await;
    for path in [ROLES, KEYS, "/credentials", "/latest/meta-data/"] {
        get(&fixture, path).await;
    }
    let requests = fixture.control.requests();
    let actions: Vec<_> = requests.iter().map(|r| (r.action.as_deref(), r.status)).collect();
    assert_eq!(
        actions,
        [
            (Some("MetadataToken"), Some(200)),
            (Some("MetadataRoleName"), Some(200)),
            (Some("MetadataCredentials"), Some(200)),
            (Some("CredentialsUri"), Some(200)),
            (None, Some(404)),
        ]
    );
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("PUT", TOKEN));
}
