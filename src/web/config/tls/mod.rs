//! The section `tls_server_config`.

mod agreement;

use std::path::{Path, PathBuf};

use rustls::crypto::SupportedKxGroup;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::problem::Report;
use crate::secret::Secret;

use super::reader::Table;

/// What the section says.
#[derive(Clone, Debug)]
pub(in crate::web) struct TlsSettings {
    /// The server's certificate chain.
    pub(in crate::web) cert: Source,
    /// The private key of its first certificate.
    pub(in crate::web) key: Source,
    /// Authorities of client certificates.
    pub(in crate::web) client_ca: Option<Source>,
    pub(in crate::web) client_auth: ClientAuth,
    /// Names of which a client certificate needs one; `None` for any.
    pub(in crate::web) client_allowed_sans: Option<Vec<String>>,
    pub(in crate::web) versions: Vec<&'static SupportedProtocolVersion>,
    pub(in crate::web) suites: Vec<SupportedCipherSuite>,
    pub(in crate::web) groups: Vec<&'static dyn SupportedKxGroup>,
    /// Whether the server's order of suites counts, not the client's.
    pub(in crate::web) prefer_server_order: bool,
    /// Whether HTTP/2 is offered.
    pub(in crate::web) http2: bool,
}

/// Where PEM text is.
#[derive(Clone, Debug)]
pub(in crate::web) enum Source {
    /// In the web configuration, at this key.
    Inline(&'static str, Secret),
    /// In a file that this key names.
    File(&'static str, PathBuf),
}

impl Source {
    /// The path of keys that holds or names it.
    pub(in crate::web) fn key(&self) -> String {
        let (Self::Inline(key, _) | Self::File(key, _)) = self;
        format!("{SECTION}.{key}")
    }
}

/// What is asked of clients, by Go's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum ClientAuth {
    /// No certificate is asked for.
    No,
    /// Any certificate is taken, and none, too.
    Request,
    /// Any certificate is taken.
    RequireAny,
    /// A certificate must be of an authority, if there is one.
    VerifyIfGiven,
    /// A certificate of an authority is needed.
    RequireAndVerify,
}

const SECTION: &str = "tls_server_config";

const KEYS: [&str; 13] = [
    "cert",
    "cert_file",
    "key",
    "key_file",
    "client_ca",
    "client_ca_file",
    "client_auth_type",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "curve_preferences",
    "prefer_server_cipher_suites",
];

const CLIENT_AUTH: [(&str, ClientAuth); 6] = [
    ("NoClientCert", ClientAuth::No),
    ("RequestClientCert", ClientAuth::Request),
    ("RequireAnyClientCert", ClientAuth::RequireAny),
    // The toolkit's older name.
    ("RequireClientCert", ClientAuth::RequireAny),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
];

pub(super) fn read(
    root: &Table<'_>,
    directory: &Path,
    http2: bool,
    report: &mut Report,
) -> Option<TlsSettings> {
    let section = root.section(SECTION, &KEYS, report);
    if section.is_empty() {
        return None;
    }
    let mut source = |inline, file| source(&section, inline, file, directory, report);
    let (cert, key) = (source("cert", "cert_file"), source("key", "key_file"));
    let client_ca = source("client_ca", "client_ca_file");
    for (source, inline, file) in [(&cert, "cert", "cert_file"), (&key, "key", "key_file")] {
        if source.is_none() && !report.has(&section.path.key(file)) {
            let message = format!("is missing; allowed: a path, or {inline} with the PEM text");
            report.problem(&section.path.key(file), message);
        }
    }
    let client_auth = section.one_of("client_auth_type", &CLIENT_AUTH, ClientAuth::No, report);
    check_client_ca(&section, client_ca.as_ref(), client_auth, report);
    let settings = TlsSettings {
        client_ca,
        client_auth,
        client_allowed_sans: allowed_sans(&section, client_auth, report),
        versions: agreement::versions(&section, report),
        suites: agreement::suites(&section, report),
        groups: agreement::groups(&section, report),
        prefer_server_order: section.boolean("prefer_server_cipher_suites", true, report),
        http2,
        cert: cert?,
        key: key?,
    };
    Some(settings)
}

fn source(
    section: &Table<'_>,
    inline: &'static str,
    file: &'static str,
    directory: &Path,
    report: &mut Report,
) -> Option<Source> {
    match (section.text(inline, report), section.text(file, report)) {
        (None, None) => None,
        (Some(pem), None) => Some(Source::Inline(inline, Secret::new(pem.text))),
        (None, Some(path)) => Some(Source::File(file, directory.join(path.text))),
        (Some(_), Some(path)) => {
            report.problem(&path.path, format!("is given, and so is {inline}; allowed: only one"));
            None
        }
    }
}

fn check_client_ca(
    section: &Table<'_>,
    client_ca: Option<&Source>,
    client_auth: ClientAuth,
    report: &mut Report,
) {
    let path = section.path.key("client_auth_type");
    if report.has(&path) {
        return;
    }
    match (client_ca, client_auth) {
        (Some(_), ClientAuth::No) => {
            let message = "is NoClientCert, which leaves the client CA unused; allowed: another \
                           type, or no client_ca and client_ca_file";
            report.problem(&path, message);
        }
        (None, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify)
            if !report.has(&section.path.key("client_ca_file")) =>
        {
            let message = "is missing, and client_auth_type needs it; the system's authorities, \
                           which would let in everyone with a certificate, are not used";
            report.problem(&section.path.key("client_ca_file"), message);
        }
        _ => {}
    }
}

fn allowed_sans(
    section: &Table<'_>,
    client_auth: ClientAuth,
    report: &mut Report,
) -> Option<Vec<String>> {
    let sans = section.list("client_allowed_sans", report)?;
    let path = section.path.key("client_allowed_sans");
    if !matches!(client_auth, ClientAuth::RequireAny | ClientAuth::RequireAndVerify) {
        let message = "needs a client_auth_type of RequireAnyClientCert or \
                       RequireAndVerifyClientCert: with another one a client may come without a \
                       certificate";
        report.problem(&path, message);
    } else if sans.is_empty() {
        report.problem(&path, "is empty, with which no certificate would be let in");
    }
    Some(sans.into_iter().map(|item| item.text.to_owned()).collect())
}
