//! The signature `ACS3-HMAC-SHA256`, which documentation and SDKs call V3.
//!
//! A pure function of request and key. Which headers are signed is the caller's choice: the API
//! checks those that the signature names.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::auth::signature_v1::escape;
use crate::secret::Secret;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path; `/` for every RPC call.
    pub path: &'a str,
    /// Parameters of the query, in any order; empty values are signed too.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers to sign, in any order and case, each name once.
    pub headers: &'a [(&'a str, &'a str)],
    /// [`hash`] of the body.
    pub payload_hash: &'a str,
}

/// A request's signature and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The parameters, sorted by name, with their values escaped: also the query to send.
    pub canonical_query: String,
    /// The names of the signed headers, joined by `;`.
    pub signed_headers: String,
    /// The request in canonical form. It holds the token: not for logs.
    pub canonical_request: String,
    /// What was signed.
    pub string_to_sign: String,
    /// The signature in hexadecimal.
    pub signature: String,
    /// The header `Authorization`.
    pub authorization: String,
}

/// Signs `request` with the access key.
pub fn sign(request: &Request<'_>, access_key_id: &str, secret: &Secret) -> Signed {
    let canonical_query = canonical_query(request.query);
    let (canonical_headers, signed_headers) = canonical_headers(request.headers);
    let Request { method, path, payload_hash, .. } = request;
    let canonical_request = format!(
        "{method}\n{path}\n{canonical_query}\n{canonical_headers}\n{signed_headers}\n{payload_hash}"
    );
    let string_to_sign = format!("{ALGORITHM}\n{}", hash(canonical_request.as_bytes()));
    let signature = hmac_sha256(secret, &string_to_sign);
    let authorization = format!(
        "{ALGORITHM} Credential={access_key_id},SignedHeaders={signed_headers},Signature={signature}"
    );
    Signed {
        canonical_query,
        signed_headers,
        canonical_request,
        string_to_sign,
        signature,
        authorization,
    }
}

/// SHA-256 in hexadecimal, as `x-acs-content-sha256` has it.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Sorted by name and joined. Names stay as they are, as in the official SDKs: those of the API
/// have nothing to escape.
fn canonical_query(query: &[(&str, &str)]) -> String {
    let mut sorted = query.to_vec();
    sorted.sort_unstable();
    let pairs = sorted.into_iter().map(|(name, value)| format!("{name}={}", escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The headers as lines of `name:value`, and their names.
fn canonical_headers(headers: &[(&str, &str)]) -> (String, String) {
    let mut sorted: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    sorted.sort_unstable();
    let lines = sorted.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names: Vec<_> = sorted.iter().map(|(name, _)| name.as_str()).collect();
    (lines, names.join(";"))
}

/// The secret is the key as it is: nothing is derived from it.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
fn hmac_sha256(secret: &Secret, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("a key of any length is allowed");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
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
        path: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        body: String,
        access_key_id: String,
        access_key_secret: String,
        canonical_query: String,
        signed_headers: String,
        hashed_payload: String,
        canonical_request: String,
        string_to_sign: String,
        signature: String,
        authorization: String,
    }

    #[derive(Deserialize)]
    struct SdkRequest {
        method: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        access_key_secret: String,
        string_to_sign: String,
    }

    fn vectors() -> Vectors {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signature-v3.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter().rev().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn agrees_with_the_official_sdks_stage_by_stage() {
        let vectors = vectors().vectors;
        assert_eq!(vectors.len(), 12);
        for vector in vectors {
            let id = &vector.id;
            let payload_hash = hash(vector.body.as_bytes());
            assert_eq!(payload_hash, vector.hashed_payload, "payload hash of {id}");
            let request = Request {
                method: &vector.method,
                path: &vector.path,
                query: &pairs(&vector.query),
                headers: &pairs(&vector.headers),
                payload_hash: &payload_hash,
            };

            let secret = Secret::new(vector.access_key_secret.as_str());
            let signed = sign(&request, &vector.access_key_id, &secret);

            assert_eq!(signed.canonical_query, vector.canonical_query, "canonical query of {id}");
            assert_eq!(signed.signed_headers, vector.signed_headers, "signed headers of {id}");
            assert_eq!(signed.canonical_request, vector.canonical_request, "request of {id}");
            assert_eq!(signed.string_to_sign, vector.string_to_sign, "string to sign of {id}");
            assert_eq!(signed.signature, vector.signature, "signature of {id}");
            assert_eq!(signed.authorization, vector.authorization, "authorization of {id}");
        }
    }

    #[test]
    fn agrees_with_a_request_captured_from_the_sdk() {
        let requests = vectors().sdk_requests;
        assert!(!requests.is_empty());
        for mut captured in requests {
            let authorization = captured.headers.remove("Authorization").unwrap();
            let request = Request {
                method: &captured.method,
                path: "/",
                query: &pairs(&captured.query),
                headers: &pairs(&captured.headers),
                payload_hash: &hash(b""),
            };
            let key_id = &captured.headers["x-acs-accesskey-id"];
            let signed = sign(&request, key_id, &Secret::new(captured.access_key_secret.as_str()));
            assert_eq!(signed.string_to_sign, captured.string_to_sign);
            assert_eq!(signed.authorization, authorization);
        }
    }
}
