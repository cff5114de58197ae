//! The section `tls_server_config`.
//!
//! Go's names of versions, suites and curves are mapped to what rustls has; what it does not have
//! is refused rather than left out, so that nobody believes in a setting that is none.

use std::path::{Path, PathBuf};

use rustls::crypto::{SupportedKxGroup, ring};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::problem::{Report, allowed, quoted};
use crate::secret::Secret;

use super::reader::{Item, Table};

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

/// In the order of their age.
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] =
    [("TLS12", &rustls::version::TLS12), ("TLS13", &rustls::version::TLS13)];

/// Suites that Go has and rustls leaves out, since CBC and RSA key exchange are broken by design.
const GO_ONLY_SUITES: [&str; 12] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
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
        versions: versions(&section, report),
        suites: suites(&section, report),
        groups: groups(&section, report),
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

fn versions(section: &Table<'_>, report: &mut Report) -> Vec<&'static SupportedProtocolVersion> {
    let mut limit = |key, default| {
        let Some(Item { path, text }) = section.text(key, report) else { return default };
        let known = VERSIONS.map(|(name, _)| name);
        let message = match known.iter().position(|name| *name == text) {
            Some(age) => return age,
            None if ["TLS10", "TLS11"].contains(&text) => {
                format!("{text} is not supported; {}", allowed("", known))
            }
            None => format!("{} is unknown; {}", quoted(text), allowed("", known)),
        };
        report.problem(&path, message);
        default
    };
    let (least, most) = (limit("min_version", 0), limit("max_version", VERSIONS.len() - 1));
    if least > most {
        let message = "is below min_version, so that no version is left";
        report.problem(&section.path.key("max_version"), message);
    }
    VERSIONS.iter().skip(least).take((most + 1).saturating_sub(least)).map(|(_, v)| *v).collect()
}

/// As in Go, the list says which suites of TLS 1.2 there are; those of TLS 1.3 are always there.
fn suites(section: &Table<'_>, report: &mut Report) -> Vec<SupportedCipherSuite> {
    let all = ring::ALL_CIPHER_SUITES;
    let names: Vec<_> = all.iter().map(|suite| go_name(*suite)).collect();
    let Some(items) = section.list("cipher_suites", report).filter(|items| !items.is_empty())
    else {
        return all.to_vec();
    };
    let mut wanted: Vec<_> = all.iter().filter(|suite| suite.tls13().is_some()).copied().collect();
    for Item { path, text } in items {
        let known = names.iter().map(String::as_str);
        match names.iter().position(|name| name == text).and_then(|at| all.get(at)) {
            Some(suite) if wanted.contains(suite) => {}
            Some(suite) => wanted.push(*suite),
            None if GO_ONLY_SUITES.contains(&text) => {
                let message = format!("{text} is not supported; {}", allowed("", known));
                report.problem(&path, message);
            }
            None => {
                let message = format!("{} is unknown; {}", quoted(text), allowed(text, known));
                report.problem(&path, message);
            }
        }
    }
    wanted
}

/// rustls marks suites of TLS 1.3 in their names, Go does not.
fn go_name(suite: SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1)
}

fn groups(section: &Table<'_>, report: &mut Report) -> Vec<&'static dyn SupportedKxGroup> {
    let Some(items) = section.list("curve_preferences", report).filter(|items| !items.is_empty())
    else {
        return ring::ALL_KX_GROUPS.to_vec();
    };
    let curves = curves();
    let mut groups = Vec::new();
    for Item { path, text } in items {
        let supported = curves.iter().filter(|(_, group)| group.is_some()).map(|(name, _)| *name);
        match curves.iter().find(|(name, _)| *name == text) {
            Some((_, Some(group))) => groups.push(*group),
            Some((_, None)) => {
                let message = format!("{text} is not supported; {}", allowed("", supported));
                report.problem(&path, message);
            }
            None => {
                let message = format!("{} is unknown; {}", quoted(text), allowed(text, supported));
                report.problem(&path, message);
            }
        }
    }
    groups
}

/// Go's names of curves. The cryptography that is built in has all but one.
fn curves() -> [(&'static str, Option<&'static dyn SupportedKxGroup>); 4] {
    [
        ("CurveP256", Some(ring::kx_group::SECP256R1)),
        ("CurveP384", Some(ring::kx_group::SECP384R1)),
        ("CurveP521", None),
        ("X25519", Some(ring::kx_group::X25519)),
    ]
}
