//! Which host is asked, and by which way.

use aliyun_rds_import_exporter::config::{CredentialsSource, Network};
use aliyun_rds_import_exporter::secret::Secret;
use serde_json::json;

use super::service::{Answer, Service, keys};
use super::{ONE_O_CLOCK, ROLE, World, key, role_of};

const REGION: &str = "ALIBABA_CLOUD_STS_REGION";
const VPC: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";

/// A proxy that lets nobody through, and remembers where they wanted to go.
async fn proxy() -> Service {
    Service::start(|_| Answer::status(403)).await
}

/// A world whose STS is the built-in one, behind this proxy.
fn behind(proxy: &Service, source: CredentialsSource) -> World {
    let mut world = World::new(source).with_variable("HTTPS_PROXY", proxy.url());
    world.account.endpoints.sts = None;
    world
}

fn by_key() -> CredentialsSource {
    role_of(CredentialsSource::AccessKey(key("LTAI", "secret")))
}

#[tokio::test]
async fn sts_is_that_of_the_region_and_of_the_vpc() {
    for (network, variables, host) in [
        (Network::Public, &[][..], "sts.aliyuncs.com:443"),
        (Network::Public, &[(REGION, "cn-hangzhou")], "sts.cn-hangzhou.aliyuncs.com:443"),
        (
            Network::Public,
            &[(REGION, "cn-hangzhou"), (VPC, "true")],
            "sts-vpc.cn-hangzhou.aliyuncs.com:443",
        ),
        (Network::Public, &[(VPC, "true")], "sts.aliyuncs.com:443"),
        (Network::Vpc, &[(REGION, "eu-central-1")], "sts-vpc.eu-central-1.aliyuncs.com:443"),
    ] {
        let proxy = proxy().await;
        let mut world = behind(&proxy, by_key());
        world.account.network = network;
        for (name, value) in variables {
            world = world.with_variable(name, *value);
        }
        world.error().await;
        let asked = &proxy.requests()[0];
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("CONNECT", host));
    }
}

#[tokio::test]
async fn a_profile_may_name_its_own_sts() {
    let proxy = proxy().await;
    let mut world = behind(&proxy, CredentialsSource::Default).with_variable(REGION, "cn-beijing");
    let text = json!({"current": "p", "profiles": [{
        "name": "p", "mode": "RamRoleArn", "access_key_id": "LTAI", "access_key_secret": "s",
        "ram_role_arn": ROLE, "sts_region": "cn-shanghai", "enable_vpc": true,
    }]});
    let file = Some(world.write("config.json", &text.to_string()));
    world.account.credentials = CredentialsSource::Profile { name: None, file };
    world.error().await;
    assert_eq!(proxy.requests()[0].target, "sts-vpc.cn-shanghai.aliyuncs.com:443");
}

#[tokio::test]
async fn a_vpc_without_a_region_for_sts_says_what_to_set() {
    let proxy = proxy().await;
    let mut world = behind(&proxy, by_key());
    world.account.network = Network::Vpc;
    assert_eq!(
        world.error().await,
        "ram_role_arn: network: vpc has an STS for each region; name yours with \
         ALIBABA_CLOUD_STS_REGION or endpoints.sts"
    );
    let odd = world.with_variable(REGION, "cn-hangzhou.example.com/");
    assert!(odd.error().await.contains("is not a region ID such as cn-hangzhou"));
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn neither_metadata_nor_a_service_of_this_machine_is_asked_through_a_proxy() {
    let proxy = proxy().await;
    let metadata = Service::metadata(&keys("STS.ecs", "s", "t", ONE_O_CLOCK)).await;
    let uri = Service::start(|_| Answer::ok(keys("STS.uri", "s", "t", ONE_O_CLOCK))).await;
    let uri = CredentialsSource::Uri { uri: Some(Secret::new(uri.url())) };
    for source in [CredentialsSource::EcsRamRole { role_name: None }, uri] {
        let world = World::new(source)
            .with_metadata(&metadata)
            .with_variable("http_proxy", proxy.url())
            .with_variable("ALL_PROXY", proxy.url());
        world.credentials().await.unwrap();
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_host_may_be_excepted_from_the_proxy() {
    let proxy = proxy().await;
    let sts = Service::sts(&keys("STS.role", "s", "t", ONE_O_CLOCK)).await;
    let through = World::new(by_key()).with_sts(&sts).with_variable("http_proxy", proxy.url());
    through.error().await;
    assert_eq!((proxy.requests().len(), sts.requests().len()), (1, 0));

    let world = through.with_variable("no_proxy", "127.0.0.1");
    world.credentials().await.unwrap();
    assert_eq!((proxy.requests().len(), sts.requests().len()), (1, 1));
}

#[tokio::test]
async fn plain_http_needs_leave_beyond_this_machine() {
    let uri = "http://keys.example.com/?token=c4nary";
    let world = World::new(CredentialsSource::Uri { uri: None })
        .with_variable("ALIBABA_CLOUD_CREDENTIALS_URI", uri);
    assert_eq!(
        world.error().await,
        "uri: ALIBABA_CLOUD_CREDENTIALS_URI: the value is plain http; allowed: https, or http for \
         loopback, or allow_http: true for the account"
    );

    let proxy = proxy().await;
    let mut world = world.with_variable("http_proxy", proxy.url());
    world.account.allow_http = true;
    assert_eq!(
        world.error().await,
        "uri: ALIBABA_CLOUD_CREDENTIALS_URI http://keys.example.com/ answered HTTP status 403"
    );
}
