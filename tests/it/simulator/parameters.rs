//! Every parameter of the operation: missing, malformed, out of range, and right.

use serde_json::Value;

use super::raw::{Answer, Request};
use super::{Fixture, INSTANCE, instance, scenario};
use aliyun_rds_import_exporter::simulator::{Engine, Instance, State};

#[tokio::test]
async fn each_parameter_is_validated_with_its_code() {
    let long = "t".repeat(65);
    let fits = "t".repeat(64);
    let cases: &[(&str, Option<&str>, u16, &str)] = &[
        ("Action", None, 400, "MissingParameter"),
        ("Action", Some("DescribeImportsFromDatabase"), 404, "InvalidApi.NotFound"),
        ("Version", None, 400, "MissingParameter"),
        ("Version", Some("2014-08-16"), 400, "NoSuchVersion"),
        ("Format", Some("json"), 200, ""),
        ("DBInstanceId", None, 400, "MissingParameter"),
        ("DBInstanceId", Some(""), 400, "MissingParameter"),
        ("DBInstanceId", Some("rm-unknown"), 404, "InvalidDBInstanceId.NotFound"),
        ("Engine", None, 400, "MissingParameter"),
        ("Engine", Some("SQL Server"), 400, "InvalidEngine.Malformed"),
        ("Engine", Some("mysql"), 400, "InvalidEngine.Malformed"),
        ("Engine", Some("SQLServer"), 403, "OperationDenied.DBInstanceType"),
        ("StartTime", None, 400, "MissingParameter"),
        ("StartTime", Some("2024-01-01T00:00:00Z"), 400, "InvalidStartTime.Malformed"),
        ("StartTime", Some("2024-01-01"), 400, "InvalidStartTime.Malformed"),
        ("StartTime", Some("2024-13-01T00:00Z"), 400, "InvalidStartTime.Malformed"),
        ("StartTime", Some("2024-01-01T24:00Z"), 400, "InvalidStartTime.Malformed"),
        ("StartTime", Some(" 024-01-01T00:00Z"), 400, "InvalidStartTime.Malformed"),
        ("StartTime", Some("0001-01-01T00:00Z"), 200, ""),
        ("EndTime", None, 400, "MissingParameter"),
        ("EndTime", Some("tomorrow"), 400, "InvalidEndTime.Malformed"),
        ("EndTime", Some("2024-01-02T03:04+08"), 400, "InvalidEndTime.Malformed"),
        ("EndTime", Some("9999-12-31T23:59Z"), 200, ""),
        ("ImportId", Some("1"), 200, ""),
        ("ImportId", Some(""), 200, ""),
        ("ImportId", Some("one"), 400, "InvalidImportId.Malformed"),
        ("ImportId", Some("-1"), 400, "InvalidImportId.Malformed"),
        ("ImportId", Some("+1"), 400, "InvalidImportId.Malformed"),
        ("ImportId", Some("1.0"), 400, "InvalidImportId.Malformed"),
        ("ImportId", Some("2147483648"), 400, "InvalidImportId.Malformed"),
        ("PageSize", Some("30"), 200, ""),
        ("PageSize", Some("50"), 200, ""),
        ("PageSize", Some("100"), 200, ""),
        ("PageSize", Some("31"), 400, "InvalidPageSize.Malformed"),
        ("PageSize", Some("0"), 400, "InvalidPageSize.Malformed"),
        ("PageSize", Some("many"), 400, "InvalidPageSize.Malformed"),
        ("PageNumber", Some("1"), 200, ""),
        ("PageNumber", Some("2147483647"), 200, ""),
        ("PageNumber", Some("0"), 400, "InvalidPageNumbers.Malformed"),
        ("PageNumber", Some("-1"), 400, "InvalidPageNumbers.Malformed"),
        ("PageNumber", Some("first"), 400, "InvalidPageNumbers.Malformed"),
        ("PageNumber", Some("2147483648"), 400, "InvalidPageNumbers.Malformed"),
        ("ClientToken", Some(&fits), 200, ""),
        ("ClientToken", Some(&long), 400, "InvalidClientToken.Malformed"),
        ("ClientToken", Some("ü"), 400, "InvalidClientToken.Malformed"),
        ("ResourceGroupId", Some("rg-acfm"), 200, ""),
        ("OwnerId", Some("9223372036854775807"), 200, ""),
        ("OwnerId", Some("9223372036854775808"), 400, "InvalidOwnerId.Malformed"),
        ("OwnerId", Some("me"), 400, "InvalidOwnerId.Malformed"),
        ("OwnerAccount", Some("someone@example.com"), 200, ""),
        ("ResourceOwnerId", Some("12"), 200, ""),
        ("ResourceOwnerId", Some("12x"), 400, "InvalidResourceOwnerId.Malformed"),
        ("ResourceOwnerAccount", Some("someone"), 200, ""),
        ("RegionId", Some("cn-hangzhou"), 200, ""),
        ("SignatureType", Some(""), 200, ""),
        ("SomethingElse", Some("x y*z~ü+/"), 200, ""),
    ];
    let fixture = Fixture::with(3, Vec::new()).await;
    for (name, value, status, code) in cases {
        let request = match value {
            Some(value) => fixture.request().with(name, value),
            None => fixture.request().without(name),
        };
        for request in [request.clone(), request.by("POST").with("SignatureNonce", &unique())] {
            let answer = fixture.send(&request).await;
            let outcome = answer.outcome();
            assert_eq!(
                outcome,
                (*status, (*code).to_owned()),
                "{} {name}={value:?}",
                request.method
            );
        }
    }
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("unique-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn an_owner_is_named_by_id_or_by_account() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let both = fixture.request().with("OwnerId", "1").with("OwnerAccount", "someone");
    assert_eq!(fixture.send(&both).await.outcome(), (400, "InvalidOwner".to_owned()));
}

#[tokio::test]
async fn a_message_names_the_parameter_and_what_is_allowed() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let message = async |request: Request| {
        fixture.send(&request).await.json()["Message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message(fixture.request().with("PageSize", "31")).await,
        "The specified parameter \"PageSize\" is not valid: valid values are 30, 50 and 100."
    );
    assert_eq!(
        message(fixture.request().without("StartTime")).await,
        "The input parameter \"StartTime\" that is mandatory for processing this request is not supplied."
    );
    assert_eq!(
        message(fixture.request().with("EndTime", "now")).await,
        "The specified parameter \"EndTime\" is not valid: the format is yyyy-MM-ddTHH:mmZ, in UTC."
    );
}

#[tokio::test]
async fn parameters_come_from_query_and_form_together() {
    let fixture = Fixture::with(3, Vec::new()).await;
    let names = ["DBInstanceId", "Engine", "StartTime", "EndTime", "Format", "Timestamp"];
    let answer = fixture.send(&fixture.request().by("POST").in_form(&names)).await;
    assert_eq!(answer.ids(), [3, 2, 1]);

    let everything = fixture.request();
    let names: Vec<String> = everything.query.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let answer = fixture.send(&everything.by("POST").in_form(&names)).await;
    assert_eq!(answer.ids(), [3, 2, 1]);
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let mut request = fixture.request().by("POST").in_form(&["Engine"]).signed(super::SECRET);
    request = request.with("Engine", "MySQL");
    let answer = request.send(fixture.address).await.unwrap();
    assert_eq!(answer.outcome(), (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let fixture = Fixture::with(1, Vec::new()).await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = fixture.send(&fixture.request().by(method)).await;
        assert_eq!(answer.outcome(), (403, "UnsupportedHTTPMethod".to_owned()), "{method}");
    }
    let mut elsewhere = fixture.request();
    elsewhere.path = "/elsewhere";
    assert_eq!(fixture.send(&elsewhere).await.outcome(), (404, "InvalidApi.NotFound".to_owned()));
}

#[tokio::test]
async fn a_body_beyond_reason_is_refused() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let request = fixture.request().by("POST").with("ClientToken", &"x".repeat(1_100_000));
    let answer = fixture.send(&request.in_form(&["ClientToken"])).await;
    assert_eq!(answer.outcome(), (413, "RequestEntityTooLarge".to_owned()));
}

#[tokio::test]
async fn the_format_is_xml_unless_json_is_asked_for() {
    let fixture = Fixture::with(1, Vec::new()).await;
    let kind = |answer: &Answer| answer.header("content-type").unwrap().to_owned();
    for (format, content_type) in [
        (None, "text/xml;charset=utf-8"),
        (Some(""), "text/xml;charset=utf-8"),
        (Some("Xml"), "text/xml;charset=utf-8"),
        (Some("JSON"), "application/json;charset=utf-8"),
        (Some("jSon"), "application/json;charset=utf-8"),
    ] {
        let with = |request: Request| match format {
            Some(format) => request.with("Format", format),
            None => request.without("Format"),
        };
        let success = fixture.send(&with(fixture.request())).await;
        let failure = fixture.send(&with(fixture.request().without("Engine"))).await;
        assert_eq!((success.status, kind(&success).as_str()), (200, content_type), "{format:?}");
        assert_eq!((failure.status, kind(&failure).as_str()), (400, content_type), "{format:?}");
    }

    let other = fixture.send(&fixture.request().with("Format", "YAML")).await;
    assert_eq!((other.status, kind(&other).as_str()), (400, "text/xml;charset=utf-8"));
    assert!(other.text().contains("<Code>InvalidParameter</Code>"));
}

/// Reads the simulator's XML back into the shape of its JSON.
fn read_xml(text: &str) -> (String, Value) {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    /// An element that has not ended: name, children, text.
    type Open = (String, Vec<(String, Value)>, String);
    let mut stack: Vec<Open> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                stack.push((name, Vec::new(), String::new()));
            }
            Event::Text(text) => {
                stack.last_mut().unwrap().2.push_str(&text);
            }
            Event::GeneralRef(name) => {
                let text = quick_xml::escape::resolve_predefined_entity(&name).unwrap();
                stack.last_mut().unwrap().2.push_str(text);
            }
            Event::End(_) => {
                let (name, children, text) = stack.pop().unwrap();
                let value = if name == "Items" {
                    let items: Vec<_> = children.into_iter().map(|(_, item)| item).collect();
                    serde_json::json!({ "ImportResultFromDB": items })
                } else if children.is_empty() {
                    let number = ["ImportId", "PageNumber", "PageRecordCount", "TotalRecordCount"];
                    match text.parse::<u64>() {
                        Ok(parsed) if number.contains(&name.as_str()) => parsed.into(),
                        _ => text.into(),
                    }
                } else {
                    Value::Object(children.into_iter().collect())
                };
                match stack.last_mut() {
                    Some(parent) => parent.1.push((name, value)),
                    None => return (name, value),
                }
            }
            Event::Decl(_) => {}
            other => panic!("unexpected in an answer: {other:?}"),
        }
    }
}

#[tokio::test]
async fn xml_says_what_json_says() {
    let denied = Instance { id: "rm-denied".into(), state: State::Denied, ..instance(0) };
    let empty = Instance { id: "rm-empty".into(), ..instance(0) };
    let hostile = {
        let mut hostile = Instance { id: "rm-hostile".into(), ..instance(2) };
        hostile.tasks[0].life.description = Some("a <b> & \"c\" 'd' ü 迁移".to_owned());
        hostile
    };
    let fixture =
        Fixture::start(scenario(vec![instance(35), denied, empty, hostile], Vec::new())).await;
    let cases = [
        (INSTANCE, "1", "DescibeImportsFromDatabaseResponse"),
        (INSTANCE, "2", "DescibeImportsFromDatabaseResponse"),
        ("rm-empty", "1", "DescibeImportsFromDatabaseResponse"),
        ("rm-hostile", "1", "DescibeImportsFromDatabaseResponse"),
        ("rm-unknown", "1", "Error"),
        ("rm-denied", "1", "Error"),
        (INSTANCE, "0", "Error"),
    ];
    for (id, page, root) in cases {
        let request = || fixture.request().with("DBInstanceId", id).with("PageNumber", page);
        let json = fixture.send(&request()).await;
        let xml = fixture.send(&request().without("Format")).await;
        assert_eq!(json.status, xml.status);
        let (name, mut from_xml) = read_xml(xml.text());
        assert_eq!(name, root, "{id} {page}");
        let mut from_json = json.json();
        for (answer, fields) in [(&json, &mut from_json), (&xml, &mut from_xml)] {
            let id = fields["RequestId"].take();
            assert_eq!(answer.header("x-acs-request-id"), id.as_str());
            // The link in it holds the request's ID.
            if let Some(link) = fields.get_mut("Recommend") {
                assert!(link.take().as_str().unwrap().ends_with(id.as_str().unwrap()));
            }
        }
        assert_eq!(from_json, from_xml, "{id} {page}");
    }
}

#[tokio::test]
async fn an_error_says_all_that_the_api_says() {
    let denied = Instance { state: State::Denied, ..instance(0) };
    let fixture = Fixture::start(scenario(vec![denied], Vec::new())).await;
    let answer = fixture.page(1).await;
    assert_eq!(answer.outcome(), (403, "Forbidden.RAM".to_owned()));
    let json = answer.json();
    assert_eq!(json["HostId"], "rds.aliyuncs.com");
    assert_eq!(json["AccessDeniedDetail"]["AuthAction"], "rds:DescibeImportsFromDatabase");
    let id = json["RequestId"].as_str().unwrap();
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
    assert_eq!(answer.header("date"), Some("Tue, 02 Jan 2024 03:04:05 GMT"));
}

#[tokio::test]
async fn an_instance_answers_by_its_state_engine_and_owner() {
    let of = |id: &str, change: &dyn Fn(&mut Instance)| {
        let mut instance = Instance { id: id.into(), ..instance(1) };
        change(&mut instance);
        instance
    };
    let mut scenario = scenario(
        vec![
            of("rm-missing", &|i| i.state = State::Missing),
            of("rm-readonly", &|i| i.state = State::UnsupportedType),
            of("rm-sqlserver", &|i| i.engine = Engine::SQLServer),
            of("rm-other", &|i| i.account = Some("other".into())),
        ],
        Vec::new(),
    );
    scenario.accounts.push(aliyun_rds_import_exporter::simulator::Account::new("other"));
    let fixture = Fixture::start(scenario).await;
    for (id, engine, status, code) in [
        ("rm-missing", "MySQL", 404, "InvalidDBInstanceId.NotFound"),
        ("rm-readonly", "MySQL", 403, "OperationDenied.DBInstanceType"),
        ("rm-sqlserver", "SQLServer", 200, ""),
        ("rm-sqlserver", "MySQL", 403, "OperationDenied.DBInstanceType"),
        ("rm-other", "MySQL", 404, "InvalidDBInstanceId.NotFound"),
    ] {
        let request = fixture.request().with("DBInstanceId", id).with("Engine", engine);
        let outcome = fixture.send(&request).await.outcome();
        assert_eq!(outcome, (status, code.to_owned()), "{id} {engine}");
    }
    assert!(fixture.control.set_state("rm-missing", State::Normal));
    let back = fixture.request().with("DBInstanceId", "rm-missing");
    assert_eq!(fixture.send(&back).await.ids(), [1]);
}
