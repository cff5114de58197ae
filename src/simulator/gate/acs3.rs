//! Signature ACS3-HMAC-SHA256 ("V3"), whose parts are headers: what a request claims, and the check,
//! stage by stage.
//!
//! Written from the published description alone; the client's side shares nothing with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::utf8_percent_encode;
use sha2::{Digest as _, Sha256};

use super::{Claimed, incomplete, rpc};
use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

pub(super) const ALGORITHM: &str = "ACS3-HMAC-SHA256";
const CONTENT_HASH: &str = "x-acs-content-sha256";

/// The `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Authorization<'a> {
    access_key_id: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// Headers by lower-case name.
type Headers = BTreeMap<String, Vec<String>>;

/// The access key ID that a request's `Authorization` names, whatever the rest is worth.
pub(crate) fn access_key_id(call: &Call) -> Option<&str> {
    Authorization::read(call.header("authorization")?).ok().map(|found| found.access_key_id)
}

/// Reads what a request claims in its headers.
pub(super) fn read(call: &Call) -> Result<Claimed<'_>, Refusal> {
    let found = Authorization::read(call.header("authorization").unwrap_or_default())?;
    let signed = |name: &str| found.signed_headers.split(';').any(|known| known == name);
    let must_be =
        |name: &str| name.starts_with("x-acs-") || name == "host" || name == "content-type";
    if call.headers.keys().any(|name| must_be(name) && !signed(name)) {
        return Err(incomplete());
    }
    let claimed_hash = call.header(CONTENT_HASH).ok_or_else(|| Refusal::missing(CONTENT_HASH))?;
    let payload_hash = hash(&call.body);
    let canonical_request = canonical_request(
        (&call.method, &call.path),
        &call.query,
        &call.headers,
        found.signed_headers,
        &payload_hash,
    );
    Ok(Claimed {
        access_key_id: found.access_key_id,
        time: call.header("x-acs-date"),
        nonce: call.header("x-acs-signature-nonce"),
        nonce_name: "x-acs-signature-nonce",
        token: call.header("x-acs-security-token"),
        signature: Some(found.signature),
        string_to_sign: string_to_sign(&canonical_request),
        canonical_request: Some(canonical_request),
        // No signature fits a body that is not the one it was made for.
        verifies: if claimed_hash == payload_hash { verifies } else { |_, _, _| false },
    })
}

impl<'a> Authorization<'a> {
    fn read(header: &'a str) -> Result<Self, Refusal> {
        let (algorithm, rest) = header.trim().split_once(' ').ok_or_else(incomplete)?;
        if algorithm != ALGORITHM {
            let message =
                format!("The specified signature method is not supported: use {ALGORITHM}.");
            return Err(Refusal::new(400, "InvalidSignatureMethod", message));
        }
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            let found = parts.find(|(known, _)| *known == name).map(|(_, value)| value);
            found.filter(|value| !value.is_empty()).ok_or_else(incomplete)
        };
        Ok(Self {
            access_key_id: part("Credential")?,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        })
    }
}

/// The request as it is signed: six parts, each on its lines.
fn canonical_request(
    (method, path): (&str, &str),
    query: &BTreeMap<String, String>,
    headers: &Headers,
    signed_headers: &str,
    payload_hash: &str,
) -> String {
    let query = canonical_query(query);
    let headers = canonical_headers(headers, signed_headers);
    format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload_hash}")
}

/// The query sorted by name; an empty value keeps its `=`.
fn canonical_query(query: &BTreeMap<String, String>) -> String {
    let pairs = query.iter().map(|(name, value)| {
        let encoded = |text| utf8_percent_encode(text, rpc::RESERVED);
        format!("{}={}", encoded(name.as_str()), encoded(value.as_str()))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A line for each signed header, in the order in which they are listed.
fn canonical_headers(headers: &Headers, signed: &str) -> String {
    let lines = signed.split(';').map(|name| {
        let mut values: Vec<_> =
            headers.get(name).into_iter().flatten().map(|value| value.trim()).collect();
        values.sort_unstable();
        format!("{name}:{}\n", values.join(","))
    });
    lines.collect()
}

fn string_to_sign(canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{}", hash(canonical_request.as_bytes()))
}

/// Whether a signature, as sent, fits. Compares in constant time.
fn verifies(secret: &str, string_to_sign: &str, signature: &str) -> bool {
    let Some(signature) = from_hex(signature) else { return false };
    keyed(secret, string_to_sign).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
}

/// The key is the secret as it is: nothing is appended, nothing derived.
fn keyed(secret: &str, string_to_sign: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(string_to_sign.as_bytes());
    Some(mac)
}

fn hash(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
