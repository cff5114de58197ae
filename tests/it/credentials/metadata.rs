//! The ECS metadata service: its session token, and when it is asked without one.

use aliyun_rds_import_exporter::config::CredentialsSource;

use super::service::{Answer, Service, keys};
use super::{ONE_O_CLOCK, World, told};

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";

fn world(service: &Service) -> World {
    World::new(CredentialsSource::EcsRamRole { role_name: None }).with_metadata(service)
}

fn monitoring() -> String {
    keys("STS.ecs", "secret", "token", ONE_O_CLOCK)
}

/// A service that knows no session tokens.
async fn old_service() -> Service {
    Service::start(|request| match (request.method.as_str(), request.path()) {
        ("GET", ROLES) => Answer::ok("monitoring"),
        ("GET", path) if path == format!("{ROLES}monitoring") => Answer::ok(monitoring()),
        _ => Answer::status(404),
    })
    .await
}

#[tokio::test]
async fn it_is_asked_for_a_token_first_and_then_with_it() {
    let service = Service::metadata(&monitoring()).await;
    world(&service).credentials().await.unwrap();

    let requests = service.requests();
    let asked: Vec<_> = requests.iter().map(|r| (r.method.as_str(), r.target.as_str())).collect();
    let keys_of_role = format!("{ROLES}monitoring");
    assert_eq!(
        asked,
        [("PUT", "/latest/api/token"), ("GET", ROLES), ("GET", keys_of_role.as_str())]
    );
    assert_eq!(requests[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"], "21600");
    assert!(requests[1..].iter().all(|request| request.headers[TOKEN_HEADER] == "metadata-token"));
}

#[tokio::test]
async fn a_named_role_is_not_asked_for() {
    let service = Service::metadata(&monitoring()).await;
    let configured = CredentialsSource::EcsRamRole { role_name: Some("monitoring".into()) };
    World::new(configured).with_metadata(&service).credentials().await.unwrap();
    world(&service)
        .with_variable("ALIBABA_CLOUD_ECS_METADATA", "monitoring")
        .credentials()
        .await
        .unwrap();
    assert!(service.requests().iter().all(|request| request.target != ROLES));
}

#[tokio::test]
async fn a_service_without_tokens_is_asked_without_one() {
    let service = old_service().await;
    let credentials = world(&service).credentials().await.unwrap();
    assert_eq!(told(&credentials), "STS.ecs secret token");
    let requests = service.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| !request.headers.contains_key(TOKEN_HEADER)));
}

#[tokio::test]
async fn going_on_without_a_token_can_be_disabled() {
    let service = old_service().await;
    let world = world(&service).with_variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true");
    assert_eq!(
        world.error().await,
        format!(
            "ecs_ram_role: {}/latest/api/token answered HTTP status 404; going on without a token \
             is disabled by ALIBABA_CLOUD_IMDSV1_DISABLED",
            service.url()
        )
    );
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_disabled_service_is_not_asked() {
    let service = Service::metadata(&monitoring()).await;
    let world = world(&service).with_variable("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "TRUE");
    assert_eq!(
        world.error().await,
        "ecs_ram_role: the metadata service is disabled by ALIBABA_CLOUD_ECS_METADATA_DISABLED"
    );
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn answers_that_make_no_sense_are_told_with_their_url_and_nothing_of_them() {
    let good = monitoring();
    let without = |field: &str| {
        let mut keys: serde_json::Value = serde_json::from_str(&good).unwrap();
        keys.as_object_mut().unwrap().remove(field);
        keys.to_string()
    };
    for (answer, problem) in [
        (Answer::ok("<html>c4nary"), "is not JSON, at line 1 column 1"),
        (Answer::ok(&good[..good.len() / 2]), "is cut off, at line 1 column"),
        (Answer::ok("\"c4nary\""), "has a value of another type than expected, at line 1 column"),
        (Answer::ok("{\"Code\": \"c4nary\"}"), "has another Code than Success"),
        (Answer::ok(without("Code")), "has no Code"),
        (Answer::ok(without("AccessKeyId")), "has no AccessKeyId"),
        (Answer::ok(without("AccessKeySecret")), "has no AccessKeySecret"),
        (Answer::ok(without("SecurityToken")), "has no SecurityToken"),
        (Answer::ok(without("Expiration")), "has no Expiration"),
        (
            Answer::ok(keys("STS.ecs", "c4nary", "c4nary", "c4nary")),
            "has an Expiration that is not a time such as 2026-11-24T12:00:00Z",
        ),
        (
            Answer::ok(keys("STS.ecs", "c4nary", "c4nary", super::NOON)),
            "holds keys that expired at 2026-11-24T12:00:00+00:00",
        ),
    ] {
        let service = Service::start(move |request| match request.path() {
            "/latest/api/token" => Answer::ok("metadata-token"),
            ROLES => Answer::ok("monitoring"),
            _ => answer.clone(),
        })
        .await;
        let error = world(&service).error().await;
        let expected =
            format!("ecs_ram_role: the answer of {}{ROLES}monitoring {problem}", service.url());
        assert!(error.starts_with(&expected), "{error}");
        assert!(!error.contains("c4nary"), "{error}");
    }
}

#[tokio::test]
async fn roles_that_are_not_there_are_named() {
    let none = Service::start(|request| match request.path() {
        "/latest/api/token" => Answer::ok("metadata-token"),
        _ => Answer::status(404),
    })
    .await;
    let url = none.url();
    assert_eq!(
        world(&none).error().await,
        format!("ecs_ram_role: {url}{ROLES}: this ECS instance has no RAM role")
    );
    let other = CredentialsSource::EcsRamRole { role_name: Some("other".into()) };
    assert_eq!(
        World::new(other).with_metadata(&none).error().await,
        format!("ecs_ram_role: {url}{ROLES}other: this ECS instance does not have the role other")
    );
    let odd = Service::start(|_| Answer::ok("../../c4nary ?")).await;
    let error = world(&odd).error().await;
    assert!(error.ends_with("answered with something that is no role's name"), "{error}");
}

#[tokio::test]
async fn expiry_is_reckoned_from_when_the_service_says_it_answered() {
    // Our clock is two hours ahead: the keys would have expired already.
    let answer = Answer {
        date: Some("Tue, 24 Nov 2026 10:00:00 GMT"),
        ..Answer::ok(keys("STS.ecs", "secret", "token", "2026-11-24T11:00:00Z"))
    };
    let service = Service::start(move |request| match request.path() {
        "/latest/api/token" => Answer::ok("metadata-token"),
        ROLES => Answer::ok("monitoring"),
        _ => answer.clone(),
    })
    .await;
    let world = world(&service);
    assert!(world.credentials().await.is_ok());
}
