//! From a request to its answer: gate, faults, service, format.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

use super::control::{Control, Hook};
use super::faults::armed::{Armed, Claim};
use super::faults::damage::Damage;
use super::faults::{Effect, Fault};
use super::gate::{Gate, Member};
use super::life::world::{Moment, World};
use super::metadata::{self, Services};
use super::rds::{self, Rds};
use super::record::{Record, RecordedRequest};
use super::scenario::Scenario;
use super::sts::{self, roles::Roles};
use super::wire::call::Call;
use super::wire::delivery::{self, Abort, Stream};
use super::wire::encode::Format;
use super::wire::refusal::{Product, Refusal};
use super::wire::reply::{Answer, Reply, Style, request_id};
use crate::clock::Clock;

/// Everything behind the address.
pub(crate) struct Endpoint {
    pub(crate) world: World,
    pub(crate) gate: Gate,
    pub(crate) roles: Roles,
    pub(crate) services: Services,
    pub(crate) record: Record,
    pub(crate) hook: RwLock<Option<Hook>>,
    rds: Rds,
    faults: RwLock<Arc<Vec<Armed>>>,
}

/// A request, what it asks for, and what it meets.
struct Asked<'a> {
    call: &'a Call,
    action: Option<&'a str>,
    request_id: &'a str,
    moment: &'a Moment,
    /// What the endpoint takes for the time.
    now: DateTime<Utc>,
    damage: &'a Damage<'a>,
}

const LARGEST_BODY: usize = 1024 * 1024;

impl Endpoint {
    pub(crate) fn new(scenario: &Scenario, clock: Clock) -> Self {
        let endpoint = Self {
            gate: Gate::new(scenario, clock.now()),
            world: World::new(scenario, clock),
            roles: Roles::new(scenario),
            services: Services::new(scenario),
            rds: Rds::new(scenario),
            record: Record::default(),
            hook: RwLock::default(),
            faults: RwLock::default(),
        };
        endpoint.set_faults(scenario.faults.clone());
        endpoint
    }

    /// Replaces the faults; their counts start anew.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        let armed = Arc::new(faults.into_iter().map(Armed::new).collect());
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = armed;
    }

    fn faults(&self) -> Arc<Vec<Armed>> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// When a fault wants the connection to end without an answer.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Stream>, Abort> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, LARGEST_BODY).collect().await;
        let oversized = body.is_err();
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let call = Call::read(&head, body);

        let faults = self.faults();
        let moment = self.world.moment();
        let service = self.services.at(&call.path);
        let action = match service {
            Some(service) => service.action(&call.path),
            None => call.action(),
        };
        let owner = Gate::claimed_key(&call).and_then(|key| self.gate.owner(key));
        let damage = Damage(met(&faults, &call, action, owner, &moment));
        let now = moment.now + damage.skew();

        let request_id = request_id();
        let asked = Asked {
            call: &call,
            action,
            request_id: &request_id,
            moment: &moment,
            now,
            damage: &damage,
        };
        let result = if oversized {
            Err(Refusal::new(413, "RequestEntityTooLarge", "The request body is too large."))
        } else if let Some(service) = service {
            let (gate, roles) = (&self.gate, &self.roles);
            let (call, moment, damage) = (&call, &moment, &damage);
            let result = service.answer(&metadata::Request { call, gate, roles, moment, damage });
            result.map(|answer| spoilt(answer, damage))
        } else {
            self.operate(&asked).map(Answer::Fields)
        };
        let style = if service.is_some() { Style::Plain } else { asked.style() };
        let reply = Reply::gateway(&damage)
            .unwrap_or_else(|| Reply::of(result, style, &request_id, &damage));
        self.note(&asked, owner, &reply);
        delivery::delay(&damage).await?;
        Ok(reply.send(&request_id, now, &damage))
    }

    /// What an API says to a request.
    fn operate(&self, asked: &Asked<'_>) -> Result<serde_json::Value, Refusal> {
        let Asked { call, moment, damage, .. } = *asked;
        call.check_form()?;
        let unsigned = asked.action.is_some_and(sts::is_unsigned) && asked.is_of_sts();
        let identity = match unsigned {
            true => None,
            false => Some(self.gate.authenticate(call, asked.now, moment)?),
        };
        if let Some(identity) = &identity
            && !asked.is_of_sts()
        {
            identity.account.admit(moment.elapsed)?;
        }
        damage.refusal().map_or(Ok(()), Err)?;
        let action = asked.action.ok_or_else(|| Refusal::missing("Action"))?;
        let version = call.version().ok_or_else(|| Refusal::missing("Version"))?;
        let products = [(rds::VERSION, &rds::ACTIONS[..]), (sts::VERSION, &sts::ACTIONS[..])];
        let home = products.iter().find(|(_, actions)| actions.contains(&action));
        let versions: Vec<_> = match home {
            Some((version, _)) => vec![*version],
            None => products.iter().map(|(version, _)| *version).collect(),
        };
        if !versions.contains(&version) {
            let message =
                format!("Specified parameter Version is not valid: use {}.", versions.join(" or "));
            return Err(Refusal::new(400, "NoSuchVersion", message));
        }
        let (gate, roles) = (&self.gate, &self.roles);
        let mut fields = match &identity {
            Some(identity) if !asked.is_of_sts() => {
                let world = &self.world;
                let request = rds::Request { call, identity, world, moment, damage };
                self.rds.answer(action, &request)?
            }
            identity => {
                let request = sts::Request { call, gate, roles, moment, damage };
                sts::answer(action, &request, identity.as_ref())?
            }
        };
        fields["RequestId"] = json!(asked.request_id);
        damage.fields(&mut fields, rds::page(call).max(1));
        Ok(fields)
    }

    fn note(self: &Arc<Self>, asked: &Asked<'_>, owner: Option<&Member>, reply: &Reply) {
        let Asked { call, damage, .. } = *asked;
        let mut parameters = call.parameters.clone();
        parameters
            .retain(|name, _| !["Signature", "SecurityToken", "OIDCToken"].contains(&&**name));
        let answered = delivery::answers(damage);
        let request = Arc::new(RecordedRequest {
            at: asked.moment.now,
            method: call.method.clone(),
            path: call.path.clone(),
            action: asked.action.map(str::to_owned),
            parameters,
            access_key_id: Gate::claimed_key(call).map(str::to_owned),
            signature: Gate::claimed_signature(call),
            account: owner.map(|member| member.name.clone()),
            status: answered.then_some(reply.status),
            code: reply.code.clone().filter(|_| answered),
            faults: damage.0.iter().map(|effect| effect.name()).collect(),
        });
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(&request, &Control::new(Arc::clone(self)));
        }
        self.record.add(request);
    }
}

impl<'a> Asked<'a> {
    fn is_of_sts(&self) -> bool {
        self.call.version() == Some(sts::VERSION)
    }

    fn style(&self) -> Style<'a> {
        Style::Operation {
            product: if self.is_of_sts() { Product::Sts } else { Product::Rds },
            action: self.action.unwrap_or_default(),
            format: self.call.format().unwrap_or(Format::Xml),
        }
    }
}

/// The effects of the faults that a request meets, taken at its word.
fn met<'a>(
    faults: &'a [Armed],
    call: &Call,
    action: Option<&str>,
    owner: Option<&Member>,
    moment: &Moment,
) -> Vec<&'a Effect> {
    let claim = Claim {
        action,
        instance: call.get("DBInstanceId"),
        account: owner.map(|member| member.name.as_str()),
        page: rds::page(call).try_into().unwrap_or(0),
        by_import_id: call.get("ImportId").is_some(),
        window: rds::window(call),
        elapsed: moment.elapsed,
    };
    faults.iter().filter_map(|fault| fault.meet(&claim)).collect()
}

/// The fields of a plain service's document, as the faults leave them.
fn spoilt(answer: Answer, damage: &Damage<'_>) -> Answer {
    match answer {
        Answer::Document(mut document) => {
            damage.fields(&mut document, 1);
            Answer::Document(document)
        }
        other => other,
    }
}
