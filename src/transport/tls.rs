//! TLS of outgoing connections: which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Why there is no TLS.
pub(super) enum Error {
    /// The file with further authorities cannot be used.
    CaFile(String),
    /// The library lacks what it needs.
    Versions(String),
}

/// Trusts the public authorities and those of `ca_file`.
pub(super) fn config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, Error> {
    let mut roots =
        rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| Error::CaFile(error.to_string()))?;
        if certificates.is_empty() {
            return Err(Error::CaFile("it holds no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| Error::CaFile(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Versions(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether a `rustls::Error` is among the causes. An `io::Error` hides the error it holds from
/// `source`, and may hold another one that does: they have to be asked for it.
pub(super) fn is_cause(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}
