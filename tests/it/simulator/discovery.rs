//! `DescribeDBInstances` and `DescribeRegions`: filters, paging, and what goes wrong with both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    Drift, Effect, Endless, Engine, Fault, Field, Instance, InstanceType, Region, Scenario, State,
    When,
};
use serde_json::Value;

use super::raw::{Answer, Request};
use super::{Fixture, scenario};

fn named(id: &str) -> Instance {
    Instance::new(id, Vec::new())
}

fn tags<const N: usize>(tags: [(&str, &str); N]) -> BTreeMap<String, String> {
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// `rm-1001` to `rm-1000+count`, so that they sort by number.
fn fleet(count: u32) -> Vec<Instance> {
    (1..=count).map(|number| named(&format!("rm-{}", 1_000 + number))).collect()
}

async fn with(instances: Vec<Instance>, faults: Vec<Fault>) -> Fixture {
    Fixture::start(scenario(instances, faults)).await
}

fn discover(fixture: &Fixture) -> Request {
    fixture.operation("DescribeDBInstances").with("RegionId", "cn-hangzhou")
}

fn ids(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let items = json["Items"]["DBInstance"].as_array().unwrap_or_else(|| panic!("{json}"));
    items.iter().map(|item| item["DBInstanceId"].as_str().unwrap().to_owned()).collect()
}

/// Every page by token, at most ten.
async fn walk(fixture: &Fixture, size: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut token = String::new();
    while answers.len() < 10 {
        let request = discover(fixture).with("MaxResults", size).with("NextToken", &token);
        let answer = fixture.send(&request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        token = answer.json()["NextToken"].as_str().unwrap().to_owned();
        answers.push(answer);
        if token.is_empty() {
            break;
        }
    }
    answers
}

#[tokio::test]
async fn an_instance_is_told_with_its_fields_and_without_its_tags() {
    let instance = Instance {
        name: "Bestellungen 订单".to_owned(),
        resource_group: "rg-one".to_owned(),
        tags: tags([("team", "dba")]),
        kind: InstanceType::Readonly,
        master: Some("rm-main".to_owned()),
        ..named("rm-one")
    };
    let fixture = with(vec![instance], Vec::new()).await;
    let answer = fixture.send(&discover(&fixture)).await.json();
    assert!(answer["RequestId"].is_string());
    let item = &answer["Items"]["DBInstance"][0];
    for (field, value) in [
        ("DBInstanceId", "rm-one"),
        ("DBInstanceDescription", "Bestellungen 订单"),
        ("Engine", "MySQL"),
        ("EngineVersion", "8.0"),
        ("RegionId", "cn-hangzhou"),
        ("ZoneId", "cn-hangzhou-a"),
        ("ResourceGroupId", "rg-one"),
        ("DBInstanceStatus", "Running"),
        ("DBInstanceType", "Readonly"),
        ("MasterInstanceId", "rm-main"),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    assert!(!answer.to_string().contains("dba"), "no tags in the items");
}

#[tokio::test]
async fn filters_pick_the_instances() {
    let instances = vec![
        Instance { name: "orders".into(), tags: tags([("team", "dba")]), ..named("rm-a") },
        Instance {
            engine: Engine::SQLServer,
            tags: tags([("team", "dba"), ("env", "test")]),
            ..named("rm-b")
        },
        Instance { engine: Engine::PostgreSQL, resource_group: "rg-x".into(), ..named("rm-c") },
        Instance { kind: InstanceType::Readonly, version: Some("5.7".into()), ..named("rm-d") },
        Instance { status: Some("Creating".into()), zone: Some("z".into()), ..named("rm-e") },
        Instance { state: State::Missing, ..named("rm-gone") },
        Instance { region: "eu-central-1".into(), ..named("rm-far") },
    ];
    let fixture = with(instances, Vec::new()).await;
    let cases: &[(&str, &str, &[&str])] = &[
        ("Engine", "", &["rm-a", "rm-b", "rm-c", "rm-d", "rm-e"]),
        ("Engine", "SQLServer", &["rm-b"]),
        ("Engine", "MySQL", &["rm-a", "rm-d", "rm-e"]),
        ("Engine", "MariaDB", &[]),
        ("DBInstanceType", "Readonly", &["rm-d"]),
        ("DBInstanceStatus", "Creating", &["rm-e"]),
        ("ResourceGroupId", "rg-x", &["rm-c"]),
        ("EngineVersion", "5.7", &["rm-d"]),
        ("ZoneId", "z", &["rm-e"]),
        ("DBInstanceId", "rm-b", &["rm-b"]),
        ("SearchKey", "rder", &["rm-a"]),
        ("SearchKey", "rm-", &["rm-a", "rm-b", "rm-c", "rm-d", "rm-e"]),
        ("Tags", r#"{"team":"dba"}"#, &["rm-a", "rm-b"]),
        ("Tags", r#"{"team":"web","env":"test"}"#, &["rm-b"]),
        ("Tags", r#"{"team":"dba","env":"live"}"#, &["rm-a", "rm-b"]),
        ("RegionId", "eu-central-1", &["rm-far"]),
        ("RegionId", "cn-beijing", &[]),
        ("VpcId", "vpc-unknown", &["rm-a", "rm-b", "rm-c", "rm-d", "rm-e"]),
    ];
    for (name, value, expected) in cases {
        let answer = fixture.send(&discover(&fixture).with(name, value)).await;
        assert_eq!(ids(&answer), *expected, "{name}={value}");
    }
}

#[tokio::test]
async fn each_bad_parameter_has_its_code() {
    let fixture = with(fleet(1), Vec::new()).await;
    let six = r#"{"a":"","b":"","c":"","d":"","e":"","f":""}"#;
    let cases = [
        ("RegionId", "", "MissingParameter"),
        ("RegionId", "moon-1", "InvalidRegionId.NotFound"),
        ("Engine", "mysql", "InvalidEngine.Malformed"),
        ("DBInstanceType", "Replica", "InvalidDBInstanceType.Malformed"),
        ("Tags", "team=dba", "InvalidTags.Malformed"),
        ("Tags", "{}", "InvalidTags.Malformed"),
        ("Tags", r#"["team"]"#, "InvalidTags.Malformed"),
        ("Tags", six, "InvalidTags.Malformed"),
        ("PageSize", "0", "InvalidPageSize.Malformed"),
        ("PageSize", "101", "InvalidPageSize.Malformed"),
        ("PageNumber", "0", "InvalidPageNumbers.Malformed"),
        ("MaxResults", "0", "InvalidMaxResults.Malformed"),
        ("MaxResults", "101", "InvalidMaxResults.Malformed"),
        ("NextToken", "made up", "InvalidNextToken.Malformed"),
        ("OwnerId", "me", "InvalidOwnerId.Malformed"),
    ];
    for (name, value, code) in cases {
        let answer = fixture.send(&discover(&fixture).with(name, value)).await;
        assert_eq!(answer.outcome().1, code, "{name}={value}");
    }
}

#[tokio::test]
async fn pages_by_number_tell_the_whole_lists_count() {
    let fixture = with(fleet(65), Vec::new()).await;
    let mut found = Vec::new();
    for (number, length) in [("1", 30), ("2", 30), ("3", 5), ("4", 0)] {
        let answer = fixture.send(&discover(&fixture).with("PageNumber", number)).await;
        let json = answer.json();
        assert_eq!(json["TotalRecordCount"], 65);
        assert_eq!(json["PageRecordCount"], length);
        assert_eq!(json["PageNumber"].to_string(), number);
        assert!(json.get("NextToken").is_none());
        found.extend(ids(&answer));
    }
    assert_eq!(found.len(), 65);
    let large = fixture.send(&discover(&fixture).with("PageSize", "100")).await;
    assert_eq!(ids(&large), found);
}

#[tokio::test]
async fn pages_by_token_tell_the_pages_count_and_end_with_an_empty_token() {
    let fixture = with(fleet(65), Vec::new()).await;
    let answers = walk(&fixture, "30").await;
    assert_eq!(answers.iter().map(|answer| ids(answer).len()).collect::<Vec<_>>(), [30, 30, 5]);
    for answer in &answers {
        assert_eq!(answer.total(), ids(answer).len() as u64);
    }
    let all: BTreeSet<_> = answers.iter().flat_map(ids).collect();
    assert_eq!(all.len(), 65);

    // A token switches the other way of paging off, with or without `MaxResults`.
    let token = answers[0].json()["NextToken"].as_str().unwrap().to_owned();
    let request = discover(&fixture).with("NextToken", &token).with("PageNumber", "1");
    assert_eq!(ids(&fixture.send(&request).await), ids(&answers[1]));
    let full = walk(&with(fleet(60), Vec::new()).await, "30").await;
    assert_eq!(full.len(), 2, "a full last page is the last one");
}

#[tokio::test]
async fn ten_thousand_instances_are_a_hundred_pages() {
    let world = scenario(vec![Instance { copies: Some(10_000), ..named("rm-fleet") }], Vec::new());
    let fixture = Fixture::start(world).await;
    let (mut token, mut found) = (String::new(), BTreeSet::new());
    loop {
        let request = discover(&fixture).with("MaxResults", "100").with("NextToken", &token);
        let answer = fixture.send(&request).await;
        found.extend(ids(&answer));
        token = answer.json()["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((found.len(), fixture.control.request_count()), (10_000, 100));
}

#[tokio::test]
async fn instances_come_and_go_by_the_scenario_and_by_hand() {
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    let instances = vec![
        Instance { from: minutes(2), ..named("rm-new") },
        Instance { until: minutes(4), ..named("rm-old") },
    ];
    let fixture = with(instances, Vec::new()).await;
    let seen = async || ids(&fixture.send(&discover(&fixture)).await);
    let asked = async |id: &str| {
        fixture.send(&fixture.request().with("DBInstanceId", id)).await.outcome().1
    };
    assert_eq!(seen().await, ["rm-old"]);
    assert_eq!(asked("rm-new").await, "InvalidDBInstanceId.NotFound");
    fixture.advance(120);
    assert_eq!(seen().await, ["rm-new", "rm-old"]);
    assert_eq!(asked("rm-new").await, "");
    fixture.advance(120);
    assert_eq!(seen().await, ["rm-new"]);
    assert_eq!(asked("rm-old").await, "InvalidDBInstanceId.NotFound");

    fixture.control.put_instance(named("rm-by-hand"));
    assert_eq!(seen().await, ["rm-by-hand", "rm-new"]);
    assert!(fixture.control.remove_instance("rm-new"));
    assert!(!fixture.control.remove_instance("rm-new"));
    assert_eq!(seen().await, ["rm-by-hand"]);
}

#[tokio::test]
async fn a_list_that_changes_between_pages_repeats_or_skips() {
    let fixture = with(fleet(65), Vec::new()).await;
    fixture.control.on_request(|request, control| {
        if request.parameter("NextToken") == Some("") {
            control.remove_instance("rm-1001");
        }
    });
    let answers = walk(&fixture, "30").await;
    let all: Vec<_> = answers.iter().flat_map(ids).collect();
    assert_eq!(all.len(), 64);
    assert!(!all.contains(&"rm-1031".to_owned()), "it moved to the page that was read already");

    let drift = |drift| Fault {
        when: When { action: Some("DescribeDBInstances".into()), page: Some(2), ..When::default() },
        effect: Effect::Drift(drift),
    };
    let insert = drift(Drift { insert: 1, remove: 0 });
    let answers = walk(&with(fleet(65), vec![insert]).await, "30").await;
    assert_eq!(ids(&answers[1])[0], "rm-1030", "it stands on the first page too");
    let remove = drift(Drift { insert: 0, remove: 1 });
    let answers = walk(&with(fleet(65), vec![remove]).await, "30").await;
    assert_eq!(ids(&answers[1])[0], "rm-1032");
}

#[tokio::test]
async fn an_answer_is_cut_in_the_middle_of_a_discovery() {
    let cut = Fault {
        when: When { action: Some("DescribeDBInstances".into()), page: Some(2), ..When::default() },
        effect: Effect::CutBody,
    };
    let fixture = with(fleet(65), vec![cut]).await;
    let request =
        |token: &str| discover(&fixture).with("MaxResults", "30").with("NextToken", token);
    let first = fixture.send(&request("")).await.json();
    let second = fixture.send(&request(first["NextToken"].as_str().unwrap())).await;
    let announced: usize = second.header("content-length").unwrap().parse().unwrap();
    assert_eq!((second.status, second.body.len()), (200, announced / 2));
    assert_eq!(fixture.control.requests()[1].faults, ["cut_body"]);
}

#[tokio::test]
async fn lists_of_instances_can_have_no_end() {
    let repeated = with(fleet(65), vec![Fault::always(Effect::RepeatedToken)]).await;
    let answers = walk(&repeated, "30").await;
    assert_eq!(answers.len(), 10);
    assert!(answers.iter().all(|answer| ids(answer) == ids(&answers[0])));

    let endless = Fault::always(Effect::EndlessPages(Endless::Growing));
    let answers = walk(&with(fleet(1), vec![endless]).await, "100").await;
    let all: BTreeSet<_> = answers.iter().flat_map(ids).collect();
    assert_eq!((answers.len(), all.len()), (10, 1_000));
}

#[tokio::test]
async fn fields_of_instances_are_spoilt_like_those_of_tasks() {
    let fixture = with(fleet(2), Vec::new()).await;
    let under = async |effect| {
        fixture.control.set_faults(vec![Fault::always(effect)]);
        fixture.send(&discover(&fixture).with("MaxResults", "30")).await.json()
    };
    let first = |json: &Value| json["Items"]["DBInstance"][0].clone();
    assert!(
        first(&under(Effect::Missing(Field::DBInstanceId)).await).get("DBInstanceId").is_none()
    );
    assert!(first(&under(Effect::Nulled(Field::Engine)).await)["Engine"].is_null());
    assert!(first(&under(Effect::WrongType(Field::RegionId)).await)["RegionId"].is_object());
    assert!(under(Effect::Missing(Field::NextToken)).await.get("NextToken").is_none());
    let odd = first(&under(Effect::UnknownStatus("Dreaming".into())).await);
    assert_eq!(odd["DBInstanceStatus"], "Dreaming");
    assert!(odd.get("ImportDataStatus").is_none());
}

#[tokio::test]
async fn regions_come_once_a_zone() {
    let fixture = with(vec![Instance { region: "me-east-1".into(), ..named("rm-a") }], Vec::new());
    let fixture = fixture.await;
    let answer = fixture.send(&fixture.operation("DescribeRegions")).await.json();
    let regions = answer["Regions"]["RDSRegion"].as_array().unwrap();
    let known: BTreeSet<_> = regions.iter().map(|r| r["RegionId"].as_str().unwrap()).collect();
    assert!(known.len() >= 6 && known.contains("cn-hangzhou") && known.contains("me-east-1"));
    assert_eq!(regions.len(), 3 * known.len());
    let zones: BTreeSet<_> = regions.iter().map(|r| r["ZoneId"].as_str().unwrap()).collect();
    assert_eq!(zones.len(), regions.len());
    for region in regions {
        let endpoint = match region["RegionId"].as_str().unwrap() {
            "cn-hangzhou" | "cn-beijing" | "cn-shanghai" => "rds.aliyuncs.com".to_owned(),
            id => format!("rds.{id}.aliyuncs.com"),
        };
        assert_eq!(region["RegionEndpoint"], endpoint);
    }
}

#[tokio::test]
async fn a_scenario_names_its_regions() {
    let region = Region {
        id: "cn-hangzhou".into(),
        zones: vec!["one".into(), "two".into()],
        name: Some("Home".into()),
        endpoint: Some("rds.example.com".into()),
    };
    let world = Scenario { regions: vec![region], ..scenario(fleet(1), Vec::new()) };
    let fixture = Fixture::start(world).await;
    let answer = fixture.send(&fixture.operation("DescribeRegions")).await.json();
    let regions = answer["Regions"]["RDSRegion"].as_array().unwrap();
    assert_eq!(regions.len(), 2);
    assert_eq!(regions[1]["ZoneId"], "two");
    assert_eq!(
        (&regions[1]["LocalName"], &regions[1]["RegionEndpoint"]),
        (&"Home".into(), &"rds.example.com".into())
    );
    let other = fixture.send(&discover(&fixture).with("RegionId", "cn-beijing")).await;
    assert_eq!(other.outcome(), (404, "InvalidRegionId.NotFound".to_owned()));
}

#[tokio::test]
async fn only_primary_instances_of_the_two_engines_have_imports() {
    let instances = vec![
        Instance { kind: InstanceType::Readonly, ..named("rm-reader") },
        Instance { engine: Engine::PostgreSQL, ..named("rm-postgres") },
    ];
    let fixture = with(instances, Vec::new()).await;
    for id in ["rm-reader", "rm-postgres"] {
        let answer = fixture.send(&fixture.request().with("DBInstanceId", id)).await;
        assert_eq!(answer.outcome(), (403, "OperationDenied.DBInstanceType".to_owned()), "{id}");
    }
    let postgres = fixture.request().with("Engine", "PostgreSQL");
    assert_eq!(fixture.send(&postgres).await.outcome().1, "InvalidEngine.Malformed");
}
