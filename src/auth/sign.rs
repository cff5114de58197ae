//! An RPC call, signed by either method: what goes into the URL, the headers and the body.
//!
//! Pure: endpoint, time and nonce are handed in. What the parameters mean is not known here.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::auth::{Credentials, signature_v1, signature_v3};
use crate::config::Signature;

/// Every call is sent with it; the API takes GET alike.
pub(crate) const METHOD: &str = "POST";

const FORM: &str = "application/x-www-form-urlencoded";

/// A call of a product's RPC interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Base URL of the endpoint, without a query.
    pub(crate) endpoint: &'a str,
    /// `Action`
    pub(crate) action: &'a str,
    /// `Version` of the product's API.
    pub(crate) version: &'a str,
    /// Parameters to send in the query.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Parameters to send in the body: those that must not stand in a proxy's log.
    pub(crate) form: &'a [(&'a str, &'a str)],
}

/// What makes an attempt at a call unlike all others.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The API's time, as far as we know it.
    pub(crate) time: DateTime<Utc>,
    /// Used once.
    pub(crate) nonce: String,
}

/// A request to send. It holds key ID, signature and token: not for logs.
pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Attempt {
    /// An attempt at `time` with a new nonce.
    pub(crate) fn at(time: DateTime<Utc>) -> Self {
        Self { time, nonce: format!("{:032x}", fastrand::u128(..)) }
    }
}

/// Signs `call` with `credentials`.
pub(crate) fn sign(
    method: Signature,
    call: &Call<'_>,
    attempt: &Attempt,
    credentials: &Credentials,
) -> Request {
    match method {
        Signature::HmacSha1 => sign_v1(call, attempt, credentials),
        Signature::Acs3HmacSha256 => sign_v3(call, attempt, credentials),
    }
}

/// A call that needs no signature: its parameters prove who calls.
pub(crate) fn unsigned(call: &Call<'_>, time: DateTime<Utc>) -> Request {
    let time = timestamp(time);
    let mut query = common(call);
    query.extend([("Timestamp", time.as_str()), ("Format", "JSON")]);
    let headers = form_headers(call);
    Request { url: url(call, &encoded(&query)), headers, body: encoded(call.form) }
}

/// The authority of a base URL, as the header `Host` has it.
fn host(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn sign_v1(call: &Call<'_>, attempt: &Attempt, credentials: &Credentials) -> Request {
    let time = timestamp(attempt.time);
    let mut query = common(call);
    query.extend([
        ("Format", "JSON"),
        ("AccessKeyId", credentials.access_key_id.as_str()),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", attempt.nonce.as_str()),
        ("Timestamp", time.as_str()),
    ]);
    if let Some(token) = &credentials.security_token {
        query.push(("SecurityToken", token.expose()));
    }
    let all = [query.as_slice(), call.form].concat();
    let signed = signature_v1::sign(METHOD, &all, &credentials.access_key_secret);
    let query = if call.form.is_empty() {
        signed.into_query()
    } else {
        // The signature covers the fields of the body too, which do not go into the query.
        query.push(("Signature", &signed.signature));
        encoded(&query)
    };
    Request { url: url(call, &query), headers: form_headers(call), body: encoded(call.form) }
}

/// Signs the headers that the Go and Node SDKs sign: a proxy may rewrite `user-agent` and `accept`,
/// which the Python SDK signs too.
fn sign_v3(call: &Call<'_>, attempt: &Attempt, credentials: &Credentials) -> Request {
    let body = encoded(call.form);
    let mut headers = form_headers(call);
    headers.extend([
        ("x-acs-action", call.action.to_owned()),
        ("x-acs-version", call.version.to_owned()),
        ("x-acs-date", timestamp(attempt.time)),
        ("x-acs-signature-nonce", attempt.nonce.clone()),
        ("x-acs-content-sha256", signature_v3::hash(body.as_bytes())),
    ]);
    if let Some(token) = &credentials.security_token {
        headers.push(("x-acs-accesskey-id", credentials.access_key_id.clone()));
        headers.push(("x-acs-security-token", token.expose().to_owned()));
    }
    let mut signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    signed.push(("host", host(call.endpoint)));
    let request = signature_v3::Request {
        method: METHOD,
        path: "/",
        query: call.query,
        headers: &signed,
        payload_hash: &signature_v3::hash(body.as_bytes()),
    };
    let signed =
        signature_v3::sign(&request, &credentials.access_key_id, &credentials.access_key_secret);
    headers.push(("authorization", signed.authorization));
    headers.push(("accept", "application/json".to_owned()));
    Request { url: url(call, &signed.canonical_query), headers, body }
}

fn common<'a>(call: &Call<'a>) -> Vec<(&'a str, &'a str)> {
    [call.query, &[("Action", call.action), ("Version", call.version)]].concat()
}

fn form_headers(call: &Call<'_>) -> Vec<(&'static str, String)> {
    if call.form.is_empty() { Vec::new() } else { vec![("content-type", FORM.to_owned())] }
}

fn url(call: &Call<'_>, query: &str) -> String {
    [call.endpoint.trim_end_matches('/'), "/?", query].concat()
}

/// Sorted by name and escaped as the signatures demand, which is good for queries and bodies too.
fn encoded(parameters: &[(&str, &str)]) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let escape = signature_v1::escape;
    let pairs =
        sorted.into_iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn call<'a>(form: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call {
            endpoint: "https://sts.aliyuncs.com:8443/way",
            action: "AssumeRole",
            version: "2015-04-01",
            query: &[("RegionId", "cn hangzhou")],
            form,
        }
    }

    fn attempt() -> Attempt {
        Attempt { time: "2026-11-24T12:00:00Z".parse().unwrap(), nonce: "n0nce".into() }
    }

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "LTAI".into(),
            access_key_secret: Secret::new("secret"),
            security_token: Some(Secret::new("to/ken")),
        }
    }

    #[test]
    fn v1_sends_the_signature_of_query_and_form_in_the_query() {
        let request =
            sign(Signature::HmacSha1, &call(&[("Policy", "{}")]), &attempt(), &credentials());

        assert!(request.url.starts_with("https://sts.aliyuncs.com:8443/way/?AccessKeyId=LTAI&"));
        assert!(request.url.contains("&RegionId=cn%20hangzhou&SecurityToken=to%2Fken&Signature="));
        assert!(!request.url.contains("Policy"), "{}", request.url);
        assert_eq!(request.body, "Policy=%7B%7D");
        assert_eq!(request.headers, [("content-type", FORM.to_owned())]);
        let elsewhere =
            sign(Signature::HmacSha1, &call(&[("Policy", "[]")]), &attempt(), &credentials());
        assert_ne!(request.url, elsewhere.url, "the form is signed");
    }

    #[test]
    fn v3_signs_host_content_type_and_its_own_headers_only() {
        let request =
            sign(Signature::Acs3HmacSha256, &call(&[("Policy", "{}")]), &attempt(), &credentials());

        assert_eq!(request.url, "https://sts.aliyuncs.com:8443/way/?RegionId=cn%20hangzhou");
        let header = |wanted| {
            let found = request.headers.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.as_str()).unwrap()
        };
        assert!(header("authorization").contains(
            "SignedHeaders=content-type;host;x-acs-accesskey-id;x-acs-action;\
             x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;\
             x-acs-version,"
        ));
        assert_eq!(header("x-acs-date"), "2026-11-24T12:00:00Z");
        assert_eq!(header("accept"), "application/json");
        assert_eq!(header("x-acs-security-token"), "to/ken");
    }

    #[test]
    fn a_host_has_its_port_and_no_path() {
        assert_eq!(host("https://sts.aliyuncs.com:8443/way"), "sts.aliyuncs.com:8443");
        assert_eq!(host("http://[::1]:80"), "[::1]:80");
        assert_eq!(host("https://rds.aliyuncs.com"), "rds.aliyuncs.com");
    }
}
