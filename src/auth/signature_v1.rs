//! The RPC signature: HMAC-SHA1, `SignatureVersion` 1.0.
//!
//! A pure function of request and secret. Alibaba Cloud's documentation calls the method V2 today;
//! the name here follows the version that is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use sha1::Sha1;

use crate::secret::Secret;

/// RFC 3986's unreserved characters stay, all other bytes are escaped.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request's signature and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// All parameters, sorted by name and escaped: also the query to send, `Signature` aside.
    pub canonical_query: String,
    /// What was signed. It holds the key ID and the token: not for logs.
    pub string_to_sign: String,
    /// The signature in base64, to be escaped once more when sent.
    pub signature: String,
}

impl Signed {
    /// The whole query, signature included.
    pub fn into_query(self) -> String {
        let mut query = self.canonical_query;
        query.push_str("&Signature=");
        query.extend(escape(&self.signature));
        query
    }
}

/// Signs a request of `method` with `parameters`: those of the query and those of the form body
/// alike, in any order, without `Signature`. Empty values are signed too.
pub fn sign(method: &str, parameters: &[(&str, &str)], secret: &Secret) -> Signed {
    let mut sorted = parameters.to_vec();
    sorted.sort_unstable();
    let mut canonical_query = String::with_capacity(512);
    for (name, value) in sorted {
        if !canonical_query.is_empty() {
            canonical_query.push('&');
        }
        canonical_query.extend(escape(name));
        canonical_query.push('=');
        canonical_query.extend(escape(value));
    }
    // Of what is escaped once, `=`, `&` and `%` are escaped again: about a byte in four.
    let mut string_to_sign = String::with_capacity(2 * canonical_query.len());
    string_to_sign.extend([method, "&%2F&"]);
    string_to_sign.extend(escape(&canonical_query));
    let mut signature = String::with_capacity(28);
    STANDARD.encode_string(hmac_sha1(secret, &string_to_sign), &mut signature);
    Signed { canonical_query, string_to_sign, signature }
}

/// Escapes as the signature demands: upper-case `%XX` for everything but `A-Z a-z 0-9 - _ . ~`.
pub(crate) fn escape(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn hmac_sha1(secret: &Secret, text: &str) -> [u8; 20] {
    let key = Secret::new([secret.expose(), "&"].concat());
    let mut mac = Hmac::<Sha1>::new_from_slice(key.expose().as_bytes())
        .expect("a key of any length is allowed");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
        sdk_requests: Vec<SdkRequest>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        method: String,
        query: BTreeMap<String, String>,
        form_body: Option<BTreeMap<String, String>>,
        access_key_secret: String,
        canonical_query: String,
        string_to_sign: String,
        signature: String,
        signature_as_query_value: String,
        signed_query: Option<String>,
    }

    #[derive(Deserialize)]
    struct SdkRequest {
        method: String,
        query: BTreeMap<String, String>,
        string_to_sign: String,
    }

    fn vectors() -> Vectors {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signature-v1.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        map.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[test]
    fn agrees_with_the_official_sdks_stage_by_stage() {
        let vectors = vectors().vectors;
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let id = &vector.id;
            let mut parameters: Vec<_> = pairs(&vector.query).collect();
            parameters.extend(vector.form_body.iter().flat_map(pairs));
            parameters.reverse();

            let signed =
                sign(&vector.method, &parameters, &Secret::new(vector.access_key_secret.as_str()));

            assert_eq!(signed.canonical_query, vector.canonical_query, "canonical query of {id}");
            assert_eq!(signed.string_to_sign, vector.string_to_sign, "string to sign of {id}");
            assert_eq!(signed.signature, vector.signature, "signature of {id}");
            let escaped = escape(&signed.signature).to_string();
            assert_eq!(escaped, vector.signature_as_query_value, "escaped signature of {id}");
            if let Some(query) = &vector.signed_query
                && vector.form_body.is_none()
            {
                let ours: std::collections::BTreeSet<_> =
                    signed.into_query().split('&').map(String::from).collect();
                let theirs = query.split('&').map(String::from).collect();
                assert_eq!(ours, theirs, "query of {id}");
            }
        }
    }

    #[test]
    fn agrees_with_a_request_captured_from_the_sdk() {
        let requests = vectors().sdk_requests;
        assert!(!requests.is_empty());
        for request in requests {
            let parameters: Vec<_> =
                pairs(&request.query).filter(|(name, _)| *name != "Signature").collect();
            let signed = sign(&request.method, &parameters, &Secret::new("any"));
            assert_eq!(signed.string_to_sign, request.string_to_sign);
        }
    }
}
