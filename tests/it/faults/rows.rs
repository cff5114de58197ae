//! The table: what goes wrong, and what is to be seen of it.

use std::time::Duration;

use aliyun_rds_import_exporter::simulator::{
    ApiError, Drift, Drip, Effect, Endless, Field, Hint, State,
};
use chrono::TimeDelta;

/// One fault, that befalls one instance in an account of its own.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) trouble: Trouble,
    pub(super) shows: Shows,
}

/// What goes wrong.
pub(super) enum Trouble {
    /// The API's answers are damaged.
    Answers(Effect),
    /// The first few answers are, then no more.
    FirstAnswers(u64, Effect),
    /// The API treats the instance otherwise.
    State(State),
    /// The account's key is disabled.
    Key,
    /// Nobody listens where the API was.
    Refused,
    /// The account's endpoint is this one, by a reload.
    Endpoint(Endpoint),
}

/// An endpoint that cannot be used.
#[derive(Clone, Copy)]
pub(super) enum Endpoint {
    /// Its name is not known to DNS.
    Nowhere,
    /// It speaks no TLS.
    PlainText,
    /// Its certificate is of an authority that nobody knows.
    UnknownAuthority,
}

/// What is to be seen while it lasts.
#[derive(Clone, Copy)]
pub(super) enum Shows {
    /// Walks of the instance fail with this code.
    Failure(&'static str),
    /// The account backs off because of this code.
    BackOff(&'static str),
    /// Walks begin again for this reason, and succeed.
    Restart(&'static str),
    /// The account is throttled so often, and walks succeed.
    Throttled(u32),
    /// The clock is found to be off by so many seconds, and walks succeed.
    Skew(i64),
    /// Nothing: walks succeed.
    Nothing,
}

use Shows::{BackOff, Failure, Nothing, Restart, Skew, Throttled};
use Trouble::{Answers, FirstAnswers};

/// Every fault.
pub(super) fn rows() -> Vec<Row> {
    let row = |name: &str, trouble, shows| Row { name: name.to_owned(), trouble, shows };
    let hint = |seconds| Hint { retry_after: Some(Duration::from_secs(seconds)) };
    let mut rows = vec![
        row("refused connection", Trouble::Refused, Failure("connect")),
        row("DNS failure", Trouble::Endpoint(Endpoint::Nowhere), Failure("connect")),
        row("TLS: plain text", Trouble::Endpoint(Endpoint::PlainText), Failure("tls")),
        row("TLS: unknown CA", Trouble::Endpoint(Endpoint::UnknownAuthority), Failure("tls")),
        row("hang", Answers(Effect::Hang), Failure("timeout")),
        row("late answer", Answers(Effect::Latency(Duration::from_secs(30))), Failure("timeout")),
        row("slow drip", Answers(drip()), Failure("timeout")),
        row("closed connection", Answers(Effect::Close), Failure("connect")),
        row("reset connection", Answers(Effect::Reset), Failure("connect")),
        row("truncated body", Answers(Effect::CutBody), Failure("bad_response")),
        row("oversized body", Answers(Effect::Oversized), Failure("bad_response")),
        row("length too long", Answers(Effect::ContentLength(10)), Failure("bad_response")),
        row("length too short", Answers(Effect::ContentLength(-10)), Failure("bad_response")),
        row("HTML, status 200", Answers(Effect::Html(200)), Failure("bad_response")),
        row("HTML, status 502", Answers(Effect::Html(502)), Failure("http_502")),
        row("bare status 302", Answers(Effect::Http(302)), Failure("http_302")),
        row("bare status 429", Answers(Effect::Http(429)), Failure("http_429")),
        row("bare status 503", Answers(Effect::Http(503)), Failure("http_503")),
        row("invalid JSON", Answers(Effect::InvalidJson), Failure("bad_response")),
        row("XML, not JSON", Answers(Effect::Xml), Failure("bad_response")),
        row("missing total", missing(Field::TotalRecordCount), Failure("bad_response")),
        row("missing ID", missing(Field::ImportId), Failure("bad_response")),
        row("missing type", missing(Field::ImportDataType), Failure("bad_response")),
        row("null status", nulled(Field::ImportDataStatus), Failure("bad_response")),
        row("total of wrong type", wrong(Field::TotalRecordCount), Failure("bad_response")),
        row("empty items of many", wrong(Field::Items), Restart("count")),
        row("status of wrong type", wrong(Field::ImportDataStatus), Failure("bad_response")),
        row("missing page number", missing(Field::PageNumber), Nothing),
        row("missing request ID", missing(Field::RequestId), Nothing),
        row("numbers as text", Answers(Effect::NumbersAsText), Failure("bad_response")),
        row("no Date", Answers(Effect::NoDate), Nothing),
        row("record count of the sample", Answers(Effect::PageRecordCount(30)), Nothing),
        row("endless pages", endless(), Failure("bad_response")),
        row("list drifts down", drift(1, 0), Restart("total_changed")),
        row("list drifts up", drift(0, 1), Restart("total_changed")),
        row("moving total", Answers(Effect::MovingTotal), Restart("total_changed")),
        row("wrong page number", Answers(Effect::PageNumber(7)), Restart("page_number")),
        row("repeated item", Answers(Effect::DuplicateItems), Restart("duplicate")),
        row("throttled for long", throttle(Hint::default()), Failure("Throttling.User")),
        row("throttled, with hint", throttle(hint(1)), Failure("Throttling.User")),
        row("burst", FirstAnswers(3, Effect::Throttle(Hint::default())), Throttled(3)),
        row("burst, with hint", FirstAnswers(1, Effect::Throttle(hint(1))), Throttled(1)),
        row("our clock behind", Answers(skew(2)), Skew(-7_200)),
        row("our clock ahead", Answers(skew(-2)), Skew(7_200)),
        row("disabled key", Trouble::Key, BackOff("InvalidAccessKeyId.Inactive")),
        row("released instance", of(State::Missing), Failure("InvalidDBInstanceId.NotFound")),
        row("read-only instance", of(State::UnsupportedType), Failure(UNSUPPORTED)),
        row("no permission", of(State::Denied), Failure("Forbidden.RAM")),
        row("undocumented code", Answers(error(400, "Weird.Thing")), Failure("other")),
    ];
    let codes = CODES.map(|(status, code, shows)| {
        row(&format!("{status} {code}"), Answers(error(status, code)), shows(code))
    });
    rows.extend(codes);
    rows
}

const UNSUPPORTED: &str = "OperationDenied.DBInstanceType";

/// How a failure with a code shows.
type Showing = fn(&'static str) -> Shows;

/// The API's documented codes, and whom they concern.
const CODES: [(u16, &str, Showing); 44] = [
    (403, "ActionUnauthorized", Failure),
    (403, "Forbedden.NotSupportRAM", Failure),
    (403, "Forbidden", Failure),
    (404, "Forbidden.InstanceNotFound", Failure),
    (403, "Forbidden.RAM", Failure),
    (403, "Forbidden.RiskControl", Failure),
    (400, "IdempotentParameterMismatch", Failure),
    (400, "IllegalTimestamp", BackOff),
    (400, "IncompleteSignature", BackOff),
    (403, "IncorrectDBInstanceState", Failure),
    (500, "InternalError", Failure),
    (403, "InvalidAccessKeyId.Inactive", BackOff),
    (404, "InvalidAccessKeyId.NotFound", BackOff),
    (400, "InvalidAction", Failure),
    (404, "InvalidAction.NotFound", Failure),
    (404, "InvalidApi.NotFound", Failure),
    (404, "InvalidDBInstance.NotFound", Failure),
    (404, "InvalidDBInstanceId.NotFound", Failure),
    (404, "InvalidDBInstanceName.NotFound", Failure),
    (400, "InvalidMigrationType.Format", Failure),
    (400, "InvalidOwner", Failure),
    (400, "InvalidPageNumbers.Malformed", Failure),
    (400, "InvalidParameter", Failure),
    (404, "InvalidRegionId.NotFound", Failure),
    (400, "InvalidSecurityToken.Expired", BackOff),
    (400, "InvalidSignatureMethod", BackOff),
    (400, "InvalidTimeStamp.Expired", BackOff),
    (400, "InvalidTimeStamp.Format", BackOff),
    (400, "MissingParameter", Failure),
    (400, "MissingSecurityToken", BackOff),
    (403, "NoPermission", Failure),
    (400, "NoSuchVersion", Failure),
    (403, "OperationDenied.DBInstanceStatus", Failure),
    (400, UNSUPPORTED, Failure),
    (403, "OperationDenied.DBStatus", Failure),
    (400, "Rejected.Throttling", Failure),
    (503, "ServiceUnavailable", Failure),
    (400, "SignatureDoesNotMatch", BackOff),
    (400, "SignatureNonceUsed", Failure),
    (400, "Throttling", Failure),
    (400, "Throttling.Api", Failure),
    (503, "Throttling.User", Failure),
    (500, "UnknownError", Failure),
    (403, "UnsupportedHTTPMethod", Failure),
];

fn drip() -> Effect {
    Effect::Drip(Drip { bytes: 1, pause: Duration::from_millis(100) })
}

fn missing(field: Field) -> Trouble {
    Answers(Effect::Missing(field))
}

fn nulled(field: Field) -> Trouble {
    Answers(Effect::Nulled(field))
}

fn wrong(field: Field) -> Trouble {
    Answers(Effect::WrongType(field))
}

fn endless() -> Trouble {
    Answers(Effect::EndlessPages(Endless::Fixed))
}

fn drift(insert: u32, remove: u32) -> Trouble {
    Answers(Effect::Drift(Drift { insert, remove }))
}

fn throttle(hint: Hint) -> Trouble {
    Answers(Effect::Throttle(hint))
}

fn skew(hours: i64) -> Effect {
    Effect::ClockSkew(TimeDelta::hours(hours))
}

fn of(state: State) -> Trouble {
    Trouble::State(state)
}

fn error(status: u16, code: &str) -> Effect {
    let message = "of the simulator".to_owned();
    Effect::Error(ApiError { status, code: code.to_owned(), message, retry_after: None })
}
