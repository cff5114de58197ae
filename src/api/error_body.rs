//! Finds the API's error in a body, whatever shape it came in.
//!
//! We ask for JSON, but gateways and proxies on the way answer in XML and HTML regardless.

use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use serde::Deserialize;

use crate::api::Error;
use crate::auth::Credentials;
use crate::auth::signature_v1::escape;
use crate::secret::Secret;

/// Longest message kept, in characters.
const MAX_MESSAGE: usize = 500;
/// How much of a body that is no API error goes into the message, in characters.
const MAX_EXCERPT: usize = 80;
const REDACTED: &str = "[redacted]";

#[derive(Default, Deserialize)]
#[serde(default)]
struct ApiError {
    #[serde(rename = "Code", alias = "code")]
    code: Option<String>,
    #[serde(rename = "Message", alias = "message")]
    message: Option<String>,
    #[serde(rename = "RequestId", alias = "requestId")]
    request_id: Option<String>,
}

/// The error that an answer with an HTTP error `status` and this `body` stands for.
pub(super) fn parse(status: u16, body: &[u8], credentials: &Credentials) -> Error {
    let Some(error) = find(body) else {
        let message = format!("HTTP status {status} with a body that is no API error");
        if tells_secret(body, credentials) {
            return Error::status(status, message);
        }
        return Error::status(status, with_excerpt(&message, body));
    };
    let code = error.code.unwrap_or_default();
    let message = redact(&code, &error.message.unwrap_or_default(), credentials);
    Error::answered(&code, status, &message, error.request_id.as_deref().map(clean))
}

/// `message`, followed by the first characters of a body that should have been something else.
pub(super) fn with_excerpt(message: &str, body: &[u8]) -> String {
    let start = &body[..body.len().min(4 * MAX_EXCERPT)];
    let excerpt: String =
        clean(&String::from_utf8_lossy(start)).chars().take(MAX_EXCERPT).collect();
    if excerpt.is_empty() {
        format!("{message}: it is empty")
    } else {
        format!("{message}: it begins with {excerpt:?}")
    }
}

/// Whether a body tells a secret of the request back, in whatever escaping.
pub(super) fn tells_secret(body: &[u8], credentials: &Credentials) -> bool {
    let text = String::from_utf8_lossy(body);
    secrets(credentials).any(|secret| holds(&text, secret))
}

fn find(body: &[u8]) -> Option<ApiError> {
    let error = if body.trim_ascii_start().starts_with(b"<") {
        parse_xml(body)
    } else {
        serde_json::from_slice(body).ok()
    };
    error.filter(|error: &ApiError| error.code.as_ref().is_some_and(|code| !code.is_empty()))
}

/// Reads `<Error><RequestId/><HostId/><Code/><Message/></Error>`; other documents are no API error.
fn parse_xml(body: &[u8]) -> Option<ApiError> {
    let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(body).ok()?);
    let mut error = ApiError::default();
    let mut path: Vec<String> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                path.push(element.name().as_ref().to_owned());
                if path.len() == 1 && path[0] != "Error" {
                    return None;
                }
            }
            Event::End(_) => {
                path.pop();
                if path.is_empty() {
                    return Some(error);
                }
            }
            Event::Text(text) => {
                if let [_, name] = path.as_slice() {
                    error.append(name, &text);
                }
            }
            Event::CData(text) => {
                if let [_, name] = path.as_slice() {
                    error.append(name, &text);
                }
            }
            Event::GeneralRef(reference) => {
                if let [_, name] = path.as_slice() {
                    error.append(name, &resolve(&reference)?);
                }
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(reference).map(str::to_owned)
}

impl ApiError {
    fn append(&mut self, element: &str, text: &str) {
        let field = match element {
            "Code" => &mut self.code,
            "Message" => &mut self.message,
            "RequestId" => &mut self.request_id,
            _ => return,
        };
        field.get_or_insert_default().push_str(text);
    }
}

/// A message fit for logs: one line, not too long, and without what a signature is made from.
///
/// `SignatureDoesNotMatch` echoes the server's string to sign, which holds key ID and token, in an
/// escaping of its own; so whatever follows those words goes.
fn redact(code: &str, message: &str, credentials: &Credentials) -> String {
    const ECHO: &str = "string to sign";
    let lower = message.to_ascii_lowercase();
    let mut message = match lower.find(ECHO) {
        Some(at) => format!("{}{ECHO} [redacted]", &message[..at]),
        None if code.starts_with("SignatureDoesNotMatch") && message.contains("%2F&") => {
            "the signature does not match the request [redacted]".to_owned()
        }
        None => message.to_owned(),
    };
    for secret in secrets(credentials) {
        message = message.replace(secret, REDACTED);
        message = message.replace(&escape(secret).to_string(), REDACTED);
        if holds(&message, secret) {
            return REDACTED.to_owned();
        }
    }
    clean(&message).chars().take(MAX_MESSAGE).collect()
}

fn secrets(credentials: &Credentials) -> impl Iterator<Item = &str> {
    let secrets = [Some(&credentials.access_key_secret), credentials.security_token.as_ref()];
    secrets.into_iter().flatten().map(Secret::expose).filter(|text| !text.is_empty())
}

/// Whether `text` holds the secret, as it is or escaped for JSON or up to three times for URLs.
fn holds(text: &str, secret: &str) -> bool {
    let mut plain = text.replace('\\', "");
    for _ in 0..3 {
        if plain.contains(secret) {
            return true;
        }
        plain = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
    }
    plain.contains(secret)
}

/// One line without control characters.
fn clean(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;

    fn parse(status: u16, body: &str) -> Error {
        let credentials = Credentials {
            access_key_id: "LTAIcanary".into(),
            access_key_secret: Secret::new("c4n4ry/secret"),
            security_token: Some(Secret::new("c4n4ry+token")),
        };
        super::parse(status, body.as_bytes(), &credentials)
    }

    #[test]
    fn reads_the_same_error_from_json_and_xml() {
        let json = r#"{"RequestId":"R-1","HostId":"h","Code":"Forbidden.RAM","Message":"a & b","Recommend":"u"}"#;
        let xml = "<?xml version='1.0' encoding='UTF-8'?>\n<Error><RequestId>R-1</RequestId><HostId>h</HostId><Code>Forbidden.RAM</Code><Message>a &amp; b</Message></Error>";

        for body in [json, xml] {
            let error = parse(403, body);
            assert_eq!(error.kind(), Kind::Forbidden, "{body}");
            assert_eq!(error.message(), "a & b", "{body}");
            assert_eq!(error.request_id(), Some("R-1"), "{body}");
        }
    }

    #[test]
    fn a_page_of_a_proxy_is_an_error_of_its_status() {
        for body in ["<html><h1>502 Bad Gateway</h1></html>", "", "upstream\tgone", "{}", "<Error"]
        {
            let error = parse(502, body);
            assert_eq!(error.code().to_string(), "http_502", "{body}");
            assert_eq!(error.kind(), Kind::Unavailable, "{body}");
        }
        let text = parse(502, "upstream\tgone").to_string();
        assert!(text.ends_with(r#"it begins with "upstream gone""#), "{text}");
    }

    #[test]
    fn echoes_of_the_string_to_sign_are_cut() {
        for message in [
            "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&AccessKeyId%3DLTAIcanary%26SecurityToken%3Dc4n4ry%252Btoken",
            "POST&%2F&AccessKeyId%3DLTAIcanary",
            "your key c4n4ry/secret and token c4n4ry+token are wrong",
        ] {
            let body = serde_json::json!({"Code": "SignatureDoesNotMatch", "Message": message});
            let text = parse(400, &body.to_string()).to_string();
            assert!(text.contains("[redacted]"), "{text}");
            assert!(!text.contains("anary") && !text.contains("c4n4ry"), "{text}");
        }
    }

    #[test]
    fn messages_are_one_line_of_bounded_length() {
        let message = format!("first\nsecond\u{1b}[31m {}", "x".repeat(10_000));
        let body = serde_json::json!({"Code": "InternalError", "Message": message});

        let error = parse(500, &body.to_string());

        assert!(error.message().starts_with("first second [31m xxx"));
        assert_eq!(error.message().chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn no_secret_is_told_in_whatever_escaping_it_comes_back() {
        for echo in [
            "SecurityToken=c4n4ry+token",
            "SecurityToken=c4n4ry%2Btoken&",
            "SecurityToken%3Dc4n4ry%252Btoken",
            "%253Dc4n4ry%25252btoken",
            "secret c4n4ry/secret",
            r"secret c4n4ry\/secret",
        ] {
            let error = serde_json::json!({"Code": "Odd", "Message": echo}).to_string();
            for body in [&*error, echo] {
                let message = parse(400, body).to_string();
                assert!(!message.contains("c4n4ry"), "{body}: {message}");
            }
        }
    }
}
