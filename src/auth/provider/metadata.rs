//! `ecs_ram_role`: the keys of the RAM role of the ECS instance that this runs on, by its metadata
//! service.

use std::time::Duration;

use reqwest::RequestBuilder;

use crate::auth::provider::session::{Keys, Session, json};
use crate::auth::provider::source::Context;
use crate::config::is_role_name;
use crate::transport::{self, Answer};

const ENDPOINT: &str = "http://100.100.100.200";
const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const LIFETIME_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
/// How long the session with the service lasts; as the official SDKs ask for.
const LIFETIME_SECONDS: &str = "21600";
/// The service is on this machine's host, or nowhere.
const TIMEOUT: Duration = Duration::from_secs(1);

const DISABLED: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
const V1_DISABLED: &str = "ALIBABA_CLOUD_IMDSV1_DISABLED";
const ROLE: &str = "ALIBABA_CLOUD_ECS_METADATA";

/// The role of the instance.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// Without it, the environment's, or whichever the instance has.
    pub(super) role_name: Option<String>,
}

impl Metadata {
    pub(super) async fn keys(&self, context: &Context) -> Result<Keys, String> {
        if context.is_on(DISABLED) {
            return Err(format!("the metadata service is disabled by {DISABLED}"));
        }
        let service = Service::open(context).await?;
        let configured = self.role_name.as_deref().or_else(|| context.variable(ROLE));
        let role = match configured {
            Some(role) if is_role_name(role) => role.to_owned(),
            Some(_) => return Err(format!("the role of {ROLE} or the profile is no role's name")),
            None => service.role().await?,
        };
        service.keys_of(&role).await
    }
}

/// The metadata service, with a token if it gave one.
struct Service<'a> {
    context: &'a Context,
    base: &'a str,
    token: Option<String>,
}

impl<'a> Service<'a> {
    /// Asks for a token (IMDSv2). A service that gives none is asked without one, unless that is
    /// disabled: an older one knows no tokens, and inside a container its answer may not arrive.
    async fn open(context: &'a Context) -> Result<Self, String> {
        let base = context.endpoints.metadata.as_deref().unwrap_or(ENDPOINT);
        let url = format!("{base}{TOKEN}");
        let request =
            context.transport.direct().put(&url).header(LIFETIME_HEADER, LIFETIME_SECONDS);
        let problem = match send(request, &url).await {
            Ok(answer) => match std::str::from_utf8(&answer.body).map(str::trim) {
                Ok(token) if is_token(token) => {
                    return Ok(Self { context, base, token: Some(token.to_owned()) });
                }
                _ => format!("{url} answered with something that is no token"),
            },
            Err(problem) => problem,
        };
        if context.is_on(V1_DISABLED) {
            return Err(format!(
                "{problem}; going on without a token is disabled by {V1_DISABLED}"
            ));
        }
        tracing::debug!(account = %context.account, problem, "asking the metadata service without a token");
        Ok(Self { context, base, token: None })
    }

    /// The name of the instance's role.
    async fn role(&self) -> Result<String, String> {
        let url = format!("{}{ROLES}", self.base);
        let answer = self.get(&url).await.map_err(|problem| match problem {
            Problem::NotFound => format!("{url}: this ECS instance has no RAM role"),
            Problem::Other(problem) => problem,
        })?;
        let text = String::from_utf8_lossy(&answer.body);
        let name = text.trim();
        if !is_role_name(name) {
            return Err(format!("{url} answered with something that is no role's name"));
        }
        Ok(name.to_owned())
    }

    async fn keys_of(&self, role: &str) -> Result<Keys, String> {
        let url = format!("{}{ROLES}{role}", self.base);
        let answer = self.get(&url).await.map_err(|problem| match problem {
            Problem::NotFound => format!("{url}: this ECS instance does not have the role {role}"),
            Problem::Other(problem) => problem,
        })?;
        let handed_out = answer.date().unwrap_or_else(|| self.context.clock.now());
        let keys =
            json::<Session>(&answer.body).and_then(|session| match session.code.as_deref() {
                Some("Success") => session.into_keys(handed_out),
                Some(_) => Err("has another Code than Success".to_owned()),
                None => Err("has no Code".to_owned()),
            });
        keys.map_err(|problem| format!("the answer of {url} {problem}"))
    }

    async fn get(&self, url: &str) -> Result<Answer, Problem> {
        let mut request = self.context.transport.direct().get(url);
        if let Some(token) = &self.token {
            request = request.header(TOKEN_HEADER, token);
        }
        let answer = transport::send(request.timeout(TIMEOUT)).await;
        match answer {
            Ok(answer) if answer.status == 404 => Err(Problem::NotFound),
            answer => checked(answer, url).map_err(Problem::Other),
        }
    }
}

enum Problem {
    NotFound,
    Other(String),
}

async fn send(request: RequestBuilder, url: &str) -> Result<Answer, String> {
    checked(transport::send(request.timeout(TIMEOUT)).await, url)
}

fn checked(answer: Result<Answer, transport::Failure>, url: &str) -> Result<Answer, String> {
    match answer {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(format!("{url} answered HTTP status {}", answer.status)),
        Err(failure) => Err(format!("{url}: {}", failure.problem)),
    }
}

/// Whether a text can be sent as a header.
fn is_token(text: &str) -> bool {
    (1..=4_096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
