//! What STS says when it gives no keys.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::auth::signature_v1::escape;
use crate::secret::Secret;
use crate::transport::{Answer, Failure, FailureKind};

/// Longest message kept, in characters.
const MAX_MESSAGE: usize = 300;
const REDACTED: &str = "[redacted]";
const CLOCK_IS_OFF: &str = "InvalidTimeStamp.Expired";

/// Codes of STS and of the gateway before it, with what to do about them. Others are counted as
/// `other`, so that the label's values stay few.
const DOCUMENTED: &[(&str, &str)] = &[
    ("AuthenticationFail.NoPermission", "check the role's trust policy"),
    ("AuthenticationFail.OIDCToken.Expired", "the token file holds an old token"),
    ("AuthenticationFail.OIDCToken.Invalid", "check oidc_provider_arn and the token's audience"),
    ("EntityNotExist.Role", "there is no such role"),
    ("Forbidden.RAM", "grant sts:AssumeRole on the role"),
    ("InternalError", "the exporter goes on trying"),
    ("InvalidAccessKeyId.Inactive", "the access key is disabled"),
    ("InvalidAccessKeyId.NotFound", "there is no such access key"),
    ("InvalidParameter", "check the role's keys in the configuration"),
    ("InvalidParameter.DurationSeconds", "the role does not allow sessions of this duration"),
    ("InvalidParameter.PolicyGrammar", "policy is not a RAM policy"),
    ("InvalidParameter.RoleArn", "check role_arn"),
    ("InvalidParameter.RoleSessionName", "check role_session_name"),
    ("InvalidSecurityToken.Expired", "the keys that take the role have expired"),
    (CLOCK_IS_OFF, "this machine's clock is off; check NTP"),
    ("MissingSecurityToken", "the keys that take the role are temporary and lack their token"),
    ("NoPermission", "grant sts:AssumeRole on the role, and check its trust policy"),
    ("ServiceUnavailable", "the exporter goes on trying"),
    ("SignatureDoesNotMatch", "access key ID and secret do not belong together"),
    ("SignatureNonceUsed", "the exporter goes on trying"),
    ("Throttling", "the exporter goes on trying"),
    ("Throttling.Api", "the exporter goes on trying"),
    ("Throttling.User", "the exporter goes on trying"),
];

/// Why STS gave no keys.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The metric label.
    pub(super) code: Code,
    /// Whether another time in the request may help.
    pub(super) clock_is_off: bool,
    /// When it was answered.
    pub(super) date: Option<DateTime<Utc>>,
    text: String,
}

/// A code, one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Documented(&'static str),
    Http(u16),
    Named(&'static str),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    code: String,
    message: String,
    request_id: String,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Documented(name) | Self::Named(name) => f.write_str(name),
            Self::Http(status) => write!(f, "http_{status}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Refusal {
    /// There was no whole answer.
    pub(super) fn unreachable(endpoint: &str, failure: &Failure) -> Self {
        let code = match failure.kind {
            FailureKind::Timeout => "timeout",
            FailureKind::Connect => "connect",
            FailureKind::Tls => "tls",
            FailureKind::BadBody => "bad_response",
        };
        Self::new(Code::Named(code), None, format!("{endpoint}: {}", failure.problem))
    }

    /// The answer makes no sense. `problem` follows its name in a sentence.
    pub(super) fn bad_response(endpoint: &str, problem: &str) -> Self {
        let text = format!("the answer of {endpoint} {problem}");
        Self::new(Code::Named("bad_response"), None, text)
    }

    /// The answer is an error. None of `secrets` gets into the text.
    pub(super) fn answered(endpoint: &str, answer: &Answer, secrets: &[&Secret]) -> Self {
        let body = serde_json::from_slice::<Body>(&answer.body).unwrap_or_default();
        if body.code.is_empty() {
            let text = format!(
                "{endpoint} answered HTTP status {} and no error of STS's; check proxy and endpoint",
                answer.status
            );
            return Self::new(Code::Http(answer.status), answer.date(), text);
        }
        let documented = DOCUMENTED.iter().find(|(code, _)| *code == body.code);
        let message = redact(&body, secrets);
        let mut text = format!("{endpoint} answered {message}");
        if is_word(&body.request_id) {
            text += &format!(" (RequestId {})", body.request_id);
        }
        match documented {
            Some((code, hint)) => {
                Self::new(Code::Documented(code), answer.date(), format!("{text}; {hint}"))
            }
            None => Self::new(Code::Named("other"), answer.date(), text),
        }
    }

    fn new(code: Code, date: Option<DateTime<Utc>>, text: String) -> Self {
        let clock_is_off = code == Code::Documented(CLOCK_IS_OFF);
        Self { code, clock_is_off, date, text }
    }
}

/// Code and message, in one line, without anything that may be secret: `SignatureDoesNotMatch`
/// echoes the string to sign, which holds the token in an escaping of its own.
fn redact(body: &Body, secrets: &[&Secret]) -> String {
    let code = if is_word(&body.code) { &body.code } else { "something that is no code" };
    if body.code.starts_with("SignatureDoesNotMatch") {
        return code.to_owned();
    }
    let mut message = body.message.clone();
    for secret in secrets.iter().map(|secret| secret.expose()).filter(|text| !text.is_empty()) {
        message = message.replace(secret, REDACTED);
        message = message.replace(&escape(secret).to_string(), REDACTED);
    }
    format!("{code}: {}", clean(&message))
}

/// Whether a text can be a code or an ID.
fn is_word(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=100).contains(&text.len()) && text.chars().all(fits)
}

fn clean(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c });
    plain.take(MAX_MESSAGE).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_codes_stand_in_order_and_once() {
        assert!(DOCUMENTED.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn no_echo_of_a_secret_is_told() {
        let token = Secret::new("c4n+ary");
        for (code, message) in [
            (
                "SignatureDoesNotMatch",
                "server string to sign is:POST&%2F&SecurityToken%3Dc4n%252Bary",
            ),
            ("InvalidParameter", "the token c4n+ary\nis wrong"),
        ] {
            let body = Body { code: code.into(), message: message.into(), ..Body::default() };
            let text = redact(&body, &[&token]);
            assert!(!text.contains("ary") && !text.contains('\n'), "{text}");
            assert!(text.starts_with(code), "{text}");
        }
    }
}
