//! Base URLs of endpoints, and which of them may be plain http.

use std::net::IpAddr;

use url::{Host, Url};

/// Reads a base URL: https, or http for loopback, or for any host if `allow_http`. The error
/// follows the value in a sentence.
pub(super) fn parse(text: &str, allow_http: bool, example: &str) -> Result<Url, String> {
    let allowed = format!("allowed: a URL such as {example}");
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); {allowed}"))?;
    let Some(host) = url.host() else {
        return Err(format!("has no host; {allowed}"));
    };
    let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        _ if !bare => Err(format!("has more than a host, a port and a path; {allowed}")),
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&host) => Ok(url),
        "http" => {
            Err("is plain http; allowed: https, or http for loopback, or allow_http: true for \
                       the account"
                .to_owned())
        }
        _ => Err(format!("is neither https nor http; {allowed}")),
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}
