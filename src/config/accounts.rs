//! Accounts: names, budgets, signatures, endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::problem::quoted;
use super::read::{Reader, Section, one_of};
use super::{Account, Endpoints, Network, Signature, base_url, credentials};

/// The account of instances that name none.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

/// Calls per second that can be scheduled without overflow and are no mistake.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;

/// Reads `accounts`. Without any there is `default`, with every default. An account that could not
/// be read is there as `None`, so that instances may name it.
pub(super) fn read(reader: &mut Reader, root: &Section<'_>) -> BTreeMap<Arc<str>, Option<Account>> {
    let section = root.section("accounts");
    let named = section.named();
    if named.is_empty() && !reader.report.has(&section.path) {
        return BTreeMap::from([(Arc::from(DEFAULT_ACCOUNT), Some(Account::default()))]);
    }
    let accounts =
        named.into_iter().map(|(name, section)| (Arc::from(name), account(reader, &section)));
    accounts.collect()
}

fn account(reader: &mut Reader, section: &Section<'_>) -> Option<Account> {
    let defaults = Account::default();
    let rate =
        reader.value(section, "requests_per_second", defaults.requests_per_second, parse_rate);
    let signature = reader.value(section, "signature", defaults.signature, |text| {
        one_of(
            text,
            &[("hmac-sha1", Signature::HmacSha1), ("acs3-hmac-sha256", Signature::Acs3HmacSha256)],
        )
    });
    let network = reader.value(section, "network", defaults.network, |text| {
        one_of(text, &[("public", Network::Public), ("vpc", Network::Vpc)])
    });
    let allow_http = reader.value(section, "allow_http", defaults.allow_http, |text| {
        one_of(text, &[("true", true), ("false", false)])
    });
    // If it cannot be read, that is the one problem to tell.
    let http = allow_http != Some(false);
    let credentials = credentials::read(reader, &section.section("credentials"), http);
    let endpoints = endpoints(reader, &section.section("endpoints"), http);
    let ca_file = reader.file(section, "ca_file");
    if let Some(path) = &ca_file
        && let Err(error) = check_certificates(path)
    {
        reader.problem(section, "ca_file", format!("{} {error}", quoted_path(path)));
    }
    Some(Account {
        credentials: credentials?,
        requests_per_second: rate?,
        signature: signature?,
        network: network?,
        endpoints: endpoints?,
        allow_http: allow_http?,
        ca_file,
    })
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| RATES.contains(rate));
    let (min, max) = (RATES.start(), RATES.end());
    rate.ok_or_else(|| format!("is not allowed; allowed: a number from {min} to {max}"))
}

/// Reads the base URL at `key`, if there is one.
fn endpoint(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &str,
    allow_http: bool,
    example: &str,
) -> Option<Option<String>> {
    let Some(text) = section.filled(key) else { return Some(None) };
    let url = base_url::parse(text, allow_http, example).and_then(|url| match url.query() {
        None => Ok(url.as_str().trim_end_matches('/').to_owned()),
        Some(_) => Err(format!(
            "has more than a host, a port and a path; allowed: a URL such as {example}"
        )),
    });
    // A URL with a password must not be quoted.
    let shown = if text.contains('@') { "the value".to_owned() } else { quoted(text) };
    url.map(Some).map_err(|error| reader.problem(section, key, format!("{shown} {error}"))).ok()
}

fn endpoints(reader: &mut Reader, section: &Section<'_>, allow_http: bool) -> Option<Endpoints> {
    let rds = endpoint(reader, section, "rds", allow_http, "https://rds.aliyuncs.com");
    let sts = endpoint(reader, section, "sts", allow_http, "https://sts.aliyuncs.com");
    // The metadata service speaks nothing but plain http, to the machine that it serves.
    let metadata = endpoint(reader, section, "metadata", true, "http://100.100.100.200");
    Some(Endpoints { rds: rds?, sts: sts?, metadata: metadata? })
}

fn check_certificates(path: &Path) -> Result<(), String> {
    let pem = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        store
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
    }
    if store.is_empty() { Err("holds no certificate in PEM".to_owned()) } else { Ok(()) }
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
