//! Each type of credentials, alone: what it yields.

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use aliyun_rds_import_exporter::config::{AccessKey, CredentialsSource, SecretSource};
use aliyun_rds_import_exporter::secret::Secret;

use super::service::{Answer, Service, keys};
use super::{ONE_O_CLOCK, World, key, oidc, role_of, told};

#[tokio::test]
async fn every_type_yields_its_keys() {
    let metadata =
        Service::metadata(&keys("STS.ecs", "ecs-secret", "ecs-token", ONE_O_CLOCK)).await;
    let sts = Service::sts(&keys("STS.role", "role-secret", "role-token", ONE_O_CLOCK)).await;
    let uri_keys = keys("STS.uri", "uri-secret", "uri-token", ONE_O_CLOCK);
    let uri = Service::start(move |_| Answer::ok(&uri_keys)).await;
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let static_key = || CredentialsSource::AccessKey(key("LTAI", "secret"));
    let from_files = {
        let mut key = key("LTAI", "");
        key.secret = SecretSource::File(file("secret", "secret\n"));
        CredentialsSource::Sts {
            key,
            security_token: SecretSource::File(file("token", "token\r\n")),
        }
    };
    let profile = file(
        "config.json",
        r#"{"current": "a", "profiles": [{"name": "a", "mode": "AK", "access_key_id": "LTAIcli", "access_key_secret": "cli-secret"}]}"#,
    );
    let uri_of = |uri: String| CredentialsSource::Uri { uri: Some(Secret::new(uri)) };
    for (source, expected) in [
        (static_key(), "LTAI secret -"),
        (from_files, "LTAI secret token"),
        (CredentialsSource::Profile { name: None, file: Some(profile) }, "LTAIcli cli-secret -"),
        (CredentialsSource::EcsRamRole { role_name: None }, "STS.ecs ecs-secret ecs-token"),
        (
            CredentialsSource::EcsRamRole { role_name: Some("monitoring".into()) },
            "STS.ecs ecs-secret ecs-token",
        ),
        (oidc(&file("oidc", "oidc-token\n")), "STS.role role-secret role-token"),
        (role_of(static_key()), "STS.role role-secret role-token"),
        (
            role_of(CredentialsSource::EcsRamRole { role_name: None }),
            "STS.role role-secret role-token",
        ),
        (uri_of(format!("{}/keys?token=x", uri.url())), "STS.uri uri-secret uri-token"),
        (CredentialsSource::Default, "STS.ecs ecs-secret ecs-token"),
    ] {
        let name = format!("{source:?}");
        let world = World::new(source).with_metadata(&metadata).with_sts(&sts);
        let credentials = world.credentials().await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(told(&credentials), expected, "{name}");
    }
    assert_eq!(uri.requests()[0].target, "/keys?token=x");
}

#[tokio::test]
async fn a_credentials_uri_may_leave_the_code_out() {
    let answer =
        keys("STS.uri", "secret", "token", ONE_O_CLOCK).replace("\"Code\":\"Success\",", "");
    assert!(!answer.contains("Success"));
    let service = Service::start(move |_| Answer::ok(&answer)).await;
    let world = World::new(CredentialsSource::Uri { uri: None })
        .with_variable("ALIBABA_CLOUD_CREDENTIALS_URI", service.url());
    assert_eq!(told(&world.credentials().await.unwrap()), "STS.uri secret token");
}

#[tokio::test]
async fn a_key_file_is_read_again_once_its_key_was_refused() {
    let mut world = World::new(CredentialsSource::Default);
    let path = world.write("secret", "old\n");
    let key = AccessKey { id: "LTAI".into(), secret: SecretSource::File(path) };
    world.account.credentials = CredentialsSource::AccessKey(key);
    let provider = world.provider();
    let old = provider.credentials().await.unwrap();
    assert_eq!(told(&old), "LTAI old -");

    world.write("secret", "new\n");
    assert_eq!(told(&provider.credentials().await.unwrap()), "LTAI old -");
    provider.invalidate(&old);
    let new = provider.credentials().await.unwrap();
    assert_eq!(told(&new), "LTAI new -");

    provider.invalidate(&old);
    world.write("secret", "newer\n");
    assert_eq!(
        told(&provider.credentials().await.unwrap()),
        "LTAI new -",
        "only what was refused goes"
    );
}

#[tokio::test]
async fn a_key_file_that_does_not_answer_holds_nothing_else_up() {
    let mut world = World::new(CredentialsSource::Default);
    // Opening a pipe waits for somebody who writes.
    let pipe = world.home.path().join("secret");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is of coreutils");
    assert!(made.success());
    let key = AccessKey { id: "LTAI".into(), secret: SecretSource::File(pipe.clone()) };
    world.account.credentials = CredentialsSource::AccessKey(key);
    let provider = world.provider();
    let (others_run, told_so) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        let did_others_run = told_so.recv_timeout(Duration::from_secs(60)).is_ok();
        std::fs::write(pipe, "late\n").unwrap();
        did_others_run
    });

    let (credentials, ()) =
        tokio::join!(provider.credentials(), async { others_run.send(()).unwrap() });

    assert_eq!(told(&credentials.unwrap()), "LTAI late -");
    assert!(writer.join().unwrap(), "the test's only thread waited for the file");
}
