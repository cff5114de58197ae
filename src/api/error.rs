//! What went wrong with a call, sorted into what it means for us.
//!
//! Errors are sorted by the API's code first and by HTTP status second: the same code comes with
//! different statuses, and a 404 alone does not say what was not found.

use std::fmt;
use std::time::Duration;

use crate::transport::{Failure, FailureKind};

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    code: Code,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    keys_replaced: bool,
}

/// What a failure means: decides retry, whom it concerns, and what to tell the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The account calls too often.
    Throttled,
    /// Network or service trouble that passes.
    Unavailable,
    /// The request's time was too far from the API's.
    ClockSkewed,
    /// The API has seen the request's nonce before.
    NonceUsed,
    /// Temporary keys have expired.
    TokenExpired,
    /// The keys or what was signed with them are wrong.
    Credentials,
    /// There are no keys to sign with.
    NoCredentials,
    /// The keys' owner may not ask this of the instance.
    Forbidden,
    /// No such instance in this region and account.
    NotFound,
    /// The operation does not serve instances of this type.
    Unsupported,
    /// The instance's state does not allow it now.
    InstanceState,
    /// The API does not accept the request as it is.
    Rejected,
    /// The answer makes no sense.
    BadResponse,
}

/// Whom a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This call: the next one may succeed.
    Call,
    /// The instance: asking again soon changes nothing.
    Instance,
    /// All calls of the account.
    Account,
}

/// How to try a failed call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not in this poll.
    No,
    /// Once and at once, signed anew.
    SignedAnew,
    /// After a pause.
    AfterPause,
}

impl Kind {
    /// How to try again.
    pub fn retry(self) -> Retry {
        match self {
            Self::Throttled | Self::Unavailable => Retry::AfterPause,
            Self::ClockSkewed | Self::NonceUsed | Self::TokenExpired => Retry::SignedAnew,
            _ => Retry::No,
        }
    }

    /// Whom it concerns.
    pub fn scope(self) -> Scope {
        match self {
            Self::ClockSkewed | Self::TokenExpired | Self::Credentials | Self::NoCredentials => {
                Scope::Account
            }
            Self::Forbidden | Self::NotFound | Self::Unsupported | Self::Rejected => {
                Scope::Instance
            }
            Self::Throttled
            | Self::Unavailable
            | Self::NonceUsed
            | Self::InstanceState
            | Self::BadResponse => Scope::Call,
        }
    }

    /// What the operator can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Throttled => {
                "the account's API quota is used up, perhaps by another program; lower requests_per_second or lengthen the intervals"
            }
            Self::Unavailable => {
                "check network, DNS, proxy and firewall; the exporter goes on trying"
            }
            Self::ClockSkewed => {
                "this machine's clock and the API's disagree by more than 15 minutes; check NTP"
            }
            Self::NonceUsed => "the exporter goes on trying",
            Self::TokenExpired => "the temporary keys have expired; provide new ones",
            Self::Credentials => {
                "check that the access key exists, is enabled, and that ID and secret belong together"
            }
            Self::NoCredentials => {
                "the message says where keys were looked for; mend one of these or set the account's credentials"
            }
            Self::Forbidden => {
                "grant the RAM action rds:DescibeImportsFromDatabase (spelled so) on this instance"
            }
            Self::NotFound => "check instance ID, region and account",
            Self::Unsupported => {
                "this type of instance has no migration tasks; remove it from the configuration"
            }
            Self::InstanceState => "the instance is busy; the exporter asks again",
            Self::Rejected => "check engine and lookback of this instance",
            Self::BadResponse => {
                "something between here and the API may have changed the answer; check proxy and endpoint"
            }
        }
    }
}

/// A failure's code, one of a closed list, so that it can be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// One of the API's documented codes.
    Documented(&'static str),
    /// The API's code is not documented.
    Other,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke before there was an answer.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// An HTTP error without an API error in it.
    Http(u16),
    /// Something is wrong after the status line.
    BadResponse,
    /// There are no keys to sign with.
    NoCredentials,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Documented(code) => f.write_str(code),
            Self::Other => f.write_str("other"),
            Self::Timeout => f.write_str("timeout"),
            Self::Connect => f.write_str("connect"),
            Self::Tls => f.write_str("tls"),
            Self::Http(status) => write!(f, "http_{status}"),
            Self::BadResponse => f.write_str("bad_response"),
            Self::NoCredentials => f.write_str("no_credentials"),
        }
    }
}

/// The API's documented error codes and what they mean for us.
const DOCUMENTED: &[(&str, Kind)] = &[
    ("ActionUnauthorized", Kind::Forbidden),
    ("Forbedden.NotSupportRAM", Kind::Forbidden),
    ("Forbidden", Kind::Forbidden),
    ("Forbidden.InstanceNotFound", Kind::NotFound),
    ("Forbidden.RAM", Kind::Forbidden),
    ("Forbidden.RiskControl", Kind::Forbidden),
    ("IdempotentParameterMismatch", Kind::Rejected),
    ("IllegalTimestamp", Kind::Credentials),
    ("IncompleteSignature", Kind::Credentials),
    ("IncorrectDBInstanceState", Kind::InstanceState),
    ("InternalError", Kind::Unavailable),
    ("InvalidAccessKeyId.Inactive", Kind::Credentials),
    ("InvalidAccessKeyId.NotFound", Kind::Credentials),
    ("InvalidAction", Kind::Rejected),
    ("InvalidAction.NotFound", Kind::Rejected),
    ("InvalidApi.NotFound", Kind::Rejected),
    ("InvalidDBInstance.NotFound", Kind::NotFound),
    ("InvalidDBInstanceId.NotFound", Kind::NotFound),
    ("InvalidDBInstanceName.NotFound", Kind::NotFound),
    ("InvalidMigrationType.Format", Kind::Rejected),
    ("InvalidOwner", Kind::Rejected),
    ("InvalidPageNumbers.Malformed", Kind::Rejected),
    ("InvalidParameter", Kind::Rejected),
    ("InvalidRegionId.NotFound", Kind::NotFound),
    ("InvalidSecurityToken.Expired", Kind::TokenExpired),
    ("InvalidSignatureMethod", Kind::Credentials),
    ("InvalidTimeStamp.Expired", Kind::ClockSkewed),
    ("InvalidTimeStamp.Format", Kind::Credentials),
    ("MissingParameter", Kind::Rejected),
    ("MissingSecurityToken", Kind::TokenExpired),
    ("NoPermission", Kind::Forbidden),
    ("NoSuchVersion", Kind::Rejected),
    ("OperationDenied.DBInstanceStatus", Kind::InstanceState),
    ("OperationDenied.DBInstanceType", Kind::Unsupported),
    ("OperationDenied.DBStatus", Kind::InstanceState),
    ("Rejected.Throttling", Kind::Throttled),
    ("ServiceUnavailable", Kind::Unavailable),
    ("SignatureDoesNotMatch", Kind::Credentials),
    ("SignatureNonceUsed", Kind::NonceUsed),
    ("Throttling", Kind::Throttled),
    ("Throttling.Api", Kind::Throttled),
    ("Throttling.User", Kind::Throttled),
    ("UnknownError", Kind::Unavailable),
    ("UnsupportedHTTPMethod", Kind::Rejected),
];

/// Sorts an API error by its code, and by status where the code is not documented.
fn classify(api_code: &str, status: u16) -> (Kind, Code) {
    let documented = DOCUMENTED.iter().find(|(code, _)| *code == api_code);
    if let Some((code, kind)) = documented {
        return (*kind, Code::Documented(code));
    }
    let kind = if api_code.contains("Throttling") {
        Kind::Throttled
    } else if api_code.starts_with("InvalidSecurityToken.") {
        Kind::TokenExpired
    } else {
        classify_status(status)
    };
    (kind, Code::Other)
}

fn classify_status(status: u16) -> Kind {
    match status {
        429 => Kind::Throttled,
        408 | 500..=599 => Kind::Unavailable,
        401 | 403 => Kind::Forbidden,
        404 => Kind::NotFound,
        400..=499 => Kind::Rejected,
        _ => Kind::BadResponse,
    }
}

impl Error {
    /// An error that the API answered: `api_code` and `message` are its own words.
    pub fn answered(
        api_code: &str,
        status: u16,
        message: &str,
        request_id: Option<String>,
    ) -> Self {
        let (kind, code) = classify(api_code, status);
        let message = match code {
            Code::Other => format!("{api_code}: {message}"),
            _ => message.to_owned(),
        };
        Self { request_id, ..Self::new(kind, code, message) }
    }

    /// An HTTP error status without an API error in it.
    pub fn status(status: u16, message: String) -> Self {
        Self::new(classify_status(status), Code::Http(status), message)
    }

    /// An answer that makes no sense.
    pub fn bad_response(message: impl Into<String>) -> Self {
        Self::new(Kind::BadResponse, Code::BadResponse, message.into())
    }

    /// A call that got no answer in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, Code::Timeout, message.into())
    }

    /// A call that could not be signed.
    pub(super) fn no_credentials(message: String) -> Self {
        Self::new(Kind::NoCredentials, Code::NoCredentials, message)
    }

    fn new(kind: Kind, code: Code, message: String) -> Self {
        Self { kind, code, message, request_id: None, retry_after: None, keys_replaced: false }
    }

    /// Adds the ID that the API gave the request.
    pub(super) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = self.request_id.or(request_id);
        self
    }

    /// Adds how long the API asked us to wait.
    pub(super) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Notes that there are other keys by now than those that were refused.
    pub(super) fn with_replaced_keys(mut self) -> Self {
        self.keys_replaced = true;
        self
    }

    /// How to try again: as its kind says, but refused keys that have been replaced meanwhile are
    /// no reason to fail.
    pub fn retry(&self) -> Retry {
        if self.keys_replaced { Retry::SignedAnew } else { self.kind.retry() }
    }

    /// What it means.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its code: the metric label.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the API or the network said; free text, without secrets.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The ID that the API gave the request, for a support ticket.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// How long the API asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (kind, code) = match failure.kind {
            FailureKind::Timeout => (Kind::Unavailable, Code::Timeout),
            FailureKind::Connect => (Kind::Unavailable, Code::Connect),
            FailureKind::Tls => (Kind::Unavailable, Code::Tls),
            FailureKind::BadBody => (Kind::BadResponse, Code::BadResponse),
        };
        Self::new(kind, code, failure.problem).with_request_id(failure.request_id)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(request_id) = &self.request_id {
            write!(f, " (RequestId {request_id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: &str, status: u16) -> Error {
        Error::answered(code, status, "", None)
    }

    #[test]
    fn the_same_code_means_the_same_whatever_the_status() {
        for (code, statuses, kind) in [
            ("OperationDenied.DBInstanceType", [400, 403], Kind::Unsupported),
            ("IncorrectDBInstanceState", [500, 403], Kind::InstanceState),
            ("InvalidAccessKeyId.NotFound", [404, 400], Kind::Credentials),
            ("Throttling.Api", [403, 400], Kind::Throttled),
            ("InvalidDBInstanceId.NotFound", [404, 500], Kind::NotFound),
        ] {
            for status in statuses {
                assert_eq!(answered(code, status).kind(), kind, "{code} {status}");
                assert_eq!(answered(code, status).code().to_string(), code);
            }
        }
    }

    #[test]
    fn an_undocumented_code_is_sorted_by_its_words_then_by_status() {
        for (code, status, kind) in [
            ("Weird.Throttling.Flow", 400, Kind::Throttled),
            ("InvalidSecurityToken.Malformed", 400, Kind::TokenExpired),
            ("Weird", 500, Kind::Unavailable),
            ("Weird", 403, Kind::Forbidden),
            ("Weird", 400, Kind::Rejected),
        ] {
            assert_eq!(answered(code, status).kind(), kind, "{code} {status}");
            assert_eq!(answered(code, status).code(), Code::Other);
            assert!(answered(code, status).message().starts_with(code));
        }
    }

    #[test]
    fn a_status_without_an_api_error_is_its_own_code() {
        for (status, kind) in [
            (302, Kind::BadResponse),
            (404, Kind::NotFound),
            (408, Kind::Unavailable),
            (429, Kind::Throttled),
            (502, Kind::Unavailable),
        ] {
            let error = Error::status(status, String::new());
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(error.code().to_string(), format!("http_{status}"));
        }
    }

    #[test]
    fn documented_codes_stand_in_order_and_once() {
        assert!(DOCUMENTED.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn the_accounts_errors_are_those_of_keys_and_clock() {
        for code in [
            "InvalidAccessKeyId.NotFound",
            "SignatureDoesNotMatch",
            "InvalidTimeStamp.Expired",
            "InvalidSecurityToken.Expired",
        ] {
            assert_eq!(answered(code, 400).kind().scope(), Scope::Account, "{code}");
        }
        for code in ["Forbidden.RAM", "InvalidDBInstanceId.NotFound", "InvalidParameter"] {
            assert_eq!(answered(code, 400).kind().scope(), Scope::Instance, "{code}");
        }
    }
}
