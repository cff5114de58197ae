//! Profiles of the CLI's `config.json` and of the SDKs' credentials file.

use aliyun_rds_import_exporter::config::CredentialsSource;
use serde_json::json;

use super::service::{Answer, Service, keys};
use super::{ONE_O_CLOCK, ROLE, World, told};

/// A world with this file, of which the profile `name` is asked for.
fn world(name: Option<&str>, text: &str) -> World {
    let mut world = World::new(CredentialsSource::Default);
    let file = Some(world.write("the-file", text));
    world.account.credentials = CredentialsSource::Profile { name: name.map(str::to_owned), file };
    world
}

/// The CLI's file with one profile.
fn cli(fields: &serde_json::Value) -> String {
    let mut profile = json!({"name": "p", "region_id": "cn-hangzhou", "output_format": "json"});
    profile.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"current": "p", "profiles": [profile], "meta_path": ""}).to_string()
}

/// The error of the provider, with the file as `FILE`.
async fn error(name: Option<&str>, text: &str) -> String {
    let world = world(name, text);
    let file = world.home.path().join("the-file").display().to_string();
    world.error().await.replace(&file, "FILE")
}

#[tokio::test]
async fn every_mode_of_the_cli_yields_its_keys() {
    let metadata = Service::metadata(&keys("STS.ecs", "s", "t", ONE_O_CLOCK)).await;
    let sts = Service::sts(&keys("STS.role", "s", "t", ONE_O_CLOCK)).await;
    let uri = Service::start(|_| Answer::ok(keys("STS.uri", "s", "t", ONE_O_CLOCK))).await;
    let sso = Service::start(|request| {
        assert_eq!((request.method.as_str(), request.path()), ("POST", "/cloud-credentials"));
        assert_eq!(request.headers["authorization"], "Bearer sso-token");
        assert_eq!(request.body, r#"{"AccessConfigurationId":"ac-1","AccountId":"1"}"#);
        let keys = keys("STS.sso", "s", "t", ONE_O_CLOCK);
        Answer::ok(format!("{{\"CloudCredential\": {keys}}}"))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "oidc-token").unwrap();
    let command = folder.path().join("command");
    let printed = json!({
        "mode": "StsToken", "access_key_id": "STS.external", "access_key_secret": "s",
        "sts_token": "t", "expiration": ONE_O_CLOCK,
    });
    std::fs::write(&command, format!("echo '{printed}'\n")).unwrap();

    for (profile, expected) in [
        (json!({"mode": "AK", "access_key_id": "LTAI", "access_key_secret": "s"}), "LTAI s -"),
        (
            json!({"mode": "AK", "access_key_id": "LTAI", "access_key_secret": "s", "sts_token": ""}),
            "LTAI s -",
        ),
        (
            json!({"mode": "StsToken", "access_key_id": "STS.1", "access_key_secret": "s", "sts_token": "t"}),
            "STS.1 s t",
        ),
        (
            json!({"mode": "RamRoleArn", "access_key_id": "LTAI", "access_key_secret": "s", "ram_role_arn": ROLE, "ram_session_name": "n", "expired_seconds": 900}),
            "STS.role s t",
        ),
        (json!({"mode": "RamRoleArnWithEcs", "ram_role_arn": ROLE}), "STS.role s t"),
        (json!({"mode": "EcsRamRole", "ram_role_name": "monitoring"}), "STS.ecs s t"),
        (json!({"mode": "EcsRamRole"}), "STS.ecs s t"),
        (
            json!({"mode": "OIDC", "oidc_provider_arn": "acs:ram::1:oidc-provider/a", "oidc_token_file": token, "ram_role_arn": ROLE}),
            "STS.role s t",
        ),
        (json!({"mode": "CredentialsURI", "credentials_uri": uri.url()}), "STS.uri s t"),
        (
            json!({"mode": "External", "process_command": format!("sh '{}' --flag", command.display())}),
            "STS.external s t",
        ),
        (
            json!({"mode": "CloudSSO", "cloud_sso_sign_in_url": format!("{}/login", sso.url()), "cloud_sso_account_id": "1", "cloud_sso_access_config": "ac-1", "access_token": "sso-token", "cloud_sso_access_token_expire": 1_795_525_200}),
            "STS.sso s t",
        ),
    ] {
        let world = world(None, &cli(&profile)).with_metadata(&metadata).with_sts(&sts);
        let credentials = world.credentials().await.unwrap_or_else(|e| panic!("{profile}: {e}"));
        assert_eq!(told(&credentials), expected, "{profile}");
    }
    let role = &sts.requests()[0].form();
    assert_eq!((role["RoleSessionName"].as_str(), role["DurationSeconds"].as_str()), ("n", "900"));
}

#[tokio::test]
async fn a_role_may_be_taken_by_a_role_of_another_profile() {
    let sts = Service::start(|request| {
        let (id, expected) = match request.form()["RoleArn"].as_str() {
            "acs:ram::1:role/first" => ("STS.first", "LTAI"),
            _ => ("STS.second", "STS.first"),
        };
        assert_eq!(request.query()["AccessKeyId"], expected);
        Answer::ok(format!("{{\"Credentials\": {}}}", keys(id, "s", "t", ONE_O_CLOCK)))
    })
    .await;
    let text = json!({"current": "c", "profiles": [
        {"name": "a", "mode": "AK", "access_key_id": "LTAI", "access_key_secret": "s"},
        {"name": "b", "mode": "ChainableRamRoleArn", "source_profile": "a", "ram_role_arn": "acs:ram::1:role/first"},
        {"name": "c", "mode": "ChainableRamRoleArn", "source_profile": "b", "ram_role_arn": "acs:ram::1:role/second"},
    ]});
    let world = world(None, &text.to_string()).with_sts(&sts);
    assert_eq!(told(&world.credentials().await.unwrap()), "STS.second s t");
}

#[tokio::test]
async fn every_type_of_the_credentials_file_yields_its_keys() {
    let metadata = Service::metadata(&keys("STS.ecs", "s", "t", ONE_O_CLOCK)).await;
    let sts = Service::sts(&keys("STS.role", "s", "t", ONE_O_CLOCK)).await;
    for (section, expected) in [
        ("type = access_key\naccess_key_id = LTAI\naccess_key_secret = s", "LTAI s -"),
        (
            "enable = true\ntype=access_key\naccess_key_id=LTAI # mine\naccess_key_secret=s\\n\"",
            "LTAI s\\n\" -",
        ),
        (
            "type = sts\naccess_key_id = STS.1\naccess_key_secret = s\nsecurity_token = t",
            "STS.1 s t",
        ),
        ("type = ecs_ram_role\nrole_name = monitoring", "STS.ecs s t"),
        ("type = ecs_ram_role", "STS.ecs s t"),
        (
            "type = ram_role_arn\naccess_key_id = LTAI\naccess_key_secret = s\nrole_arn = acs:ram::1:role/a\nrole_session_name = n\npolicy =",
            "STS.role s t",
        ),
        (
            "type = oidc_role_arn\nrole_arn = acs:ram::1:role/a\noidc_provider_arn = p\noidc_token_file_path = token",
            "STS.role s t",
        ),
    ] {
        for (name, head) in [(None, "[default]"), (Some("prod"), "[default]\ntype = x\n\n[prod]")] {
            let world = world(name, &format!("# keys\n{head}\n{section}\n"));
            world.write("token", "oidc-token");
            let world = world.with_metadata(&metadata).with_sts(&sts);
            let credentials =
                world.credentials().await.unwrap_or_else(|e| panic!("{section}: {e}"));
            assert_eq!(told(&credentials), expected, "{section}");
        }
    }
}

#[tokio::test]
async fn a_profile_is_looked_for_in_every_usual_file() {
    let world = World::new(CredentialsSource::Profile { name: Some("prod".into()), file: None });
    world.write(".aliyun/config.json", &cli(&json!({"mode": "AK"})));
    world.write(".alibabacloud/credentials.ini", "[default]\ntype = access_key\n");
    let home = world.home.path().display().to_string();
    assert_eq!(
        world.error().await.replace(&home, "~"),
        "profile: ~/.aliyun/config.json has no profile \"prod\"; there is: \"p\", cannot read \
         ~/.alibabacloud/credentials: No such file or directory (os error 2), \
         ~/.alibabacloud/credentials.ini has no profile \"prod\"; there is: \"default\""
    );

    world.write(
        ".alibabacloud/credentials",
        "[prod]\ntype = access_key\naccess_key_id = LTAIprod\naccess_key_secret = s\n",
    );
    assert_eq!(told(&world.credentials().await.unwrap()), "LTAIprod s -");
}

#[tokio::test]
async fn a_changed_file_is_taken_up_once_its_key_was_refused() {
    let key = |id| cli(&json!({"mode": "AK", "access_key_id": id, "access_key_secret": "s"}));
    let world = world(None, &key("old"));
    let provider = world.provider();
    let old = provider.credentials().await.unwrap();
    world.write("the-file", &key("new"));
    provider.invalidate(&old);
    assert_eq!(told(&provider.credentials().await.unwrap()), "new s -");
}

#[tokio::test]
async fn a_profile_that_cannot_serve_is_told_with_its_file() {
    let circle = json!({"current": "a", "profiles": [
        {"name": "a", "mode": "ChainableRamRoleArn", "source_profile": "b", "ram_role_arn": ROLE},
        {"name": "b", "mode": "ChainableRamRoleArn", "source_profile": "a", "ram_role_arn": ROLE},
    ]})
    .to_string();
    let astray = json!({"current": "a", "profiles": [
        {"name": "a", "mode": "ChainableRamRoleArn", "source_profile": "gone", "ram_role_arn": ROLE},
    ]})
    .to_string();
    let key = json!({"mode": "AK", "access_key_id": "LTAI", "access_key_secret": "c4nary"});
    let login = json!({"mode": "CloudSSO", "cloud_sso_sign_in_url": "https://signin.example.com", "cloud_sso_account_id": "1", "cloud_sso_access_config": "ac-1", "access_token": "c4nary", "cloud_sso_access_token_expire": 1_795_521_600});
    for (name, text, expected) in [
        (None, circle, "FILE: profiles take their keys from each other in a circle: a -> b -> a"),
        (None, astray, "FILE: source_profile leads to a profile that does not exist: a -> gone"),
        (Some("q"), cli(&key), "FILE has no profile \"q\"; there is: \"p\""),
        (
            None,
            "{\"profiles\": []}".to_owned(),
            "FILE: the file has no current profile, and none was asked for",
        ),
        (
            None,
            cli(&json!({"mode": "AK", "access_key_id": "LTAI"})),
            "FILE: profile \"p\" has no access_key_secret",
        ),
        (
            None,
            cli(&json!({"mode": "OAuth", "oauth_access_token": "c4nary"})),
            "FILE: profile \"p\" has the mode \"OAuth\", which is not supported; supported: AK, \
             StsToken, RamRoleArn, RamRoleArnWithEcs, ChainableRamRoleArn, EcsRamRole, OIDC, \
             CredentialsURI, External, CloudSSO",
        ),
        (
            None,
            cli(&json!({"mode": "AK", "access_key_id": 7, "access_key_secret": "c4nary"})),
            "FILE: the file has a value of another type than expected, at line 1 column 60",
        ),
        (None, "{c4nary".to_owned(), "FILE: the file is not JSON, at line 1 column 2"),
        (
            None,
            cli(&json!({"mode": "External", "process_command": "/nonexistent/command c4nary"})),
            "FILE: external: cannot run process_command, /nonexistent/command: No such file or \
             directory (os error 2)",
        ),
        (
            None,
            cli(&json!({"mode": "External", "process_command": "echo c4nary"})),
            "FILE: external: what process_command, echo, prints is not JSON, at line 1 column 1",
        ),
        (
            None,
            cli(&json!({"mode": "External", "process_command": "false c4nary"})),
            "FILE: external: process_command, false, failed: exit status: 1",
        ),
        (
            None,
            cli(&json!({"mode": "External", "process_command": "yes c4nary"})),
            "FILE: external: process_command, yes, prints more than 1 MiB",
        ),
        (
            None,
            cli(&json!({"mode": "External", "process_command": "echo 'c4nary"})),
            "FILE: external: process_command has a quote that does not end",
        ),
        (
            None,
            cli(&login),
            "FILE: cloud_sso: the login expired at 2026-11-24T12:00:00+00:00; log in with: aliyun \
             configure --profile p --mode CloudSSO",
        ),
        (None, "c4nary\n".to_owned(), "FILE: the file is neither JSON nor INI, near line 2"),
        (None, String::new(), "FILE has no profile \"default\"; there is: none"),
        (
            None,
            "[default]\naccess_key_secret = c4nary".to_owned(),
            "FILE: profile \"default\" has no type",
        ),
        (
            None,
            "[default]\ntype = access_key\naccess_key_secret = c4nary".to_owned(),
            "FILE: profile \"default\" has no access_key_id",
        ),
        (
            None,
            "[default]\ntype = rsa_key_pair\n".to_owned(),
            "FILE: profile \"default\" has the type \"rsa_key_pair\", which is not supported; \
             supported: access_key, sts, ecs_ram_role, ram_role_arn, oidc_role_arn",
        ),
    ] {
        assert_eq!(error(name, &text).await, format!("profile: {expected}"));
    }
}
