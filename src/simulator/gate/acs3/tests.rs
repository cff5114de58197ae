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
struct Captured {
    id: String,
    url: String,
    method: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    access_key_secret: String,
    string_to_sign: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../tests/vectors/signature-v3.json")).unwrap()
}

fn headers(headers: &BTreeMap<String, String>) -> Headers {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), vec![value.clone()])).collect()
}

#[test]
fn every_vector_holds_at_every_stage() {
    let vectors = vectors().vectors;
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let id = &vector.id;
        let found = Authorization::read(&vector.authorization).unwrap();
        assert_eq!(found.access_key_id, vector.access_key_id, "{id}: key");
        assert_eq!(found.signed_headers, vector.signed_headers, "{id}: signed headers");
        assert_eq!(found.signature, vector.signature, "{id}: signature, as sent");

        assert_eq!(canonical_query(&vector.query), vector.canonical_query, "{id}: query");
        let payload = hash(vector.body.as_bytes());
        assert_eq!(payload, vector.hashed_payload, "{id}: payload");
        let request = canonical_request(
            (&vector.method, &vector.path),
            &vector.query,
            &headers(&vector.headers),
            found.signed_headers,
            &payload,
        );
        assert_eq!(request, vector.canonical_request, "{id}: canonical request");
        let to_sign = string_to_sign(&request);
        assert_eq!(to_sign, vector.string_to_sign, "{id}: string to sign");
        let mac = keyed(&vector.access_key_secret, &to_sign).unwrap().finalize();
        assert_eq!(to_hex(&mac.into_bytes()), vector.signature, "{id}: signature");
        assert!(verifies(&vector.access_key_secret, &to_sign, &vector.signature), "{id}");
        assert!(!verifies("another secret", &to_sign, &vector.signature), "{id}");
    }
}

#[test]
fn a_request_captured_from_the_official_sdk_holds() {
    for captured in vectors().sdk_requests {
        let query = captured.url.split_once('?').unwrap().1;
        let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let found = Authorization::read(&captured.headers["Authorization"]).unwrap();
        let request = canonical_request(
            (&captured.method, "/"),
            &query,
            &headers(&captured.headers),
            found.signed_headers,
            &hash(captured.body.unwrap_or_default().as_bytes()),
        );
        let to_sign = string_to_sign(&request);
        assert_eq!(to_sign, captured.string_to_sign, "{}: string to sign", captured.id);
        assert!(
            verifies(&captured.access_key_secret, &to_sign, found.signature),
            "{}",
            captured.id
        );
    }
}

#[test]
fn repeated_headers_are_sorted_and_joined() {
    let headers = Headers::from([("x-acs-a".into(), vec![" two ".into(), "one".into()])]);
    assert_eq!(canonical_headers(&headers, "x-acs-a"), "x-acs-a:one,two\n");
}

#[test]
fn an_authorization_that_lacks_a_part_or_names_another_algorithm_is_refused() {
    let whole = "ACS3-HMAC-SHA256 Credential=k, SignedHeaders=host;x, Signature=ab";
    let found = Authorization::read(whole).unwrap();
    assert_eq!((found.access_key_id, found.signed_headers, found.signature), ("k", "host;x", "ab"));
    for (header, code) in [
        ("", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=k,SignedHeaders=host", "IncompleteSignature"),
        ("ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=ab", "IncompleteSignature"),
        ("ACS3-RSA-SHA256 Credential=k,SignedHeaders=host,Signature=ab", "InvalidSignatureMethod"),
    ] {
        assert_eq!(Authorization::read(header).unwrap_err().code, code, "{header}");
    }
}

#[test]
fn a_signature_that_is_changed_cut_or_no_hex_does_not_fit() {
    let signature = to_hex(&keyed("secret", "text").unwrap().finalize().into_bytes());
    assert!(verifies("secret", "text", &signature));
    assert!(!verifies("secret", "texts", &signature));
    assert!(!verifies("secret", "text", &signature[..62]));
    assert!(!verifies("secret", "text", &signature.to_uppercase()));
    assert!(!verifies("secret", "text", ""));
    assert!(!verifies("secret", "text", "äb"));
}
