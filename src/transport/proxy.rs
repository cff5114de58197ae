//! Proxies by the usual environment variables.

use reqwest::{NoProxy, Proxy};

use crate::config::Environment;

type Through = fn(&str) -> reqwest::Result<Proxy>;

/// Variables and what they stand for; what comes first wins.
const VARIABLES: [(&str, Through); 3] = [
    ("https_proxy", |url| Proxy::https(url)),
    ("http_proxy", |url| Proxy::http(url)),
    ("all_proxy", |url| Proxy::all(url)),
];

/// The proxies that `environment` names. The error names the variable and not its value, which may
/// hold a password.
pub(super) fn of(environment: &Environment) -> Result<Vec<Proxy>, String> {
    let exceptions = variable(environment, "no_proxy").map(|(_, value)| value).unwrap_or_default();
    let mut proxies = Vec::new();
    for (name, through) in VARIABLES {
        let Some((name, value)) = variable(environment, name) else { continue };
        let proxy = if is_http(value) { through(value).ok() } else { None };
        let proxy =
            proxy.ok_or_else(|| format!("{name} is not the URL of an http or https proxy"))?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(exceptions)));
    }
    Ok(proxies)
}

/// A variable in small letters or, failing that, in capitals, as curl has it. An empty one counts
/// as unset.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<(String, &'a str)> {
    let names = [name.to_owned(), name.to_uppercase()];
    names.into_iter().find_map(|name| {
        let value = environment.get(&name).filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

/// Whether a proxy speaks http: others would be passed over in silence.
fn is_http(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_none_or(|scheme| scheme == "http" || scheme == "https")
}

#[cfg(test)]
mod tests {
    fn count(variables: &[(&str, &str)]) -> Result<usize, String> {
        super::of(&variables.iter().copied().collect()).map(|proxies| proxies.len())
    }

    #[test]
    fn the_usual_variables_name_proxies_in_either_case() {
        let https = ("HTTPS_PROXY", "http://proxy:3128");
        assert_eq!(count(&[]), Ok(0));
        assert_eq!(count(&[("HTTPS_PROXY", ""), ("http_proxy", "")]), Ok(0));
        assert_eq!(count(&[https, ("http_proxy", "proxy:3128"), ("no_proxy", "")]), Ok(2));
        assert_eq!(count(&[https, ("https_proxy", "http://a")]), Ok(1));
    }

    #[test]
    fn a_bad_proxy_is_named_by_its_variable_alone() {
        for value in ["http://user:c4nary@:x:y", "socks5://user:c4nary@proxy"] {
            let error = count(&[("ALL_PROXY", value)]).unwrap_err();
            assert_eq!(error, "ALL_PROXY is not the URL of an http or https proxy");
        }
    }
}
