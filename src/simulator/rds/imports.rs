//! `DescibeImportsFromDatabase`: its parameters, checked one by one, and its answer.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Request;
use super::parameters::{LARGEST, check_owners, check_token, integer, page_of};
use crate::simulator::life::world::{Entry, Item};
use crate::simulator::scenario::{Engine, InstanceType, State};
use crate::simulator::wire::call::{self, Call};
use crate::simulator::wire::refusal::Refusal;

/// The operation's name, in the spelling of its reference.
pub(super) const ACTION: &str = "DescibeImportsFromDatabase";

/// Parameters of the operation.
#[derive(Debug)]
struct Query<'a> {
    instance: &'a str,
    engine: Engine,
    window: (DateTime<Utc>, DateTime<Utc>),
    import_id: Option<u64>,
    page_size: u64,
    page_number: u64,
}

/// Answers a request that has passed the gate.
pub(super) fn answer(request: &Request<'_>) -> Result<Value, Refusal> {
    request.authorise(ACTION)?;
    let Request { call, identity, world, moment, damage } = request;
    let query = Query::read(call)?;
    let instance = world
        .instance(query.instance)
        .filter(|instance| instance.account.as_deref() == Some(identity.account.name.as_str()))
        .filter(|instance| instance.exists(moment.elapsed))
        .ok_or_else(Refusal::no_such_instance)?;
    match instance.state {
        State::Normal => {}
        State::Missing => return Err(Refusal::no_such_instance()),
        State::UnsupportedType => return Err(Refusal::unsupported_type()),
        State::Denied => return Err(Refusal::not_authorised(&format!("rds:{ACTION}"))),
    }
    if instance.engine != query.engine || instance.kind != InstanceType::Primary {
        return Err(Refusal::unsupported_type());
    }

    let mut entries = world.list(&instance, moment, query.window);
    let stranger = |id| Entry::stranger(id, moment);
    damage.move_list(&mut entries, query.page_number, stranger);
    if let Some(id) = query.import_id {
        entries.retain(|entry| entry.import_id == id);
    }
    let total = entries.len() as u64;
    let page = page_of(&entries, query.page_size, query.page_number);
    let (page, total) = damage.endless(query.page_size, query.page_number, stranger).map_or_else(
        || (page.to_vec(), total),
        |(strangers, endless_total)| (strangers, endless_total),
    );
    let items: Vec<_> = page.iter().map(|entry| to_json(&entry.item(moment))).collect();
    Ok(json!({
        "PageNumber": query.page_number,
        "PageRecordCount": items.len(),
        "TotalRecordCount": total,
        "Items": { "ImportResultFromDB": items },
    }))
}

fn to_json(item: &Item<'_>) -> Value {
    let mut fields = json!({
        "ImportId": item.import_id,
        "ImportDataType": item.kind.as_str(),
        "ImportDataStatus": item.status.as_str(),
        "ImportDataStatusDescription": item.description,
    });
    if let Some(time) = &item.importing_time {
        fields["IncrementalImportingTime"] = json!(time);
    }
    fields
}

impl<'a> Query<'a> {
    fn read(call: &'a Call) -> Result<Self, Refusal> {
        let instance = call.required("DBInstanceId")?;
        let engine = match call.required("Engine")? {
            "MySQL" => Engine::MySQL,
            "SQLServer" => Engine::SQLServer,
            _ => return Err(Refusal::malformed("Engine", "valid values are MySQL and SQLServer")),
        };
        let window = (time(call, "StartTime")?, time(call, "EndTime")?);
        let import_id = integer(call, "ImportId", "ImportId", 0..=LARGEST)?;
        let page_size = integer(call, "PageSize", "PageSize", 0..=LARGEST)?.unwrap_or(30);
        if ![30, 50, 100].contains(&page_size) {
            return Err(Refusal::malformed("PageSize", "valid values are 30, 50 and 100"));
        }
        // The reference spells this code with an s.
        let pages = 1..=LARGEST;
        let page_number = integer(call, "PageNumber", "PageNumbers", pages)?.unwrap_or(1);
        check_token(call)?;
        check_owners(call)?;
        Ok(Self { instance, engine, window, import_id, page_size, page_number })
    }
}

fn time(call: &Call, name: &str) -> Result<DateTime<Utc>, Refusal> {
    let allowed = "the format is yyyy-MM-ddTHH:mmZ, in UTC";
    call::minutes(call.required(name)?).ok_or_else(|| Refusal::malformed(name, allowed))
}

/// How long the window of a request is, as far as it can be told.
pub(crate) fn window(call: &Call) -> Option<TimeDelta> {
    Some(call::minutes(call.get("EndTime")?)? - call::minutes(call.get("StartTime")?)?)
}
