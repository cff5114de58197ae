//! Plain HTTP services that hand out a role's keys: the ECS metadata service, and credentials URIs.

mod ecs;
mod tokens;
mod uri;

use super::faults::damage::Damage;
use super::gate::Gate;
use super::life::world::Moment;
use super::scenario::Scenario;
use super::sts::roles::Roles;
use super::wire::call::Call;
use super::wire::refusal::Refusal;
use super::wire::reply::Answer;
use ecs::Ecs;
use uri::Uri;

/// The services.
#[derive(Debug)]
pub(crate) struct Services {
    ecs: Ecs,
    uris: Vec<Uri>,
}

/// One of them, as a path tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Service<'a> {
    Ecs(&'a Ecs),
    Uri(&'a Uri),
}

/// A request, and what it meets.
pub(crate) struct Request<'a> {
    pub(crate) call: &'a Call,
    pub(crate) gate: &'a Gate,
    pub(crate) roles: &'a Roles,
    pub(crate) moment: &'a Moment,
    pub(crate) damage: &'a Damage<'a>,
}

impl Services {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let uris = scenario.credentials_uris.iter().cloned().map(Uri::new);
        Self { ecs: Ecs::new(scenario.metadata.clone()), uris: uris.collect() }
    }

    /// The service that answers at a path; none if an API does.
    pub(crate) fn at(&self, path: &str) -> Option<Service<'_>> {
        if path.starts_with("/latest/") {
            return Some(Service::Ecs(&self.ecs));
        }
        self.uris.iter().find(|uri| uri.path() == path).map(Service::Uri)
    }

    /// Has the ECS instance wear another role, or none.
    pub(crate) fn wear(&self, role: Option<String>) {
        self.ecs.wear(role);
    }
}

impl Service<'_> {
    /// What faults call the request.
    pub(crate) fn action(self, path: &str) -> Option<&'static str> {
        match self {
            Self::Ecs(_) => ecs::action(path),
            Self::Uri(_) => Some("CredentialsUri"),
        }
    }

    pub(crate) fn answer(self, request: &Request<'_>) -> Result<Answer, Refusal> {
        request.damage.refusal().map_or(Ok(()), Err)?;
        match self {
            Self::Ecs(ecs) => ecs.answer(request),
            Self::Uri(uri) => uri.answer(request),
        }
    }
}

fn not_found() -> Refusal {
    Refusal::new(404, "NotFound", "Not Found")
}

fn wrong_method() -> Refusal {
    Refusal::new(405, "MethodNotAllowed", "Method Not Allowed")
}
