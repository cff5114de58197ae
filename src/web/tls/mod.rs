//! TLS as the web configuration wants it: from settings and PEM texts to what takes a connection.
//!
//! Reading files and noticing their changes is `guard`'s.

mod client;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore};

use super::config::{ClientAuth, TlsSettings, WebConfigError};

/// Name of HTTP/2 in the handshake.
pub(super) const H2: &[u8] = b"h2";

/// The PEM texts that settings name.
pub(super) struct Pem {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_ca: Option<Vec<u8>>,
}

/// Makes what takes connections. `file` stands for the web configuration in messages.
///
/// # Errors
///
/// When the texts hold no certificate or key, or do not fit together; the key is named.
pub(super) fn build(
    settings: &TlsSettings,
    pem: &Pem,
    file: &str,
) -> Result<Arc<ServerConfig>, WebConfigError> {
    let problem = |key: &str, message: String| WebConfigError::of(file, key, message);
    let provider = Arc::new(CryptoProvider {
        cipher_suites: settings.suites.clone(),
        kx_groups: settings.groups.clone(),
        ..ring::default_provider()
    });
    let certified = certified(settings, pem, &provider, file)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.versions)
        .map_err(|_| {
            let message = "has no suite for the versions from min_version to max_version";
            problem("tls_server_config.cipher_suites", message.to_owned())
        })?;
    let builder = match client_roots(settings, pem, file)? {
        _ if settings.client_auth == ClientAuth::No => builder.with_no_client_auth(),
        roots => {
            let verifier = client::verifier(settings, roots, provider).map_err(|error| {
                let message = format!("cannot be used: {error}");
                problem("tls_server_config.client_ca_file", message)
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.ignore_client_order = settings.prefer_server_order;
    if settings.client_auth != ClientAuth::No {
        // A resumed session would not show its certificate again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    if settings.http2 {
        config.alpn_protocols.push(H2.to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(Arc::new(config))
}

fn certified(
    settings: &TlsSettings,
    pem: &Pem,
    provider: &CryptoProvider,
    file: &str,
) -> Result<CertifiedKey, WebConfigError> {
    let problem = |key: String, message: &str| WebConfigError::of(file, &key, message.to_owned());
    let (cert, key) = (settings.cert.key(), settings.key.key());
    let chain = certificates(&pem.cert)
        .ok_or_else(|| problem(cert.clone(), "holds no certificate in PEM form"))?;
    let private = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|_| problem(key.clone(), "holds no private key in PEM form without a password"))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            problem(key, "is not the private key of the certificate")
        }
        rustls::Error::InvalidCertificate(_) => problem(cert, "holds a certificate that is none"),
        _ => problem(key, "holds a private key of a kind that is not supported; allowed: RSA from 2048 bits, ECDSA with P-256 or P-384, Ed25519"),
    })
}

fn client_roots(
    settings: &TlsSettings,
    pem: &Pem,
    file: &str,
) -> Result<RootCertStore, WebConfigError> {
    let mut roots = RootCertStore::empty();
    let (Some(source), Some(pem)) = (&settings.client_ca, &pem.client_ca) else {
        return Ok(roots);
    };
    let problem = |message| WebConfigError::of(file, &source.key(), message);
    let certificates =
        certificates(pem).ok_or_else(|| problem("holds no certificate in PEM form"))?;
    for certificate in certificates {
        roots.add(certificate).map_err(|_| problem("holds a certificate that is none"))?;
    }
    Ok(roots)
}

/// The certificates of a PEM text; `None` if there is none, or one that cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}
