//! What to do about a failure, more precisely than a log line can: by code, and with what is known
//! of the account.

use chrono::TimeDelta;

use crate::api::error::Code;
use crate::api::{Error, Kind};
use crate::poll::targets::Search;

/// What the advice depends on beside the error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    /// The search that failed; `None` if it was a question for an instance's tasks.
    pub(super) search: Option<&'a Search>,
    /// Where.
    pub(super) region_id: &'a str,
    /// How far our clock is ahead of the API's, if there was an answer.
    pub(super) clock_skew: Option<TimeDelta>,
}

/// What the operator can do about `error`.
pub(super) fn advice(error: &Error, situation: Situation<'_>) -> String {
    by_code(error, situation).unwrap_or_else(|| {
        let hint = situation.search.map(|search| search.hint(error.kind()));
        hint.unwrap_or_else(|| error.kind().hint()).to_owned()
    })
}

fn by_code(error: &Error, situation: Situation<'_>) -> Option<String> {
    let fixed = match (error.code(), error.kind()) {
        (Code::Documented("InvalidAccessKeyId.NotFound"), _) => {
            "there is no such access key: correct access_key_id, or create another key"
        }
        (Code::Documented("InvalidAccessKeyId.Inactive"), _) => {
            "the access key is disabled: enable it in the RAM console, or configure another"
        }
        (Code::Documented("SignatureDoesNotMatch"), _) => {
            "the secret does not belong to the access key: copy both again"
        }
        (_, Kind::ClockSkewed) => return Some(clock(situation.clock_skew)),
        (_, Kind::Forbidden) if situation.search.is_none() => {
            "grant the RAM action rds:DescibeImportsFromDatabase, spelled so, on these instances; \
             the command policy prints what is needed"
        }
        (_, Kind::NotFound) if situation.search.is_none() => {
            return Some(format!(
                "the account has no such instance in {}: check id, region and account of the \
                 instance",
                situation.region_id
            ));
        }
        (_, Kind::Unsupported) => {
            "this engine or edition has no migration tasks: correct the engine of the instance, or \
             remove it"
        }
        (Code::Tls, _) => {
            "the endpoint's certificate is not trusted or TLS is not spoken: if a proxy opens TLS, \
             name its CA in ca_file; check that endpoints.rds is the right host"
        }
        (Code::Timeout | Code::Connect | Code::Http(407), _) => network(error),
        _ => return None,
    };
    Some(fixed.to_owned())
}

/// Tells causes apart by the words of the HTTP library, which has no kinds for them.
fn network(error: &Error) -> &'static str {
    let says = |word: &str| error.message().to_ascii_lowercase().contains(word);
    if error.code() == Code::Http(407) || says("proxy") || says("tunnel") {
        "the proxy does not let the call through: check https_proxy, with its user and password, \
         and no_proxy"
    } else if says("dns") || says("lookup") {
        "the name of the endpoint is not resolved: check DNS and the spelling of the region, which \
         is part of the name"
    } else {
        "the endpoint is not reached: check firewall, https_proxy and no_proxy; inside a VPC \
         without internet access, set network: vpc"
    }
}

fn clock(skew: Option<TimeDelta>) -> String {
    match skew.map(|skew| skew.num_seconds()) {
        Some(ahead @ 1..) => {
            format!("this machine's clock is about {ahead} s ahead of the API's: set it by NTP")
        }
        Some(behind @ ..=-1) => {
            format!("this machine's clock is about {} s behind the API's: set it by NTP", -behind)
        }
        _ => Kind::ClockSkewed.hint().to_owned(),
    }
}
