//! What server and client may agree on: versions, suites and curves.
//!
//! Go's names are mapped to what rustls has; what it does not have is refused rather than left out,
//! so that nobody believes in a setting that is none.

use rustls::crypto::{SupportedKxGroup, ring};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::problem::{Report, allowed, quoted};
use crate::web::config::reader::{Item, Table};

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

pub(super) fn versions(
    section: &Table<'_>,
    report: &mut Report,
) -> Vec<&'static SupportedProtocolVersion> {
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
pub(super) fn suites(section: &Table<'_>, report: &mut Report) -> Vec<SupportedCipherSuite> {
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

pub(super) fn groups(
    section: &Table<'_>,
    report: &mut Report,
) -> Vec<&'static dyn SupportedKxGroup> {
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
