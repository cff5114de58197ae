use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-11-24T12:00:00Z";

fn parse(body: &Value) -> Result<Parsed, String> {
    super::parse(body.to_string().as_bytes(), NOW.parse().unwrap())
}

fn page(items: &Value) -> Result<Parsed, String> {
    parse(&json!({"RequestId": "R", "PageNumber": 1, "PageRecordCount": 30,
        "TotalRecordCount": 1, "Items": {"ImportResultFromDB": items}}))
}

fn item(overrides: &Value) -> Value {
    let mut item = json!({"ImportId": 123, "ImportDataType": "Incremental",
        "ImportDataStatus": "IncrementalImporting", "ImportDataStatusDescription": "",
        "IncrementalImportingTime": "2026-11-24T11:58:00Z"});
    for (name, value) in overrides.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

fn only_task(overrides: &Value) -> Task {
    page(&json!([item(overrides)])).unwrap().page.tasks[0]
}

#[test]
fn reads_the_documented_samples() {
    let empty = json!({"TotalRecordCount": 0, "PageRecordCount": 30, "RequestId": "B000AA91",
        "PageNumber": 1, "Items": {"ImportResultFromDB": []}});
    let parsed = parse(&empty).unwrap();
    assert_eq!((parsed.page.total, parsed.page.tasks.len()), (0, 0));
    assert_eq!(parsed.request_id.as_deref(), Some("B000AA91"));

    let one = json!({"TotalRecordCount": 1, "PageRecordCount": 1, "RequestId": "R", "PageNumber": 1,
        "Items": {"ImportResultFromDB": [{"ImportId": 123, "ImportDataStatus": "NotStart",
            "ImportDataStatusDescription": "Description", "ImportDataType": "Full",
            "IncrementalImportingTime": "2023-06-11T15:00Z"}]}});
    let task = parse(&one).unwrap().page.tasks[0];
    assert_eq!(task.import_id, ImportId(123));
    assert_eq!((task.kind, task.status), (TaskType::FULL, TaskStatus::NOT_START));
    assert_eq!(task.position, None);
}

#[test]
fn lag_is_the_answers_time_minus_the_position() {
    let position = only_task(&json!({})).position.unwrap();
    assert_eq!(position.lag_seconds, 120);
    assert_eq!(position.unix_seconds, 1_795_521_480);

    let without_seconds = only_task(&json!({"IncrementalImportingTime": "2026-11-24T11:59Z"}));
    assert_eq!(without_seconds.position.unwrap().lag_seconds, 60);
}

#[test]
fn lag_is_never_negative() {
    let ahead = only_task(&json!({"IncrementalImportingTime": "2026-11-24T12:04:59Z"}));
    assert_eq!(ahead.position.unwrap().lag_seconds, 0);
}

#[test]
fn only_incremental_tasks_under_way_have_a_position() {
    for (kind, status, has) in [
        ("Incremental", "IncrementalWaiting", true),
        ("Incremental", "IncrementalImporting", true),
        ("Incremental", "FullImporting", false),
        ("Incremental", "Success", false),
        ("Full", "IncrementalImporting", false),
    ] {
        let task = only_task(&json!({"ImportDataType": kind, "ImportDataStatus": status}));
        assert_eq!(task.position.is_some(), has, "{kind} {status}");
    }
}

#[test]
fn a_time_that_makes_no_sense_costs_the_lag_and_is_counted() {
    for nonsense in [
        json!("0001-01-01T00:00:00Z"),
        json!("2026-11-24T12:30:00Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("soon"),
        json!(1_700_000_000),
        json!({"a": [1]}),
        json!(false),
    ] {
        let items = json!([item(&json!({"IncrementalImportingTime": nonsense}))]);
        let parsed = page(&items).unwrap();
        assert_eq!(parsed.page.tasks[0].position, None, "{nonsense}");
        assert_eq!(parsed.unknown, ["IncrementalImportingTime"], "{nonsense}");
    }
}

#[test]
fn an_absent_time_is_no_nonsense() {
    for absent in [json!(null), json!(""), json!("  ")] {
        let parsed = page(&json!([item(&json!({"IncrementalImportingTime": absent}))])).unwrap();
        assert_eq!(parsed.page.tasks[0].position, None);
        assert!(parsed.unknown.is_empty());
    }
}

#[test]
fn known_looseness_is_accepted() {
    assert_eq!(only_task(&json!({"ImportId": "0123"})).import_id, ImportId(123));
    assert_eq!(only_task(&json!({"ImportId": u64::MAX})).import_id, ImportId(u64::MAX));
    for items in [json!(null), json!([]), json!(""), json!({}), json!({"ImportResultFromDB": null})]
    {
        let parsed = parse(&json!({"TotalRecordCount": 0, "Items": items})).unwrap();
        assert!(parsed.page.tasks.is_empty(), "{items}");
    }
    assert_eq!(parse(&json!({"TotalRecordCount": 0})).unwrap().page.number, None);
}

#[test]
fn undocumented_words_pass_through_and_are_counted() {
    let items = json!([item(&json!({"ImportDataType": "Partial", "ImportDataStatus": "Paused"}))]);
    let parsed = page(&items).unwrap();
    assert_eq!(parsed.page.tasks[0].status.as_str(), "Paused");
    assert_eq!(parsed.page.tasks[0].kind.as_str(), "Partial");
    assert_eq!(parsed.unknown, ["ImportDataType", "ImportDataStatus"]);
}

#[test]
fn descriptions_are_kept_of_tasks_that_did_not_succeed_up_to_a_length() {
    let described = |status, text: &str| {
        item(&json!({"ImportDataStatus": status, "ImportDataStatusDescription": text}))
    };
    let long = "ü".repeat(MAX_DESCRIPTION + 1);
    let items = [
        described("Success", "done"),
        described("Failed", "disk"),
        described("NotStart", ""),
        described("FullImporting", &long),
    ];
    let parsed = page(&json!(items)).unwrap();
    let texts: Vec<_> = parsed.page.descriptions.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["disk", format!("{}…", "ü".repeat(MAX_DESCRIPTION)).as_str()]);
}

#[test]
fn bad_input_is_refused_whole_and_says_why() {
    for (body, reason) in [
        (json!({"Items": {"ImportResultFromDB": []}}), "no TotalRecordCount"),
        (json!({"Code": "Throttling", "Message": "m"}), r#"the Code "Throttling""#),
        (json!({"TotalRecordCount": "1"}), "invalid type: string"),
        (json!({"TotalRecordCount": -1}), "not readable"),
        (json!({"TotalRecordCount": 1.5}), "not readable"),
        (json!({"TotalRecordCount": 1, "PageNumber": "1"}), "not readable"),
        (json!({"TotalRecordCount": 1, "Items": [{}]}), "an object with the array"),
        (json!({"TotalRecordCount": 1, "Items": "x"}), "an object with the array"),
        (json!({"TotalRecordCount": 1, "Items": {"ImportResultFromDB": {}}}), "not readable"),
    ] {
        let error = parse(&body).unwrap_err();
        assert!(error.contains(reason), "{body}: {error}");
    }
    for (overrides, reason) in [
        (json!({"ImportId": null}), "item 1 has no ImportId"),
        (json!({"ImportId": -5}), "a whole number as ImportId"),
        (json!({"ImportId": 1.5}), "a whole number as ImportId"),
        (json!({"ImportId": "+5"}), "a whole number as ImportId"),
        (json!({"ImportId": "five"}), "a whole number as ImportId"),
        (json!({"ImportDataType": null}), "item 1 (ImportId 123) has no ImportDataType"),
        (json!({"ImportDataStatus": ""}), "item 1 (ImportId 123) has no ImportDataStatus"),
        (json!({"ImportDataStatus": 7}), "not readable"),
        (json!({"ImportDataStatus": "x".repeat(100)}), "no usable ImportDataStatus"),
    ] {
        let error = page(&json!([item(&json!({"ImportId": 1})), item(&overrides)])).unwrap_err();
        assert!(error.contains(reason), "{overrides}: {error}");
    }
}

#[test]
fn what_is_no_json_is_shown_by_its_beginning() {
    for (body, reason) in [
        ("", "it is empty"),
        ("<html>\n<b>captive portal", r#"begins with "<html> <b>captive portal""#),
        (r#"{"TotalRecordCount": 1, "Items"#, "EOF"),
        ("[]", "no JSON object"),
        ("{\"TotalRecordCount\": 1}garbage", "trailing"),
    ] {
        let error = super::parse(body.as_bytes(), NOW.parse().unwrap()).unwrap_err();
        assert!(error.contains(reason), "{body}: {error}");
    }
}

/// What the API writes, as it writes it.
const PLAIN: &str = r#"{"PageNumber":1,"PageRecordCount":2,"TotalRecordCount":2,"RequestId":"R","Items":{"ImportResultFromDB":[{"ImportId":1,"ImportDataType":"Full","ImportDataStatus":"Success","ImportDataStatusDescription":"größer","IncrementalImportingTime":""},{"ImportId":2}]}}"#;

#[test]
fn a_plain_answer_is_read_without_serde_and_an_odd_one_is_left_to_it() {
    assert!(read_plain(PLAIN).is_some());
    let spaced = PLAIN.replace(',', " ,").replace(':', " : ").replace("[{", "[ {");
    assert!(read_plain(&spaced).is_some());
    for (part, odd) in [
        ("\"R\"", "\"\\u0052\""),
        ("\"R\"", "\"\n\""),
        ("\"R\"", "\n\"R\""),
        ("\"R\"", "null"),
        ("\"R\"", "\"R\", \"RequestId\": \"R\""),
        ("\"R\"", "\"R\", \"Code\": \"Throttling\""),
        ("\"PageRecordCount\":2", "\"PageRecordCount\":[2]"),
        ("\"PageNumber\":1", "\"PageNumber\":01"),
        ("\"PageNumber\":1", "\"PageNumber\":1.0"),
        ("\"PageNumber\":1", "\"PageNumber\":4294967296"),
        ("\"ImportId\":2", "\"ImportId\":-2"),
        ("\"ImportId\":2", "\"ImportId\":18446744073709551616"),
        ("\"ImportId\":2", "\"ImportId\":2,"),
        ("}]}}", "}]}}}"),
        ("}]}}", "}]}"),
    ] {
        let text = PLAIN.replacen(part, odd, 1);
        assert_ne!(text, PLAIN);
        assert_eq!(read_plain(&text), None, "{text}");
    }
}

#[test]
fn the_order_of_the_fields_may_change_from_task_to_task() {
    let text = r#"{"TotalRecordCount":4,"Items":{"ImportResultFromDB":[
{"ImportId":1,"ImportDataType":"Full","ImportDataStatus":"Failed"},
{"ImportDataStatus":"Failed","ImportId":2,"ImportDataType":"Full","Extra":"1"},
{"ImportDataStatus":"Success","ImportId":3,"Extra":"Full","ImportDataType":"Full"},
{"ImportId":4,"ImportDataStatusDescription":"","ImportDataStatus":"Failed","ImportDataType":"Full"}
]}}"#
        .replace('\n', "");
    assert!(read_plain(&text).is_some());
    assert_readers_agree(text.as_bytes());
    let ids = super::parse(text.as_bytes(), NOW.parse().unwrap()).unwrap().page.tasks;
    assert_eq!(ids.iter().map(|task| task.import_id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// Pieces that make JSON another one, or none.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "\\u0041",
    "\\\"",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    " ",
    "\n",
    "\0",
    "null",
    "true",
    "-0",
    "01",
    "1.5",
    "1e3",
    "18446744073709551616",
    "\"Code\":\"x\",",
    "\"ImportId\":5,",
    "ß",
    "",
];

proptest! {
    #[test]
    fn readers_agree_on_whatever_both_read(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..4, prop::sample::select(PIECES.to_vec())),
            1..4,
        ),
    ) {
        let mut text: Vec<char> = PLAIN.chars().collect();
        for (place, removed, piece) in edits {
            let start = place.index(text.len());
            let end = text.len().min(start + removed);
            text.splice(start..end, piece.chars());
        }
        assert_readers_agree(String::from_iter(text).as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = super::parse(&bytes, NOW.parse().unwrap());
    }

    #[test]
    fn a_page_with_any_one_value_broken_is_read_or_refused(
        field in prop::sample::select(vec!["ImportId", "ImportDataType", "ImportDataStatus",
            "ImportDataStatusDescription", "IncrementalImportingTime"]),
        text in ".{0,80}", number in any::<i64>(), which in 0_usize..4,
    ) {
        let value = [json!(text), json!(number), json!(null), json!([[text]])][which].clone();
        let _ = page(&json!([item(&json!({field: value}))]));
    }
}
