//! What cannot serve: each says which provider it is, and which path or variable.

use std::path::Path;

use aliyun_rds_import_exporter::config::{AccessKey, CredentialsSource, SecretSource};
use aliyun_rds_import_exporter::secret::Secret;

use super::service::{Answer, Service};
use super::{World, key, oidc};

fn from_file(path: &Path) -> CredentialsSource {
    let secret = SecretSource::File(path.to_owned());
    CredentialsSource::AccessKey(AccessKey { id: "LTAI".into(), secret })
}

fn token_from_file(path: &Path) -> CredentialsSource {
    let security_token = SecretSource::File(path.to_owned());
    CredentialsSource::Sts { key: key("STS.1", "secret"), security_token }
}

#[tokio::test]
async fn files_that_cannot_serve_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let missing = folder.path().join("missing");
    let empty = file("empty", b"\n");
    let lines = file("lines", b"c4nary\nc4nary");
    let binary = file("binary", b"\xff\xfe");
    let huge = file("huge", &vec![b'x'; (1 << 20) + 1]);

    type Make = fn(&Path) -> CredentialsSource;
    for (provider, key, make) in [
        ("access_key", "access_key_secret_file", from_file as Make),
        ("sts", "security_token_file", token_from_file),
        ("oidc_role_arn", "oidc_token_file", oidc),
    ] {
        for (path, problem) in [
            (&missing, "cannot read PATH: No such file or directory (os error 2)"),
            (&folder.path().to_owned(), "cannot read PATH: Is a directory (os error 21)"),
            (&binary, "cannot read PATH: stream did not contain valid UTF-8"),
            (&huge, "PATH is larger than 1 MiB"),
            (&empty, "PATH must hold the secret on one line"),
            (&lines, "PATH must hold the secret on one line"),
        ] {
            let error = World::new(make(path)).error().await;
            let problem = problem.replace("PATH", &path.display().to_string());
            let error = error.replace(&format!("{key}: "), &format!("{key} "));
            assert_eq!(error, format!("{provider}: {key} {problem}"));
        }
    }
}

#[tokio::test]
async fn variables_that_are_missing_are_named() {
    let rrsa = || CredentialsSource::OidcRoleArn {
        role: Default::default(),
        oidc_provider_arn: None,
        oidc_token_file: None,
    };
    let world = World::new(rrsa()).with_variable("ALIBABA_CLOUD_ROLE_ARN", super::ROLE);
    assert_eq!(
        world.error().await,
        "oidc_role_arn: ALIBABA_CLOUD_OIDC_PROVIDER_ARN (or oidc_provider_arn) and \
         ALIBABA_CLOUD_OIDC_TOKEN_FILE (or oidc_token_file) not set"
    );
    let world = world
        .with_variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/a")
        .with_variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/nonexistent/token");
    assert_eq!(
        world.error().await,
        "oidc_role_arn: ALIBABA_CLOUD_OIDC_TOKEN_FILE: cannot read /nonexistent/token: No such \
         file or directory (os error 2)"
    );
    let world = World::new(CredentialsSource::Uri { uri: None });
    assert_eq!(world.error().await, "uri: ALIBABA_CLOUD_CREDENTIALS_URI is not set");

    let mut world = World::new(CredentialsSource::Profile { name: None, file: None });
    world.variables.clear();
    assert_eq!(world.error().await, "profile: neither ALIBABA_CLOUD_CONFIG_FILE nor HOME is set");
}

#[tokio::test]
async fn a_service_that_is_not_there_or_answers_nonsense_is_named() {
    for (answer, problem) in [
        (Answer::status(404), "URL/keys answered HTTP status 404"),
        (Answer::status(302), "URL/keys answered HTTP status 302"),
        (Answer::ok("c4nary"), "the answer of uri URL/keys is not JSON, at line 1 column 1"),
        (Answer::ok("{}"), "the answer of uri URL/keys has no Expiration"),
        (
            Answer::ok("{\"Code\": \"c4nary\"}"),
            "the answer of uri URL/keys has another Code than Success",
        ),
    ] {
        let service = Service::start(move |_| answer.clone()).await;
        let uri = Secret::new(format!("{}/keys?token=c4nary", service.url()));
        let error = World::new(CredentialsSource::Uri { uri: Some(uri) }).error().await;
        let problem = problem.replace("URL", &service.url());
        assert!(error.starts_with("uri: ") && error.ends_with(&problem), "{error}");
        assert!(!error.contains("c4nary"), "{error}");
    }
    let uri = Some(Secret::new("http://127.0.0.1:1/keys?token=c4nary"));
    let error = World::new(CredentialsSource::Uri { uri }).error().await;
    assert!(error.starts_with("uri: uri http://127.0.0.1:1/keys: "), "{error}");
    assert!(!error.contains("c4nary"), "{error}");
}
