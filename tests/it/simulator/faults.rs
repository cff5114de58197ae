//! What each fault does, seen by a client that takes nothing for granted.

use std::time::Duration;

use aliyun_rds_import_exporter::clock::Clock;
use aliyun_rds_import_exporter::simulator::{
    ApiError, Drift, Drip, Effect, Endless, Fault, Field, Hint, When,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::Answer;
use super::{Fixture, INSTANCE, SECRET, instance, scenario};

/// The first page of an instance with 35 tasks under a fault, and of the same without.
async fn under(effect: Effect) -> (Answer, Answer) {
    let fixture = Fixture::with(35, vec![Fault::on(INSTANCE, effect)]).await;
    let faulty = fixture.page(1).await;
    fixture.control.set_faults(Vec::new());
    (faulty, fixture.page(1).await)
}

/// The JSON under a fault, and without one, but for what differs anyway.
async fn json_under(effect: Effect) -> (Value, Value) {
    let (faulty, sound) = under(effect).await;
    assert_eq!(faulty.status, 200);
    let (mut faulty, mut sound) = (faulty.json(), sound.json());
    for json in [&mut faulty, &mut sound] {
        assert!(json["RequestId"].take().is_string());
    }
    (faulty, sound)
}

fn first(json: &mut Value) -> &mut Value {
    &mut json["Items"]["ImportResultFromDB"][0]
}

#[tokio::test]
async fn latency_answers_later() {
    let fixture = Fixture::with(1, Vec::new()).await;
    fixture.control.set_faults(vec![Fault::always(Effect::Latency(Duration::from_millis(80)))]);
    let clock = Clock::system();
    assert_eq!(fixture.page(1).await.status, 200);
    assert!(clock.monotonic() >= Duration::from_millis(80));
}

#[tokio::test]
async fn throttle_and_error_answer_as_the_api_does_with_and_without_a_hint() {
    let wait = Some(Duration::from_millis(1500));
    let (hinted, _) = under(Effect::Throttle(Hint { retry_after: wait })).await;
    assert_eq!(hinted.outcome(), (400, "Throttling.User".to_owned()));
    assert_eq!(hinted.header("x-acs-retry-after"), Some("1500"));
    let (unhinted, _) = under(Effect::Throttle(Hint::default())).await;
    assert_eq!(unhinted.header("x-acs-retry-after"), None);

    let (error, _) = under(Effect::Error(ApiError {
        status: 500,
        code: "IncorrectDBInstanceState".into(),
        message: "Current DB instance state does not support this operation.".into(),
        retry_after: wait,
    }))
    .await;
    assert_eq!(error.outcome(), (500, "IncorrectDBInstanceState".to_owned()));
    assert_eq!(error.header("x-acs-retry-after"), Some("1500"));
    let message = "Current DB instance state does not support this operation.";
    assert_eq!(error.json()["Message"], message);
}

#[tokio::test]
async fn a_gateway_answers_in_the_apis_place() {
    for status in [429, 500, 502, 503, 504] {
        let (bare, _) = under(Effect::Http(status)).await;
        assert_eq!((bare.status, bare.body.as_slice()), (status, &b""[..]));
        assert_eq!(bare.header("content-type"), None);
    }
    for status in [200, 502] {
        let (page, _) = under(Effect::Html(status)).await;
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html")));
        assert!(page.text().starts_with("<!DOCTYPE html>"));
    }
    // It stands before the API, so it does not ask for a signature.
    let fixture = Fixture::with(1, vec![Fault::always(Effect::Html(502))]).await;
    assert_eq!(fixture.request().send(fixture.address).await.unwrap().status, 502);
}

#[tokio::test]
async fn a_retry_with_the_same_nonce_is_found_out_behind_a_gateway() {
    let fixture = Fixture::with(1, vec![Fault::always(Effect::Http(502)).first(1)]).await;
    let request = fixture.request();
    assert_eq!(fixture.send(&request).await.status, 502);
    assert_eq!(fixture.send(&request).await.outcome().1, "SignatureNonceUsed");
}

#[tokio::test]
async fn api_faults_wait_for_a_sound_signature() {
    let fixture = Fixture::with(1, vec![Fault::always(Effect::Throttle(Hint::default()))]).await;
    let unsigned = fixture.request().send(fixture.address).await.unwrap();
    assert_eq!(unsigned.outcome().1, "IncompleteSignature");
}

#[tokio::test]
async fn hang_never_answers_and_holds_nobody_else_up() {
    let fixture = Fixture::with(1, vec![Fault::always(Effect::Hang).first(1)]).await;
    let mut hung = TcpStream::connect(fixture.address).await.unwrap();
    hung.write_all(&fixture.request().signed(SECRET).bytes("close")).await.unwrap();
    fixture.control.wait_for_requests(1).await;
    let record = &fixture.control.requests()[0];
    assert_eq!((record.status, record.faults.as_slice()), (None, &["hang"][..]));

    assert_eq!(fixture.page(1).await.status, 200);
    let nothing = hung.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn close_and_reset_end_the_connection_without_an_answer() {
    for (effect, expected) in
        [(Effect::Close, Ok(0)), (Effect::Reset, Err(std::io::ErrorKind::ConnectionReset))]
    {
        let fixture = Fixture::with(1, vec![Fault::always(effect)]).await;
        let mut stream = TcpStream::connect(fixture.address).await.unwrap();
        let request = fixture.request().signed(SECRET);
        stream.write_all(&request.bytes("keep-alive")).await.unwrap();
        let read = stream.read(&mut [0; 1]).await.map_err(|error| error.kind());
        assert_eq!(read, expected);
        assert_eq!(fixture.control.requests()[0].status, None);
    }
}

#[tokio::test]
async fn cut_body_breaks_off_in_the_middle() {
    let (cut, sound) = under(Effect::CutBody).await;
    assert_eq!(cut.status, 200);
    assert_eq!(cut.header("content-length").unwrap(), sound.body.len().to_string());
    assert_eq!(cut.body.len(), sound.body.len() / 2);
}

#[tokio::test]
async fn drip_sends_everything_slowly() {
    let drip = Drip { bytes: 2_000, pause: Duration::from_millis(10) };
    let fixture = Fixture::with(35, vec![Fault::always(Effect::Drip(drip))]).await;
    let clock = Clock::system();
    let answer = fixture.page(1).await;
    assert_eq!(answer.ids().len(), 30);
    let pieces = u32::try_from(answer.body.len() / 2_000).unwrap();
    assert!(pieces >= 2, "the body is long enough for the test");
    assert!(clock.monotonic() >= Duration::from_millis(10) * pieces);
}

#[tokio::test]
async fn content_length_is_off_either_way() {
    let (long, sound) = under(Effect::ContentLength(10)).await;
    let announced = (sound.body.len() + 10).to_string();
    assert_eq!(long.header("content-length"), Some(announced.as_str()));
    assert_eq!(long.body.len(), sound.body.len());

    let (short, sound) = under(Effect::ContentLength(-10)).await;
    let announced = (sound.body.len() - 10).to_string();
    assert_eq!(short.header("content-length"), Some(announced.as_str()));
    assert_eq!(short.body.len(), sound.body.len() - 10);
}

#[tokio::test]
async fn invalid_json_has_its_length_and_cannot_be_read() {
    let (broken, _) = under(Effect::InvalidJson).await;
    assert_eq!(broken.header("content-length").unwrap(), broken.body.len().to_string());
    assert!(serde_json::from_slice::<Value>(&broken.body).is_err());
    assert!(broken.text().ends_with(','));
}

#[tokio::test]
async fn oversized_is_well_formed_and_beyond_the_limit() {
    let (large, sound) = under(Effect::Oversized).await;
    assert_eq!(large.body.len(), 8 * 1024 * 1024 + 1);
    assert_eq!(large.ids(), sound.ids());
}

#[tokio::test]
async fn fields_are_missing_null_or_of_a_wrong_type() {
    let fields = [
        (Field::PageNumber, "/PageNumber"),
        (Field::PageRecordCount, "/PageRecordCount"),
        (Field::TotalRecordCount, "/TotalRecordCount"),
        (Field::Items, "/Items"),
        (Field::ImportId, "/Items/ImportResultFromDB/0/ImportId"),
        (Field::ImportDataType, "/Items/ImportResultFromDB/0/ImportDataType"),
        (Field::ImportDataStatus, "/Items/ImportResultFromDB/0/ImportDataStatus"),
        (Field::IncrementalImportingTime, "/Items/ImportResultFromDB/0/IncrementalImportingTime"),
    ];
    for (field, pointer) in fields {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let (missing, mut sound) = json_under(Effect::Missing(field)).await;
        let parent = sound.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        assert!(parent.remove(name).is_some());
        assert_eq!(missing, sound, "{field:?}");

        let (nulled, mut sound) = json_under(Effect::Nulled(field)).await;
        *sound.pointer_mut(pointer).unwrap() = Value::Null;
        assert_eq!(nulled, sound, "{field:?}");

        let (wrong, mut sound) = json_under(Effect::WrongType(field)).await;
        *sound.pointer_mut(pointer).unwrap() = json!({ "unexpected": true });
        assert_eq!(wrong, sound, "{field:?}");
    }
}

#[tokio::test]
async fn the_request_id_goes_missing_too() {
    for (effect, expected) in [
        (Effect::Missing(Field::RequestId), None),
        (Effect::Nulled(Field::RequestId), Some(Value::Null)),
        (Effect::WrongType(Field::RequestId), Some(json!({ "unexpected": true }))),
    ] {
        let (faulty, _) = under(effect).await;
        assert_eq!(faulty.json().get("RequestId").cloned(), expected);
    }
}

#[tokio::test]
async fn numbers_come_as_text() {
    let (text, sound) = under(Effect::NumbersAsText).await;
    let (mut text, sound) = (text.json(), sound.json());
    assert_eq!(text["TotalRecordCount"], "35");
    assert_eq!(text["PageNumber"], "1");
    assert_eq!(
        first(&mut text)["ImportId"],
        sound["Items"]["ImportResultFromDB"][0]["ImportId"].to_string()
    );
}

#[tokio::test]
async fn words_times_and_numbers_that_nobody_expects() {
    let (faulty, mut sound) = json_under(Effect::UnknownStatus("PausedByOperator".into())).await;
    first(&mut sound)["ImportDataStatus"] = json!("PausedByOperator");
    assert_eq!(faulty, sound);

    let (faulty, mut sound) = json_under(Effect::UnknownType("Partial".into())).await;
    first(&mut sound)["ImportDataType"] = json!("Partial");
    assert_eq!(faulty, sound);

    let (faulty, mut sound) = json_under(Effect::ImportingTime("31 February".into())).await;
    for item in sound["Items"]["ImportResultFromDB"].as_array_mut().unwrap() {
        item["IncrementalImportingTime"] = json!("31 February");
    }
    assert_eq!(faulty, sound);

    let (faulty, mut sound) = json_under(Effect::PageNumber(7)).await;
    sound["PageNumber"] = json!(7);
    assert_eq!(faulty, sound);

    let (faulty, mut sound) = json_under(Effect::PageRecordCount(30)).await;
    sound["PageRecordCount"] = json!(30);
    assert_eq!(faulty, sound);

    let (faulty, mut sound) = json_under(Effect::DuplicateItems).await;
    let items = sound["Items"]["ImportResultFromDB"].as_array_mut().unwrap();
    items[29] = items[0].clone();
    assert_eq!(faulty, sound);
}

#[tokio::test]
async fn endless_pages_are_always_full_and_never_repeat() {
    for (endless, totals) in
        [(Endless::Growing, [60, 90, 120]), (Endless::Fixed, [2_147_483_647; 3])]
    {
        let fixture = Fixture::with(3, vec![Fault::always(Effect::EndlessPages(endless))]).await;
        let mut ids = Vec::new();
        for (number, total) in (1..).zip(totals) {
            let answer = fixture.page(number).await;
            assert_eq!(answer.total(), total);
            ids.extend(answer.ids());
        }
        ids.dedup();
        assert_eq!(ids.len(), 90);
    }
}

#[tokio::test]
async fn a_drifting_list_repeats_or_skips_what_moved() {
    let insert = Fault::always(Effect::Drift(Drift { insert: 2, remove: 0 }));
    let fixture = Fixture::with(65, vec![insert]).await;
    let [one, two, three] = [fixture.page(1).await, fixture.page(2).await, fixture.page(3).await];
    assert_eq!([one.total(), two.total(), three.total()], [65, 67, 69]);
    assert_eq!(one.ids()[28..], [37, 36]);
    assert_eq!(two.ids()[..3], [37, 36, 35], "two tasks moved to the next page");

    let remove = Fault::always(Effect::Drift(Drift { insert: 0, remove: 2 }));
    let fixture = Fixture::with(65, vec![remove]).await;
    let [one, two] = [fixture.page(1).await, fixture.page(2).await];
    assert_eq!([one.total(), two.total()], [65, 63]);
    assert_eq!(one.ids()[29], 36);
    assert_eq!(two.ids()[0], 33, "35 and 34 are on no page");

    let both = Fault::always(Effect::Drift(Drift { insert: 1, remove: 1 }));
    let fixture = Fixture::with(65, vec![both]).await;
    assert_eq!(fixture.page(2).await.total(), 65, "the total tells nothing");
}

#[tokio::test]
async fn a_moving_total_is_one_more_on_every_page() {
    let fixture = Fixture::with(65, vec![Fault::always(Effect::MovingTotal)]).await;
    for (page, total) in [(1, 65), (2, 66), (3, 67)] {
        assert_eq!(fixture.page(page).await.total(), total);
    }
}

#[tokio::test]
async fn the_date_is_missing_or_off() {
    let (dateless, dated) = under(Effect::NoDate).await;
    assert_eq!(dateless.header("date"), None);
    assert_eq!(dated.header("date"), Some("Tue, 02 Jan 2024 03:04:05 GMT"));

    let (skewed, _) = under(Effect::ClockSkew(chrono::TimeDelta::seconds(-90))).await;
    assert_eq!(skewed.header("date"), Some("Tue, 02 Jan 2024 03:02:35 GMT"));
}

#[tokio::test]
async fn xml_comes_though_json_was_asked_for() {
    let (success, _) = under(Effect::Xml).await;
    assert_eq!(success.header("content-type"), Some("text/xml;charset=utf-8"));
    assert!(success.text().contains("<DescibeImportsFromDatabaseResponse>"));

    let xml = Fault::always(Effect::Xml);
    let throttle = Fault::always(Effect::Throttle(Hint::default()));
    let fixture = Fixture::with(1, vec![xml, throttle]).await;
    let error = fixture.page(1).await;
    assert_eq!((error.status, error.header("content-type")), (400, Some("text/xml;charset=utf-8")));
    assert!(error.text().contains("<Error>") && error.text().contains("Throttling.User"));
}

#[tokio::test]
async fn conditions_pick_the_requests() {
    let others = instance(70);
    let others = aliyun_rds_import_exporter::simulator::Instance { id: "rm-two".into(), ..others };
    let when = |change: &dyn Fn(&mut When)| {
        let mut when = When::default();
        change(&mut when);
        Fault { when, effect: Effect::Http(503) }
    };
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    let cases: [(&str, Fault); 6] = [
        ("instance", when(&|w| w.instance = Some("rm-two".into()))),
        ("account", when(&|w| w.account = Some("default".into()))),
        ("page", when(&|w| w.page = Some(2))),
        ("import id", when(&|w| w.by_import_id = Some(true))),
        ("window", when(&|w| w.window_over = minutes(48 * 60))),
        ("time", when(&|w| w.from = minutes(1))),
    ];
    for (what, fault) in cases {
        let world = scenario(vec![instance(70), others.clone()], vec![fault]);
        let fixture = Fixture::start(world).await;
        let asked = [
            ("account", fixture.request()),
            ("instance", fixture.request().with("DBInstanceId", "rm-two")),
            ("page", fixture.request().with("PageNumber", "2")),
            ("import id", fixture.request().with("ImportId", "7")),
            ("window", fixture.request().with("StartTime", "2023-12-30T00:00Z")),
        ];
        for (of, request) in asked {
            let status = fixture.send(&request).await.status;
            let meets = of == what || what == "account";
            assert_eq!(status, if meets { 503 } else { 200 }, "{what}: {of}");
        }
        fixture.advance(60);
        let late = fixture.page(1).await.status;
        assert_eq!(late == 503, ["time", "account"].contains(&what), "{what}: later");
    }
}

#[tokio::test]
async fn the_first_three_of_an_instance_fail_and_then_it_recovers() {
    let fault = Fault::on(INSTANCE, Effect::Http(500)).first(3);
    let fixture = Fixture::with(1, vec![fault]).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(fixture.page(1).await.status);
    }
    assert_eq!(statuses, [500, 500, 500, 200, 200]);
    let recorded: Vec<_> = fixture.control.requests().iter().map(|r| r.status.unwrap()).collect();
    assert_eq!(recorded, statuses);
}
