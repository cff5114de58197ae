//! `AssumeRole` and `AssumeRoleWithOIDC`: whom they give keys, and what these keys are good for.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    Account, Effect, Fault, Field, OidcToken, OidcTrust, Role, Scenario, When,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::raw::{Answer, Request};
use super::{Fixture, SECRET, account, instance, scenario};

const ARN: &str = "acs:ram::1234567890123456:role/exporter";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/cluster";

/// Keys as they are handed out.
struct Keys(Value);

impl Keys {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self(answer.json()["Credentials"].clone())
    }

    fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap()
    }

    fn end(&self) -> DateTime<Utc> {
        self.field("Expiration").parse().unwrap()
    }

    fn put_in(&self, request: Request) -> Request {
        request.of(self.field("AccessKeyId"), Some(self.field("SecurityToken")))
    }

    async fn sign(&self, fixture: &Fixture, request: Request) -> Answer {
        let request = self.put_in(request).signed(self.field("AccessKeySecret"));
        fixture.send_plain(&request).await
    }
}

/// One instance of the test account's, and a role of it.
async fn with_role(change: impl FnOnce(&mut Role)) -> Fixture {
    with_faults(change, Vec::new()).await
}

async fn with_faults(change: impl FnOnce(&mut Role), faults: Vec<Fault>) -> Fixture {
    let mut role = Role::new(ARN);
    change(&mut role);
    let world = Scenario { roles: vec![role], ..scenario(vec![instance(3)], faults) };
    Fixture::start(world).await
}

fn trust(role: &mut Role) {
    let tokens = vec![
        OidcToken { token: "first".into(), until: Some(Duration::from_secs(300)) },
        OidcToken { token: "second".into(), until: None },
    ];
    role.oidc = Some(OidcTrust { provider_arn: PROVIDER.into(), tokens });
}

fn assume(fixture: &Fixture) -> Request {
    fixture
        .operation("AssumeRole")
        .with("Version", "2015-04-01")
        .with("RoleArn", ARN)
        .with("RoleSessionName", "test-session")
}

/// As the official Go SDK sends it: unsigned, the token in the form.
fn assume_with_token(token: &str) -> Request {
    Request::plain("POST", "/")
        .with("Action", "AssumeRoleWithOIDC")
        .with("Version", "2015-04-01")
        .with("Format", "JSON")
        .with("Timestamp", "2024-01-02T03:04:05Z")
        .with("RoleArn", ARN)
        .with("OIDCProviderArn", PROVIDER)
        .with("OIDCToken", token)
        .with("RoleSessionName", "test-session")
        .in_form(&["RoleArn", "OIDCProviderArn", "OIDCToken", "RoleSessionName"])
}

#[tokio::test]
async fn a_role_is_assumed_and_its_keys_sign_either_way_until_they_end() {
    let fixture = with_role(|_| {}).await;
    let answer = fixture.send(&assume(&fixture)).await;
    let keys = Keys::of(&answer);
    assert!(keys.field("AccessKeyId").starts_with("STS."));
    assert_eq!(keys.end() - super::start(), chrono::TimeDelta::hours(1));
    let user = &answer.json()["AssumedRoleUser"];
    assert_eq!(user["Arn"], format!("{ARN}/test-session"));
    assert!(user["AssumedRoleId"].as_str().unwrap().ends_with(":test-session"));

    let list = || fixture.request();
    assert_eq!(keys.sign(&fixture, list()).await.ids(), [3, 2, 1]);
    let in_headers = keys.put_in(list().in_headers());
    let in_headers = in_headers.signed_in_headers(keys.field("AccessKeySecret"), "");
    assert_eq!(fixture.send_plain(&in_headers).await.ids(), [3, 2, 1]);
    let recorded = fixture.control.requests();
    assert_eq!(recorded[1].account.as_deref(), Some("default"));
    assert!(!format!("{recorded:?}").contains(keys.field("SecurityToken")));

    let without_token = list().of(keys.field("AccessKeyId"), None);
    let without_token = without_token.signed(keys.field("AccessKeySecret"));
    let without_token = fixture.send_plain(&without_token).await;
    assert_eq!(without_token.outcome(), (400, "MissingSecurityToken".to_owned()));

    fixture.advance(3_599);
    assert_eq!(keys.sign(&fixture, list()).await.status, 200);
    fixture.advance(1);
    let expired = (400, "InvalidSecurityToken.Expired".to_owned());
    assert_eq!(keys.sign(&fixture, list()).await.outcome(), expired);
}

#[tokio::test]
async fn each_bad_request_has_its_documented_code() {
    let fixture = with_role(|role| role.external_id = Some("the id".into())).await;
    let long = "a".repeat(65);
    let policy =
        format!(r#"{{"Version": "1", "Statement": [{{"Effect": "{}"}}]}}"#, "x".repeat(2_048));
    let cases: &[(&str, &str, u16, &str)] = &[
        ("RoleArn", "", 400, "MissingParameter"),
        ("RoleArn", "exporter", 400, "InvalidParameter.RoleArn"),
        ("RoleArn", "acs:ram::1:role/nobody", 404, "EntityNotExist.Role"),
        ("RoleSessionName", "", 400, "MissingParameter"),
        ("RoleSessionName", "a", 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", "a b", 400, "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", &long, 400, "InvalidParameter.RoleSessionName"),
        ("DurationSeconds", "899", 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "3601", 400, "InvalidParameter.DurationSeconds"),
        ("DurationSeconds", "1h", 400, "InvalidParameter.DurationSeconds"),
        ("Policy", "{}", 400, "InvalidParameter.PolicyGrammar"),
        ("Policy", &policy, 400, "InvalidParameter.PolicySize"),
        ("ExternalId", "", 403, "NoPermission"),
        ("ExternalId", "another", 403, "NoPermission"),
        ("Version", "2014-08-15", 400, "NoSuchVersion"),
        ("Action", "GetCallerIdentity", 404, "InvalidApi.NotFound"),
        ("DurationSeconds", "900", 200, ""),
    ];
    for (name, value, status, code) in cases {
        let request = assume(&fixture).with("ExternalId", "the id").with(name, value);
        let answer = fixture.send(&request).await;
        assert_eq!(answer.outcome(), (*status, (*code).to_owned()), "{name}={value}");
    }
}

#[tokio::test]
async fn a_role_has_its_own_longest_duration() {
    let fixture = with_role(|role| role.max_duration = Duration::from_secs(12 * 3_600)).await;
    let answer = fixture.send(&assume(&fixture).with("DurationSeconds", "43200")).await;
    assert_eq!(Keys::of(&answer).end() - super::start(), chrono::TimeDelta::hours(12));
}

#[tokio::test]
async fn keys_may_do_what_role_and_policy_both_allow() {
    let fixture = with_role(|role| role.allow = Some(vec!["rds:Desc*".to_owned()])).await;
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"rds:Describe*","Resource":"*"}]}"#;
    let narrow = Keys::of(&fixture.send(&assume(&fixture).with("Policy", policy)).await);
    let wide = Keys::of(&fixture.send(&assume(&fixture)).await);
    let denied = (403, "Forbidden.RAM".to_owned());
    let discover = || fixture.operation("DescribeDBInstances").with("RegionId", "cn-hangzhou");

    assert_eq!(wide.sign(&fixture, fixture.request()).await.status, 200);
    assert_eq!(narrow.sign(&fixture, fixture.request()).await.outcome(), denied);
    assert_eq!(narrow.sign(&fixture, discover()).await.status, 200);
    // What the account's own keys are denied is nothing to the role's.
    assert!(fixture.control.deny("default", &["*"]));
    assert_eq!(wide.sign(&fixture, discover()).await.status, 200);
    let assume = fixture.send(&assume(&fixture)).await;
    assert_eq!(assume.outcome(), (403, "NoPermission".to_owned()));
    assert_eq!(assume.json()["AccessDeniedDetail"]["AuthAction"], "sts:AssumeRole");
}

#[tokio::test]
async fn a_role_trusts_its_own_account_or_those_it_names() {
    let other = Account {
        access_key_id: Some("LTAI_OTHER".into()),
        access_key_secret: Some("other secret".into()),
        ..Account::new("other")
    };
    let of = |account: &str| Role { account: Some(account.into()), ..Role::new(ARN) };
    let trusting = Role { trusts: Some(vec!["default".into()]), ..of("other") };
    for (role, status) in [(of("default"), 200), (of("other"), 403), (trusting, 200)] {
        let world = Scenario {
            accounts: vec![account(), other.clone()],
            roles: vec![role.clone()],
            ..scenario(vec![instance(1)], Vec::new())
        };
        let fixture = Fixture::start(world).await;
        let answer = fixture.send(&assume(&fixture)).await;
        assert_eq!(answer.status, status, "{role:?}");
        if status == 200 {
            // The keys show the instances of the role's account, not of who assumed it.
            let list = Keys::of(&answer).sign(&fixture, fixture.request()).await;
            assert_eq!(list.status == 200, role.account.as_deref() == Some("default"));
        }
    }
}

#[tokio::test]
async fn parameters_come_in_a_form_and_the_request_is_signed_in_headers_too() {
    let fixture = with_role(|_| {}).await;
    let names = ["RoleArn", "RoleSessionName"];
    let form = || assume(&fixture).by("POST").in_form(&names);
    Keys::of(&fixture.send(&form()).await);
    let in_headers = form().in_headers().signed_in_headers(SECRET, "");
    Keys::of(&fixture.send_plain(&in_headers).await);
}

#[tokio::test]
async fn a_temporary_key_assumes_the_next_role() {
    let fixture = with_role(|_| {}).await;
    let keys = Keys::of(&fixture.send(&assume(&fixture)).await);
    let next = Keys::of(&keys.sign(&fixture, assume(&fixture)).await);
    assert_ne!(next.field("AccessKeyId"), keys.field("AccessKeyId"));
    assert_eq!(next.sign(&fixture, fixture.request()).await.status, 200);
}

#[tokio::test]
async fn sessions_are_ended_by_hand() {
    let fixture = with_role(|_| {}).await;
    let keys = Keys::of(&fixture.send(&assume(&fixture)).await);
    assert_eq!(fixture.control.end_sessions(), 1);
    let answer = keys.sign(&fixture, fixture.request()).await;
    assert_eq!(answer.outcome().1, "InvalidSecurityToken.Expired");
    assert_eq!(fixture.control.end_sessions(), 0);
    assert_eq!(fixture.page(1).await.status, 200, "an account's own key is no session");
}

#[tokio::test]
async fn a_providers_token_assumes_a_role_without_a_signature() {
    let fixture = with_role(trust).await;
    for token in ["first", "second", " second\n"] {
        let answer = fixture.send_plain(&assume_with_token(token)).await;
        assert!(answer.json()["OIDCTokenInfo"]["Issuer"].is_string());
        let keys = Keys::of(&answer);
        assert_eq!(keys.sign(&fixture, fixture.request()).await.status, 200);
    }
    let in_headers = fixture.send_plain(&assume_with_token("second").in_headers()).await;
    Keys::of(&in_headers);
    let recorded = &fixture.control.requests()[0];
    assert_eq!((recorded.signature, &recorded.account), (None, &None));
    assert_eq!(recorded.action.as_deref(), Some("AssumeRoleWithOIDC"));
    assert_eq!(recorded.parameter("RoleArn"), Some(ARN));
    assert_eq!(recorded.parameter("OIDCToken"), None);
}

#[tokio::test]
async fn a_token_must_be_known_and_fresh_and_its_provider_trusted() {
    let fixture = with_role(trust).await;
    let outcome = async |request: Request| fixture.send_plain(&request).await.outcome();
    let refused = |what: &str| (401, format!("AuthenticationFail.{what}"));
    assert_eq!(outcome(assume_with_token("third")).await, refused("OIDCToken.Invalid"));
    assert_eq!(outcome(assume_with_token("")).await, (400, "MissingParameter".to_owned()));
    let mut other = assume_with_token("first");
    let form = other.form.as_mut().unwrap();
    form.insert("OIDCProviderArn".to_owned(), format!("{PROVIDER}-2"));
    assert_eq!(outcome(other).await, refused("NoPermission"));

    fixture.advance(300);
    assert_eq!(outcome(assume_with_token("first")).await, refused("OIDCToken.Expired"));
    let third = OidcToken { token: "third".into(), until: None };
    assert!(fixture.control.set_oidc_tokens(ARN, vec![third]));
    assert_eq!(outcome(assume_with_token("third")).await, (200, String::new()));
    assert_eq!(outcome(assume_with_token("second")).await, refused("OIDCToken.Invalid"));
    assert!(!fixture.control.set_oidc_tokens("acs:ram::1:role/nobody", Vec::new()));

    let without = with_role(|_| {}).await;
    let answer = without.send_plain(&assume_with_token("first")).await;
    assert_eq!(answer.outcome(), refused("NoPermission"));
}

#[tokio::test]
async fn only_the_unsigned_operation_goes_without_a_signature() {
    let fixture = with_role(trust).await;
    let unsigned = assume_with_token("first").with("Action", "AssumeRole");
    let unsigned = fixture.send_plain(&unsigned).await;
    assert_eq!(unsigned.outcome(), (400, "MissingParameter".to_owned()));
    let elsewhere = assume_with_token("first").with("Version", "2014-08-15");
    let elsewhere = fixture.send_plain(&elsewhere).await;
    assert_eq!(elsewhere.outcome(), (400, "MissingParameter".to_owned()));
}

#[tokio::test]
async fn errors_name_their_product_in_both_formats() {
    let fixture = with_role(|_| {}).await;
    let request = assume(&fixture).with("RoleArn", "exporter");
    let json = fixture.send(&request).await.json();
    assert_eq!(json["HostId"], "sts.aliyuncs.com");
    assert!(json["Recommend"].as_str().unwrap().contains("product=Sts"));
    let xml = assume(&fixture).without("Format");
    let xml = fixture.send(&xml).await;
    assert!(xml.text().contains("<AssumeRoleResponse>"), "{}", xml.text());
}

#[tokio::test]
async fn a_rate_of_the_account_is_not_spent_on_keys() {
    let mut account = account();
    account.throttle = Some(aliyun_rds_import_exporter::simulator::Throttle {
        rate: 0.001,
        burst: 1,
        hint: false,
    });
    let world = Scenario {
        accounts: vec![account],
        roles: vec![Role::new(ARN)],
        ..scenario(vec![instance(1)], Vec::new())
    };
    let fixture = Fixture::start(world).await;
    for _ in 0..3 {
        Keys::of(&fixture.send(&assume(&fixture)).await);
    }
    assert_eq!(fixture.page(1).await.status, 200);
    assert_eq!(fixture.page(1).await.outcome().1, "Throttling.User");
}

#[tokio::test]
async fn faults_meet_the_action_that_they_name() {
    let fault = |effect| Fault {
        when: When { action: Some("AssumeRole".into()), ..When::default() },
        effect,
    };
    let fixture = with_role(|_| {}).await;
    let under = async |effect| {
        fixture.control.set_faults(vec![fault(effect)]);
        assert_eq!(fixture.page(1).await.status, 200, "another action");
        fixture.send(&assume(&fixture)).await
    };
    assert_eq!(under(Effect::Http(503)).await.status, 503);
    let missing = under(Effect::Missing(Field::SecurityToken)).await.json();
    assert!(missing["Credentials"].get("SecurityToken").is_none());
    assert!(missing["Credentials"].get("AccessKeyId").is_some());
    let gone = under(Effect::Missing(Field::Credentials)).await.json();
    assert!(gone.get("Credentials").is_none());
    let odd = under(Effect::Expiration("tomorrow".into())).await.json();
    assert_eq!(odd["Credentials"]["Expiration"], "tomorrow");
    let expired = Keys::of(&under(Effect::ExpiredCredentials).await);
    assert_eq!(super::start() - expired.end(), chrono::TimeDelta::hours(1));
    let answer = expired.sign(&fixture, fixture.request()).await;
    assert_eq!(answer.outcome().1, "InvalidSecurityToken.Expired");
}
