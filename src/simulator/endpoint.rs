//! From a request to its answer: gate, faults, operation, format.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::call::Call;
use super::control::{Control, Hook};
use super::damage::Damage;
use super::delivery::{self, Abort, Stream};
use super::encode::Format;
use super::fault::{Armed, Claim, Effect, Fault};
use super::gate::{Gate, Member};
use super::imports;
use super::record::{Record, RecordedRequest};
use super::refusal::Refusal;
use super::scenario::Scenario;
use super::world::{Moment, World};
use crate::clock::Clock;

/// Everything behind the address.
pub(crate) struct Endpoint {
    pub(crate) world: World,
    pub(crate) gate: Gate,
    pub(crate) record: Record,
    pub(crate) hook: RwLock<Option<Hook>>,
    faults: RwLock<Arc<Vec<Armed>>>,
}

/// An answer before it travels.
struct Reply {
    status: u16,
    code: Option<String>,
    content_type: Option<&'static str>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

const VERSION: &str = "2014-08-15";
const LARGEST_BODY: usize = 1024 * 1024;

impl Endpoint {
    pub(crate) fn new(scenario: &Scenario, clock: Clock) -> Self {
        let endpoint = Self {
            world: World::new(scenario, clock),
            gate: Gate::new(scenario),
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
        let call = Call::read(&head, &body);

        let faults = self.faults();
        let moment = self.world.moment();
        let owner = call.get("AccessKeyId").and_then(|key| self.gate.owner(key));
        let damage = Damage(met(&faults, &call, owner, &moment));
        let now = moment.now + damage.skew();

        let request_id = request_id();
        let result = if oversized {
            Err(Refusal::new(413, "RequestEntityTooLarge", "The request body is too large."))
        } else {
            self.decide(&call, &request_id, now, &moment, &damage)
        };
        let reply = gateway(&damage).unwrap_or_else(|| render(result, &call, &request_id, &damage));
        self.note(call, owner, &moment, &damage, &reply);
        delivery::delay(&damage).await?;
        Ok(send(reply, &request_id, now, &damage))
    }

    /// What the API says to a request.
    fn decide(
        &self,
        call: &Call,
        request_id: &str,
        now: DateTime<Utc>,
        moment: &Moment,
        damage: &Damage<'_>,
    ) -> Result<Value, Refusal> {
        call.check_form()?;
        let member = self.gate.authenticate(call, now, moment.elapsed)?;
        member.admit(moment.elapsed)?;
        damage.refusal().map_or(Ok(()), Err)?;
        let action = call.required("Action")?;
        if call.required("Version")? != VERSION {
            let message = format!("Specified parameter Version is not valid: use {VERSION}.");
            return Err(Refusal::new(400, "NoSuchVersion", message));
        }
        if action != imports::ACTION {
            let message = "Specified api is not found, please check your url and method.";
            return Err(Refusal::new(404, "InvalidApi.NotFound", message));
        }
        let mut fields = imports::answer(call, member, &self.world, moment, damage)?;
        let page = call.get("PageNumber").and_then(|page| page.parse().ok()).unwrap_or(1);
        fields["RequestId"] = json!(request_id);
        damage.fields(&mut fields, page);
        Ok(fields)
    }

    fn note(
        self: &Arc<Self>,
        call: Call,
        owner: Option<&Member>,
        moment: &Moment,
        damage: &Damage<'_>,
        reply: &Reply,
    ) {
        let mut parameters = call.parameters;
        parameters.retain(|name, _| name != "Signature" && name != "SecurityToken");
        let request = Arc::new(RecordedRequest {
            at: moment.now,
            method: call.method,
            parameters,
            account: owner.map(|member| member.name.clone()),
            status: delivery::answers(damage).then_some(reply.status),
            code: reply.code.clone().filter(|_| delivery::answers(damage)),
            faults: damage.0.iter().map(|effect| effect.name()).collect(),
        });
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook(&request, &Control::new(Arc::clone(self)));
        }
        self.record.add(request);
    }
}

/// The effects of the faults that a request meets, taken at its word.
fn met<'a>(
    faults: &'a [Armed],
    call: &Call,
    owner: Option<&Member>,
    moment: &Moment,
) -> Vec<&'a Effect> {
    let claim = Claim {
        instance: call.get("DBInstanceId"),
        account: owner.map(|member| member.name.as_str()),
        page: call.get("PageNumber").map_or(Some(1), |page| page.parse().ok()).unwrap_or(0),
        by_import_id: call.get("ImportId").is_some(),
        window: imports::window(call),
        elapsed: moment.elapsed,
    };
    faults.iter().filter_map(|fault| fault.meet(&claim)).collect()
}

/// What something before the API answers in its place.
fn gateway(damage: &Damage<'_>) -> Option<Reply> {
    damage.0.iter().find_map(|effect| {
        let (status, content_type, body) = match effect {
            Effect::Http(status) => (*status, None, Vec::new()),
            Effect::Html(status) => (*status, Some("text/html"), page(*status)),
            _ => return None,
        };
        Some(Reply { status, code: None, content_type, retry_after: None, body })
    })
}

fn page(status: u16) -> Vec<u8> {
    format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>\n"
    )
    .into_bytes()
}

fn render(
    result: Result<Value, Refusal>,
    call: &Call,
    request_id: &str,
    damage: &Damage<'_>,
) -> Reply {
    let asked = call.format().unwrap_or(Format::Xml);
    let format = if damage.holds(&Effect::Xml) { Format::Xml } else { asked };
    let content_type = Some(format.content_type());
    let mut reply = match result {
        Ok(fields) => {
            let body = format.encode(&format!("{}Response", imports::ACTION), &fields);
            Reply { status: 200, code: None, content_type, retry_after: None, body }
        }
        Err(refusal) => Reply {
            status: refusal.status,
            body: format.encode("Error", &refusal.fields(request_id)),
            content_type,
            retry_after: refusal.retry_after,
            code: Some(refusal.code),
        },
    };
    damage.bytes(&mut reply.body);
    reply
}

fn send(
    reply: Reply,
    request_id: &str,
    now: DateTime<Utc>,
    damage: &Damage<'_>,
) -> Response<Stream> {
    let (stream, length) = delivery::stream(damage, reply.body);
    let mut response = Response::new(stream);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(content_type) = reply.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-acs-request-id", id);
    }
    if let Some(wait) = reply.retry_after {
        let milliseconds = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert("x-acs-retry-after", HeaderValue::from(milliseconds));
    }
    if !damage.holds(&Effect::NoDate)
        && let Ok(date) =
            HeaderValue::from_str(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    {
        headers.insert(DATE, date);
    }
    response
}

/// Shaped like the documentation's: `B000AA91-393D-46F9-8D9B-098E28931A3A`.
fn request_id() -> String {
    let id = fastrand::u128(..);
    format!(
        "{:08X}-{:04X}-4{:03X}-{:04X}-{:012X}",
        (id >> 96) as u32,
        (id >> 80) as u16,
        (id >> 68) as u16 & 0xfff,
        (id >> 48) as u16 & 0x3fff | 0x8000,
        id as u64 & 0xffff_ffff_ffff,
    )
}
