//! The Security Token Service: takes roles, for keys or for an OIDC token.

mod refusal;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::auth::Credentials;
use crate::auth::provider::session::{Keys, Session, json};
use crate::auth::provider::source::Context;
use crate::auth::sign::{self, Attempt, Call};
use crate::config::{Network, Role};
use crate::instruments::Scope;
use crate::secret::Secret;
use crate::transport::{self, Answer};

use refusal::Refusal;

const VERSION: &str = "2015-04-01";
pub(super) const ASSUME_ROLE: &str = "AssumeRole";
pub(super) const ASSUME_ROLE_WITH_OIDC: &str = "AssumeRoleWithOIDC";

const REGION: &str = "ALIBABA_CLOUD_STS_REGION";
const VPC: &str = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";
const SESSION_NAME: &str = "ALIBABA_CLOUD_ROLE_SESSION_NAME";

/// Shows in the cloud's audit log, unless another name is given.
const DEFAULT_SESSION_NAME: &str = env!("CARGO_PKG_NAME");
/// How long a role's keys live, unless told otherwise; STS's own default.
const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);

/// Which STS to ask, as far as a profile says.
#[derive(Debug, Default)]
pub(super) struct Sts {
    pub(super) region: Option<String>,
    pub(super) vpc: bool,
}

/// A role to take.
#[derive(Debug)]
pub(super) struct AssumedRole {
    arn: String,
    session_name: String,
    policy: Option<String>,
    duration: Duration,
    external_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Session,
}

impl AssumedRole {
    pub(super) fn new(
        context: &Context,
        arn: String,
        role: &Role,
        external_id: Option<String>,
    ) -> Self {
        let session_name = role.session_name.as_deref().or_else(|| context.variable(SESSION_NAME));
        Self {
            arn,
            session_name: session_name.unwrap_or(DEFAULT_SESSION_NAME).to_owned(),
            policy: role.policy.clone(),
            duration: role.duration.unwrap_or(DEFAULT_DURATION),
            external_id,
        }
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("RoleArn", self.arn.clone()),
            ("RoleSessionName", self.session_name.clone()),
            ("DurationSeconds", self.duration.as_secs().to_string()),
        ];
        parameters.extend(self.policy.clone().map(|policy| ("Policy", policy)));
        parameters.extend(self.external_id.clone().map(|id| ("ExternalId", id)));
        parameters
    }
}

impl Sts {
    /// Takes `role` with `credentials`.
    pub(super) async fn assume_role(
        &self,
        context: &Context,
        role: &AssumedRole,
        credentials: &Credentials,
    ) -> Result<Keys, String> {
        let endpoint = self.endpoint(context)?;
        let parameters = role.parameters();
        let form: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let call = Call {
            endpoint: &endpoint,
            action: ASSUME_ROLE,
            version: VERSION,
            query: &[],
            form: &form,
        };
        let secrets = [Some(&credentials.access_key_secret), credentials.security_token.as_ref()];
        let secrets: Vec<_> = secrets.into_iter().flatten().collect();
        let attempt = |time| sign::sign(context.signature, &call, &Attempt::at(time), credentials);
        let keys = ask(context, &call, &secrets, attempt).await;
        keys.map_err(|refusal| format!("{} cannot be taken: {refusal}", role.arn))
    }

    /// Takes `role` for an OIDC token, which goes into the body: URLs end in logs.
    pub(super) async fn assume_role_with_oidc(
        &self,
        context: &Context,
        role: &AssumedRole,
        provider_arn: &str,
        token: &Secret,
    ) -> Result<Keys, String> {
        let endpoint = self.endpoint(context)?;
        let parameters = role.parameters();
        let mut form: Vec<_> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form.extend([("OIDCProviderArn", provider_arn), ("OIDCToken", token.expose())]);
        let call = Call {
            endpoint: &endpoint,
            action: ASSUME_ROLE_WITH_OIDC,
            version: VERSION,
            query: &[],
            form: &form,
        };
        let attempt = |time| sign::unsigned(&call, time);
        let keys = ask(context, &call, &[token], attempt).await;
        keys.map_err(|refusal| format!("{} cannot be taken: {refusal}", role.arn))
    }

    /// The override, or the host of the region that profile or environment name.
    fn endpoint(&self, context: &Context) -> Result<String, String> {
        if let Some(endpoint) = &context.endpoints.sts {
            return Ok(endpoint.clone());
        }
        let region = self.region.as_deref().or_else(|| context.variable(REGION));
        let within_vpc = context.network == Network::Vpc;
        let vpc = within_vpc || self.vpc || context.is_on(VPC);
        match region {
            Some(region) if !is_region(region) => Err(format!(
                "the STS region, of {REGION} or sts_region, is not a region ID such as cn-hangzhou"
            )),
            Some(region) if vpc => Ok(format!("https://sts-vpc.{region}.aliyuncs.com")),
            Some(region) => Ok(format!("https://sts.{region}.aliyuncs.com")),
            None if within_vpc => Err(format!(
                "network: vpc has an STS for each region; name yours with {REGION} or endpoints.sts"
            )),
            None => Ok("https://sts.aliyuncs.com".to_owned()),
        }
    }
}

/// Sends an attempt, and a second one if this machine's clock proves to be off.
async fn ask(
    context: &Context,
    call: &Call<'_>,
    secrets: &[&Secret],
    attempt: impl Fn(DateTime<Utc>) -> sign::Request,
) -> Result<Keys, Refusal> {
    let first = send(context, call, secrets, attempt(context.clock.now())).await;
    match first {
        Err(Refusal { clock_is_off: true, date: Some(date), .. }) => {
            send(context, call, secrets, attempt(date)).await
        }
        first => first,
    }
}

async fn send(
    context: &Context,
    call: &Call<'_>,
    secrets: &[&Secret],
    request: sign::Request,
) -> Result<Keys, Refusal> {
    let began = context.clock.monotonic();
    let sign::Request { url, headers, body } = request;
    let mut request = context.transport.through_proxies().post(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = transport::send(request.body(body)).await;
    let result = match answer {
        Ok(answer) => read(&answer, context, call, secrets),
        Err(failure) => Err(Refusal::unreachable(call.endpoint, &failure)),
    };
    let took = context.clock.monotonic().saturating_sub(began);
    let failure = result.as_ref().err().map(|refusal| refusal.code.to_string());
    let scope = Scope { account: &context.account, region_id: "" };
    context.instruments.api_request(scope, call.action, took, failure.as_deref());
    tracing::debug!(
        account = %context.account,
        action = call.action,
        code = failure.as_deref(),
        duration_ms = took.as_millis() as u64,
        "API request"
    );
    result
}

fn read(
    answer: &Answer,
    context: &Context,
    call: &Call<'_>,
    secrets: &[&Secret],
) -> Result<Keys, Refusal> {
    if answer.status != 200 {
        return Err(Refusal::answered(call.endpoint, answer, secrets));
    }
    let handed_out = answer.date().unwrap_or_else(|| context.clock.now());
    let keys =
        json::<Assumed>(&answer.body).and_then(|assumed| assumed.credentials.into_keys(handed_out));
    keys.map_err(|problem| Refusal::bad_response(call.endpoint, &problem))
}

fn is_region(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=50).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_becomes_part_of_a_host_and_nothing_else() {
        assert!(is_region("cn-hangzhou"));
        for text in ["", "cn.evil", "cn/evil", "CN", "cn-hangzhou@evil"] {
            assert!(!is_region(text), "{text}");
        }
    }
}
