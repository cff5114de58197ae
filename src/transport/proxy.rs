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
        let proxy = through(value).map_err(|_| format!("{name} is not the URL of a proxy"))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<usize, String> {
        super::of(&variables.iter().copied().collect()).map(|proxies| proxies.len())
    }

    #[test]
    fn the_usual_variables_name_proxies_in_either_case() {
        assert_eq!(of(&[]), Ok(0));
        assert_eq!(of(&[("HTTPS_PROXY", ""), ("http_proxy", "")]), Ok(0));
        assert_eq!(
            of(&[("HTTPS_PROXY", "http://proxy:3128"), ("http_proxy", "proxy:3128")]),
            Ok(2)
        );
        assert_eq!(of(&[("https_proxy", "http://a"), ("HTTPS_PROXY", "http://b")]), Ok(1));
    }

    #[test]
    fn a_bad_proxy_is_named_by_its_variable_alone() {
        let error = of(&[("HTTPS_PROXY", "http://user:c4nary@:x:y")]).unwrap_err();
        assert_eq!(error, "HTTPS_PROXY is not the URL of a proxy");
    }
}
