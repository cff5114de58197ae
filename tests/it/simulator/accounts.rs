//! Accounts side by side: keys that come and go, permissions, rates.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{Account, Fault, Instance, Key, Scenario, Throttle};

use super::raw::{Answer, Request};
use super::{Fixture, INSTANCE, account, instance, scenario};

const DISCOVER: &str = "DescribeDBInstances";

fn key(id: &str) -> Key {
    Key {
        access_key_id: id.to_owned(),
        access_key_secret: format!("secret of {id}"),
        ..Key::default()
    }
}

fn minutes(minutes: u64) -> Option<Duration> {
    Some(Duration::from_secs(60 * minutes))
}

/// The test account, changed, with one instance.
async fn with_account(change: impl FnOnce(&mut Account)) -> Fixture {
    let mut account = account();
    change(&mut account);
    let scenario = Scenario { accounts: vec![account], ..scenario(vec![instance(1)], Vec::new()) };
    Fixture::start(scenario).await
}

async fn send_as(fixture: &Fixture, key: &Key, request: Request) -> Answer {
    let request = request.of(&key.access_key_id, key.security_token.as_deref());
    fixture.send_plain(&request.signed(&key.access_key_secret)).await
}

async fn outcome_of(fixture: &Fixture, key: &Key) -> String {
    send_as(fixture, key, fixture.request()).await.outcome().1
}

#[tokio::test]
async fn a_key_is_replaced_by_the_scenario_at_its_time() {
    let next = key("LTAI_NEXT");
    let fixture = with_account(|account| {
        account.inactive_from = minutes(5);
        account.more_keys = vec![key("LTAI_NEXT")];
    })
    .await;
    fixture.advance(299);
    assert_eq!(fixture.page(1).await.status, 200);
    fixture.advance(1);
    assert_eq!(fixture.page(1).await.outcome(), (400, "InvalidAccessKeyId.Inactive".to_owned()));
    assert_eq!(outcome_of(&fixture, &next).await, "");
}

#[tokio::test]
async fn keys_are_added_disabled_and_removed_by_hand() {
    let fixture = with_account(|_| {}).await;
    let next = Key { inactive_from: minutes(1), ..key("LTAI_NEXT") };
    assert_eq!(outcome_of(&fixture, &next).await, "InvalidAccessKeyId.NotFound");
    fixture.advance(600);
    assert!(fixture.control.put_key("default", &next));
    assert_eq!(outcome_of(&fixture, &next).await, "");
    fixture.advance(60);
    assert_eq!(outcome_of(&fixture, &next).await, "InvalidAccessKeyId.Inactive");
    assert!(fixture.control.set_access_key_active("LTAI_NEXT", true));
    assert_eq!(outcome_of(&fixture, &next).await, "");
    assert!(fixture.control.remove_key("LTAI_NEXT"));
    assert_eq!(outcome_of(&fixture, &next).await, "InvalidAccessKeyId.NotFound");
    assert!(!fixture.control.remove_key("LTAI_NEXT"));
    assert!(!fixture.control.set_access_key_active("LTAI_NEXT", true));
    assert!(!fixture.control.put_key("nobody", &next));
}

#[tokio::test]
async fn a_temporary_key_needs_its_token_and_ends() {
    let temporary =
        Key { security_token: Some("the token".into()), expires: minutes(5), ..key("STS.EXAMPLE") };
    let listed = temporary.clone();
    let fixture = with_account(|account| account.more_keys = vec![listed]).await;
    assert_eq!(outcome_of(&fixture, &temporary).await, "");
    let with_token =
        |token: Option<&str>| Key { security_token: token.map(str::to_owned), ..temporary.clone() };
    assert_eq!(outcome_of(&fixture, &with_token(None)).await, "MissingSecurityToken");
    let other = outcome_of(&fixture, &with_token(Some("another"))).await;
    assert_eq!(other, "InvalidSecurityToken.MismatchWithAccessKey");
    fixture.advance(299);
    assert_eq!(outcome_of(&fixture, &temporary).await, "");
    fixture.advance(1);
    assert_eq!(outcome_of(&fixture, &temporary).await, "InvalidSecurityToken.Expired");
}

#[tokio::test]
async fn the_read_only_policy_lacks_the_oddly_spelled_action() {
    let fixture =
        with_account(|account| account.allow = Some(vec!["rds:Describe*".to_owned()])).await;
    let denied = fixture.page(1).await;
    assert_eq!(denied.outcome(), (403, "Forbidden.RAM".to_owned()));
    let detail = &denied.json()["AccessDeniedDetail"];
    assert_eq!(detail["AuthAction"], "rds:DescibeImportsFromDatabase");
    let discover = fixture.operation(DISCOVER).with("RegionId", "cn-hangzhou");
    assert_eq!(fixture.send(&discover).await.status, 200);
}

#[tokio::test]
async fn permissions_are_changed_by_hand_and_regions_need_none() {
    let fixture = with_account(|account| account.allow = Some(Vec::new())).await;
    let denied = (403, "Forbidden.RAM".to_owned());
    assert_eq!(fixture.page(1).await.outcome(), denied);
    assert_eq!(fixture.send(&fixture.operation("DescribeRegions")).await.status, 200);

    assert!(fixture.control.deny("default", &["rds:DescribeDBInstances"]));
    assert_eq!(fixture.page(1).await.status, 200);
    let discover = fixture.operation(DISCOVER).with("RegionId", "cn-hangzhou");
    assert_eq!(fixture.send(&discover).await.outcome(), denied);
    assert!(!fixture.control.deny("nobody", &[]));
}

#[tokio::test]
async fn accounts_have_their_own_instances_keys_and_rates() {
    let other = Account {
        access_key_id: Some("LTAI_OTHER".to_owned()),
        access_key_secret: Some("secret of LTAI_OTHER".to_owned()),
        throttle: Some(Throttle { rate: 1.0, burst: 1, hint: false }),
        ..Account::new("other")
    };
    let theirs = Instance { account: Some("other".into()), ..Instance::new("rm-two", Vec::new()) };
    let world = Scenario {
        accounts: vec![account(), other],
        ..scenario(vec![instance(1), theirs], Vec::<Fault>::new())
    };
    let fixture = Fixture::start(world).await;
    let other = key("LTAI_OTHER");
    let discover = || fixture.operation(DISCOVER).with("RegionId", "cn-hangzhou");
    let found = |answer: &Answer| answer.json()["Items"]["DBInstance"][0]["DBInstanceId"].clone();

    assert_eq!(found(&fixture.send(&discover()).await), INSTANCE);
    assert_eq!(found(&send_as(&fixture, &other, discover()).await), "rm-two");
    // The other account's rate is used up, by whatever operation; this one's has no limit.
    let throttled = (400, "Throttling.User".to_owned());
    assert_eq!(send_as(&fixture, &other, discover()).await.outcome(), throttled);
    assert_eq!(send_as(&fixture, &other, fixture.request()).await.outcome(), throttled);
    assert_eq!(fixture.page(1).await.status, 200);
    fixture.advance(1);
    let not_theirs = send_as(&fixture, &other, fixture.request()).await;
    assert_eq!(not_theirs.outcome(), (404, "InvalidDBInstanceId.NotFound".to_owned()));
}
