//! Accounts: names, credentials, budgets, endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::{Host, Url};

use super::problem::quoted;
use super::read::{Reader, Section, one_of};
use super::{Account, CredentialsSource, Endpoints, Network, SecretSource};
use crate::secret::Secret;

/// The account of instances that name none.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

/// Calls per second that can be scheduled without overflow and are no mistake.
const RATES: std::ops::RangeInclusive<f64> = 0.001..=10_000.0;

#[derive(Clone, Copy)]
enum CredentialsType {
    Default,
    AccessKey,
}

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
    let credentials = credentials(reader, &section.section("credentials"));
    let rate =
        reader.value(section, "requests_per_second", defaults.requests_per_second, parse_rate);
    let signature =
        reader.value(section, "signature", (), |text| one_of(text, &[("hmac-sha1", ())]));
    let network = reader.value(section, "network", defaults.network, |text| {
        one_of(text, &[("public", Network::Public), ("vpc", Network::Vpc)])
    });
    let allow_http = reader.value(section, "allow_http", defaults.allow_http, |text| {
        one_of(text, &[("true", true), ("false", false)])
    });
    let endpoints = section.section("endpoints");
    let rds = match endpoints.filled("rds") {
        Some(url) => endpoint(reader, &endpoints, "rds", url, allow_http != Some(false)).map(Some),
        None => Some(None),
    };
    let ca_file = reader.file(section, "ca_file");
    if let Some(path) = &ca_file
        && let Err(error) = check_certificates(path)
    {
        reader.problem(section, "ca_file", format!("{} {error}", quoted_path(path)));
    }
    signature?;
    Some(Account {
        credentials: credentials?,
        requests_per_second: rate?,
        network: network?,
        endpoints: Endpoints { rds: rds? },
        allow_http: allow_http?,
        ca_file,
    })
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| RATES.contains(rate));
    let (min, max) = (RATES.start(), RATES.end());
    rate.ok_or_else(|| format!("is not allowed; allowed: a number from {min} to {max}"))
}

fn credentials(reader: &mut Reader, section: &Section<'_>) -> Option<CredentialsSource> {
    let types = [("default", CredentialsType::Default), ("access_key", CredentialsType::AccessKey)];
    let kind =
        reader.value(section, "type", CredentialsType::Default, |text| one_of(text, &types))?;
    match kind {
        CredentialsType::Default => {
            let keys = ["access_key_id", "access_key_secret", "access_key_secret_file"];
            let mut fits = true;
            for key in keys.into_iter().filter(|key| section.filled(key).is_some()) {
                fits = false;
                let message = "belongs to type access_key; set type: access_key or remove it";
                reader.problem(section, key, message);
            }
            fits.then_some(CredentialsSource::Default)
        }
        CredentialsType::AccessKey => {
            let access_key_id = private(reader, section, "access_key_id");
            let access_key_secret = access_key_secret(reader, section);
            Some(CredentialsSource::AccessKey {
                access_key_id: access_key_id?,
                access_key_secret: access_key_secret?,
            })
        }
    }
}

fn access_key_secret(reader: &mut Reader, section: &Section<'_>) -> Option<SecretSource> {
    const INLINE: &str = "access_key_secret";
    const FILE: &str = "access_key_secret_file";
    let file = reader.file(section, FILE);
    match (section.filled(INLINE), file) {
        (Some(_), Some(_)) => {
            let message = format!("stands beside {INLINE}; allowed: one of the two");
            reader.problem(section, FILE, message);
            None
        }
        (None, None) => {
            if !reader.is_reported(section, INLINE) && !reader.is_reported(section, FILE) {
                let message = format!("is missing; type access_key needs it, or {FILE}");
                reader.problem(section, INLINE, message);
            }
            None
        }
        (Some(_), None) => {
            let secret = private(reader, section, INLINE)?;
            Some(SecretSource::Inline(Secret::new(secret)))
        }
        (None, Some(path)) => match check_secret_file(&path) {
            Ok(()) => Some(SecretSource::File(path)),
            Err(error) => {
                reader.problem(section, FILE, format!("{} {error}", quoted_path(&path)));
                None
            }
        },
    }
}

/// The text at `key`, which no message may quote.
fn private(reader: &mut Reader, section: &Section<'_>, key: &str) -> Option<String> {
    let path = section.path.key(key);
    let Some(text) = section.filled(key).map(without_line_end) else {
        if !reader.is_reported(section, key) {
            reader.report.problem(&path, "is missing; type access_key needs it");
        }
        return None;
    };
    if !is_private_text(text) {
        reader.report.problem(&path, "is empty or holds a space or a control character");
        return None;
    }
    Some(text.to_owned())
}

/// Block scalars and files end with a line end that is not part of the secret.
fn without_line_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

fn is_private_text(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn check_secret_file(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    if is_private_text(without_line_end(&text)) {
        Ok(())
    } else {
        Err("does not hold one secret: it is empty, or has spaces or several lines".to_owned())
    }
}

/// Reads the base URL at `key`.
fn endpoint(
    reader: &mut Reader,
    section: &Section<'_>,
    key: &str,
    text: &str,
    allow_http: bool,
) -> Option<String> {
    // A URL with a password must not be quoted.
    let shown = if text.contains('@') { "the value".to_owned() } else { quoted(text) };
    let result = parse_endpoint(text, allow_http);
    result.map_err(|error| reader.problem(section, key, format!("{shown} {error}"))).ok()
}

fn parse_endpoint(text: &str, allow_http: bool) -> Result<String, String> {
    const ALLOWED: &str = "allowed: a base URL such as https://rds.aliyuncs.com";
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); {ALLOWED}"))?;
    let Some(host) = url.host() else {
        return Err(format!("has no host; {ALLOWED}"));
    };
    let bare = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.scheme() {
        _ if !bare => Err(format!("has more than a host, a port and a path; {ALLOWED}")),
        "https" => Ok(()),
        "http" if allow_http || is_loopback(&host) => Ok(()),
        "http" => Err("is plain http; allowed: https, or http for loopback, or allow_http: true \
                       beside endpoints"
            .to_owned()),
        _ => Err(format!("is neither https nor http; {ALLOWED}")),
    }?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
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
