//! The default chain: its order, and what it says when it has no keys.

use aliyun_rds_import_exporter::config::CredentialsSource;

use super::service::{Answer, Service, keys};
use super::{ONE_O_CLOCK, World, told};

const CLI: &str = r#"{"current": "a", "profiles": [
    {"name": "a", "mode": "AK", "access_key_id": "LTAIcli", "access_key_secret": "s"},
    {"name": "b", "mode": "AK", "access_key_id": "LTAIcliB", "access_key_secret": "s"}]}"#;
const INI: &str = "[default]\ntype = access_key\naccess_key_id = LTAIini\naccess_key_secret = s\n";

/// What a world may offer the chain, in the order in which it is to be asked.
const LINKS: [&str; 6] = ["environment", "oidc", "cli", "ini", "metadata", "uri"];

/// A world that offers these links, and no other.
async fn world(links: &[&str]) -> (World, [Service; 3]) {
    let services = [
        Service::sts(&keys("STS.oidc", "s", "t", ONE_O_CLOCK)).await,
        Service::metadata(&keys("STS.metadata", "s", "t", ONE_O_CLOCK)).await,
        Service::start(|_| Answer::ok(keys("STS.uri", "s", "t", ONE_O_CLOCK))).await,
    ];
    let mut world = World::new(CredentialsSource::Default).with_sts(&services[0]);
    for link in links {
        world = match *link {
            "environment" => world
                .with_variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIenvironment")
                .with_variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s"),
            "oidc" => {
                let file = world.write("token", "oidc-token");
                world
                    .with_variable("ALIBABA_CLOUD_ROLE_ARN", super::ROLE)
                    .with_variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1:oidc-provider/a")
                    .with_variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", file.to_str().unwrap())
            }
            "cli" => {
                world.write(".aliyun/config.json", CLI);
                world
            }
            "ini" => {
                world.write(".alibabacloud/credentials", INI);
                world
            }
            "metadata" => world.with_metadata(&services[1]),
            "uri" => world.with_variable("ALIBABA_CLOUD_CREDENTIALS_URI", services[2].url()),
            other => panic!("{other}"),
        };
    }
    (world, services)
}

#[tokio::test]
async fn what_comes_first_wins_and_what_follows_serves_without_it() {
    let ids = ["LTAIenvironment", "STS.oidc", "LTAIcli", "LTAIini", "STS.metadata", "STS.uri"];
    for (first, id) in ids.iter().enumerate() {
        let (world, _services) = world(&LINKS[first..]).await;
        let credentials = world.credentials().await.unwrap();
        assert_eq!(credentials.access_key_id, *id, "of {:?}", &LINKS[first..]);
    }
}

#[tokio::test]
async fn every_link_serves_alone() {
    for link in LINKS {
        let (world, _services) = world(&[link]).await;
        let id = &world.credentials().await.unwrap().access_key_id;
        assert!(id.ends_with(link), "{id} of {link}");
    }
}

#[tokio::test]
async fn disabled_links_are_passed_over() {
    for (variable, links, id) in [
        ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", ["cli", "ini"], "LTAIini"),
        ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", ["metadata", "uri"], "STS.uri"),
    ] {
        let (world, services) = world(&links).await;
        let world = world.with_variable(variable, "true");
        assert_eq!(world.credentials().await.unwrap().access_key_id, id, "{variable}");
        assert!(services[1].requests().is_empty());
    }
}

#[tokio::test]
async fn variables_choose_profile_and_files() {
    for (variable, file, id) in [
        ("ALIBABA_CLOUD_PROFILE", None, "LTAIcliB"),
        ("ALIBABA_CLOUD_CONFIG_FILE", Some(CLI), "LTAIcli"),
        ("ALIBABA_CLOUD_CREDENTIALS_FILE", Some(INI), "LTAIini"),
    ] {
        let (world, _services) = world(&[]).await;
        let value = match file {
            Some(text) => world.write("elsewhere", text).display().to_string(),
            None => {
                world.write(".aliyun/config.json", CLI);
                "b".to_owned()
            }
        };
        let world = world.with_variable(variable, value);
        assert_eq!(world.credentials().await.unwrap().access_key_id, id, "{variable}");
    }
}

#[tokio::test]
async fn the_other_default_path_of_the_credentials_file_is_read_too() {
    let (world, _services) = world(&[]).await;
    world.write(".alibabacloud/credentials.ini", INI);
    assert_eq!(world.credentials().await.unwrap().access_key_id, "LTAIini");
}

#[tokio::test]
async fn the_link_that_yielded_is_asked_from_then_on() {
    let (world, _services) = world(&["ini", "metadata"]).await;
    let provider = world.provider();
    let first = provider.credentials().await.unwrap();
    assert_eq!(first.access_key_id, "LTAIini");

    world.write(".aliyun/config.json", CLI);
    provider.invalidate(&first);
    let second = provider.credentials().await.unwrap();
    assert_eq!(second.access_key_id, "LTAIini", "not the CLI's, which came later");

    std::fs::remove_file(world.home.path().join(".alibabacloud/credentials")).unwrap();
    provider.invalidate(&second);
    let error = provider.credentials().await.unwrap_err().to_string();
    assert!(error.contains(".alibabacloud/credentials: No such file"), "{error}");
}

#[tokio::test]
async fn after_a_total_failure_every_link_is_asked_again() {
    let (world, _services) = world(&[]).await;
    let provider = world.provider();
    provider.credentials().await.unwrap_err();

    world.write(".aliyun/config.json", CLI);
    assert_eq!(told(&provider.credentials().await.unwrap()), "LTAIcli s -");
}

#[tokio::test]
async fn without_keys_the_error_lists_what_every_link_said() {
    let (world, _services) = world(&[]).await;
    let world = world.with_variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "");
    let home = world.home.path().display().to_string();
    let error = world.error().await.replace(&home, "~");

    let missing = "No such file or directory (os error 2)";
    let expected = format!(
        "default: no provider of the chain has credentials: \
         environment: ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET are not set; \
         oidc_role_arn: ALIBABA_CLOUD_ROLE_ARN (or role_arn) and ALIBABA_CLOUD_OIDC_PROVIDER_ARN \
         (or oidc_provider_arn) and ALIBABA_CLOUD_OIDC_TOKEN_FILE (or oidc_token_file) not set; \
         CLI profile: cannot read ~/.aliyun/config.json: {missing}; \
         credentials file: cannot read ~/.alibabacloud/credentials: {missing}, \
         cannot read ~/.alibabacloud/credentials.ini: {missing}; "
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("; ecs_ram_role: http://127.0.0.1:1/latest/"), "{error}");
    assert!(error.ends_with("; uri: ALIBABA_CLOUD_CREDENTIALS_URI is not set"), "{error}");
}
