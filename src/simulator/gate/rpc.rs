//! RPC signature 1.0 (HMAC-SHA1), whose parts are parameters: what a request claims, and the check,
//! stage by stage.
//!
//! Written from the published description alone; the client's side shares nothing with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

use super::{Claimed, incomplete};
use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

pub(super) const ALGORITHM: &str = "HMAC-SHA1";
/// RFC 3986: everything but letters, digits and `-_.~` is encoded.
pub(crate) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Reads what a request claims in its parameters.
pub(super) fn read(call: &Call) -> Result<Claimed<'_>, Refusal> {
    let access_key_id = call.required("AccessKeyId")?;
    if call.required("SignatureMethod")? != ALGORITHM {
        let message = "The specified signature method is not supported: use HMAC-SHA1.";
        return Err(Refusal::new(400, "InvalidSignatureMethod", message));
    }
    if call.required("SignatureVersion")? != "1.0" {
        return Err(incomplete());
    }
    let parameters = call.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Claimed {
        access_key_id,
        time: call.get("Timestamp"),
        nonce: call.get("SignatureNonce"),
        nonce_name: "SignatureNonce",
        token: call.get("SecurityToken"),
        signature: call.get("Signature"),
        string_to_sign: string_to_sign(&call.method, &canonical_query(parameters)),
        canonical_request: None,
        verifies,
    })
}

/// Every parameter but `Signature`, sorted by name in byte order, encoded and joined.
fn canonical_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut parameters: Vec<_> = parameters.into_iter().collect();
    parameters.retain(|(name, _)| *name != "Signature");
    parameters.sort_unstable();
    let mut query = String::with_capacity(512);
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(utf8_percent_encode(name, RESERVED));
        query.push('=');
        query.extend(utf8_percent_encode(value, RESERVED));
    }
    query
}

/// What is signed: the method, the path `/`, and the canonical query encoded once more.
fn string_to_sign(method: &str, canonical_query: &str) -> String {
    let query = utf8_percent_encode(canonical_query, RESERVED);
    format!("{method}&%2F&{query}")
}

/// Whether a signature, as sent, fits. Compares in constant time.
fn verifies(secret: &str, string_to_sign: &str, signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    keyed(secret, string_to_sign).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
}

fn keyed(secret: &str, string_to_sign: &str) -> Option<Hmac<Sha1>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).ok()?;
    mac.update(string_to_sign.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
        sdk_requests: Vec<Captured>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        method: String,
        query: BTreeMap<String, String>,
        form_body: Option<BTreeMap<String, String>>,
        form_body_encoded: Option<String>,
        access_key_secret: String,
        canonical_query: String,
        string_to_sign: String,
        signature: String,
        signed_query: String,
    }

    #[derive(Deserialize)]
    struct Captured {
        id: String,
        url: String,
        method: String,
        access_key_secret: String,
        string_to_sign: String,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../tests/vectors/signature-v1.json")).unwrap()
    }

    fn text((name, value): (&String, &String)) -> (String, String) {
        (name.clone(), value.clone())
    }

    fn canonical(parameters: &[(String, String)]) -> String {
        canonical_query(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    #[test]
    fn every_vector_holds_at_every_stage() {
        for vector in vectors().vectors {
            let form = vector.form_body.iter().flatten();
            let parameters: Vec<_> = vector.query.iter().chain(form).map(text).collect();

            let query = canonical(&parameters);
            assert_eq!(query, vector.canonical_query, "{}: canonical query", vector.id);
            let to_sign = string_to_sign(&vector.method, &query);
            assert_eq!(to_sign, vector.string_to_sign, "{}: string to sign", vector.id);
            let signature = keyed(&vector.access_key_secret, &to_sign).unwrap().finalize();
            let signature = STANDARD.encode(signature.into_bytes());
            assert_eq!(signature, vector.signature, "{}: signature", vector.id);
            assert!(verifies(&vector.access_key_secret, &to_sign, &signature), "{}", vector.id);
        }
    }

    #[test]
    fn every_vector_holds_as_it_stands_on_the_wire() {
        for vector in vectors().vectors {
            let form = vector.form_body_encoded.unwrap_or_default();
            let sent = format!("{}&{form}", vector.signed_query);
            let parameters: Vec<_> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
            assert_eq!(canonical(&parameters), vector.canonical_query, "{}", vector.id);
        }
    }

    #[test]
    fn a_request_captured_from_the_official_sdk_holds() {
        for captured in vectors().sdk_requests {
            let query = captured.url.split_once('?').unwrap().1;
            let parameters: Vec<_> =
                form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let to_sign = string_to_sign(&captured.method, &canonical(&parameters));
            assert_eq!(to_sign, captured.string_to_sign, "{}: string to sign", captured.id);
            let (_, signature) = parameters.iter().find(|(name, _)| name == "Signature").unwrap();
            assert!(verifies(&captured.access_key_secret, &to_sign, signature), "{}", captured.id);
        }
    }

    #[test]
    fn a_signature_that_is_changed_cut_or_no_base64_does_not_fit() {
        let signature = STANDARD.encode(keyed("secret", "text").unwrap().finalize().into_bytes());
        assert!(verifies("secret", "text", &signature));
        assert!(!verifies("secre", "text", &signature));
        assert!(!verifies("secret", "texts", &signature));
        assert!(!verifies("secret", "text", &STANDARD.encode([0; 19])));
        assert!(!verifies("secret", "text", ""));
        assert!(!verifies("secret", "text", "*"));
    }
}
